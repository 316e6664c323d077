"""How fast, how safely and how well each method learns: tasks times methods times seeds, evaluated on the way.

    nudge bench learning                                   # all of it: hours; goes on where it was cut
    python -m benchmarks.bench_learning --tasks peg --methods gated rlpd --seeds 3

Every run that is done is a line of runs/learning/results.jsonl; those that are there are not run again. The picture of
all of them is runs/learning/curves.png. Tasks of others need `make bench-setup`; without it they are left out, and said
to be.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path

from benchmarks import measure
from benchmarks.learning import picture, results
from benchmarks.learning.plans import METHODS, TASKS, Plan, plans
from benchmarks.measure import FOLDER
from policies.jsonfile import whole_lines
from sessions.processes import ONE_THREAD
from sessions.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
RUNS = FOLDER / "learning"
QUICK = Plan("peg", "gated", 0, episodes=5)


class Campaign:
    """Runs plans, as many side by side as there are processors, and keeps their results."""

    def __init__(self, folder: Path, quick: bool) -> None:
        self._folder, self._quick = folder, quick
        self._file = folder / "results.jsonl"
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[str]] = set()
        self._failed = 0

    def is_known(self, plan: Plan) -> bool:
        """Whether there is a result of this plan with these very settings."""
        found = results.of(results.read(self._file), plan.task, plan.method)
        return any((r["seed"], r["overrides"]) == (plan.seed, list(plan.overrides)) for r in found)

    def run(self, chosen: list[Plan]) -> int:
        """Run what is not known yet; returns how many runs failed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        waiting = deque(plan for plan in chosen if not self.is_known(plan))
        with Progress("learning", total=len(waiting)) as progress:
            threads = [
                threading.Thread(target=self._work, args=(waiting, progress)) for _ in range(os.cpu_count() or 1)
            ]
            for thread in threads:
                thread.start()
            try:
                for thread in threads:
                    thread.join()
            except BaseException:
                with self._lock:
                    waiting.clear()
                    for child in self._children:
                        child.terminate()
                raise
        return self._failed

    def _work(self, waiting: deque[Plan], progress: Progress) -> None:
        while True:
            with self._lock:
                if not waiting:
                    return
                plan = waiting.popleft()
                child = self._start(plan)
            text, _ = child.communicate()
            status = child.returncode
            with self._lock:
                if status == 0:
                    self._keep(text.splitlines()[-1])
                else:
                    self._failed += 1
                progress.advance(note=f"{plan.name} {'done' if status == 0 else f'failed, see {self._log(plan)}'}")

    def _keep(self, line: str) -> None:
        """Append a result; one that a cut run left half-written is taken away."""
        whole_lines(self._file)
        with self._file.open("a") as file:
            file.write(line + "\n")

    def _start(self, plan: Plan) -> subprocess.Popen[str]:
        out = self._folder / plan.name
        command = [TASKS[plan.task].python or sys.executable, "-m", "benchmarks.learning.one_run", "--out", str(out)]
        command += ["--task", plan.task, "--method", plan.method, "--seed", str(plan.seed)]
        command += ["--episodes", str(plan.episodes), *(["--quick"] if self._quick else [])]
        with self._log(plan).open("a") as log:
            environment = os.environ | ONE_THREAD | {"NUDGE_PARENT": str(os.getpid())}
            child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        self._children.add(child)
        return child

    def _log(self, plan: Plan) -> Path:
        return self._folder / f"{plan.name}.log"


def chosen_plans(tasks: list[str], methods: list[str], seeds: int) -> list[Plan]:
    """Return the plans of these tasks and methods; those whose interpreter is missing are left out, and said to be."""
    found = []
    for plan in plans(seeds):
        if plan.task in tasks and plan.method in methods:
            python = TASKS[plan.task].python
            if python and not (ROOT / python).exists():
                continue
            found.append(plan)
    for task in tasks:
        if TASKS[task].python and not (ROOT / TASKS[task].python).exists():
            sys.stderr.write(f"{task} is left out: there is no {TASKS[task].python}; make it with: make bench-setup\n")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    about = "one short run, of the first of --tasks and --methods, to see that all of it works"
    parser.add_argument("--quick", action="store_true", help=about)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=0, help="at most so many of each (default: as planned)")
    arguments = parser.parse_args()
    folder = FOLDER / "learning-quick" if arguments.quick else RUNS
    if arguments.quick:
        shutil.rmtree(folder, ignore_errors=True)  # an earlier one's
    is_asked = (arguments.tasks, arguments.methods) != (list(TASKS), list(METHODS))
    if arguments.quick and not is_asked:
        chosen = [QUICK]
    else:
        chosen = chosen_plans(arguments.tasks, arguments.methods, arguments.seeds)
    if arguments.quick:
        chosen = [replace(QUICK, task=plan.task, method=plan.method) for plan in chosen[:1]]
    if not chosen:
        parser.error("there is nothing to run: see what is planned in benchmarks/learning/plans.py")
    failed = Campaign(folder, arguments.quick).run(chosen)
    found = results.read(folder / "results.jsonl")
    for task in TASKS:
        for method in METHODS:
            of_both = results.of(found, task, method)
            for line in results.lines(task, method, of_both) if of_both else []:
                measure.tell(line)
    if found:
        picture.save(found, folder / "curves.png")
        sys.stderr.write(f"The picture is {folder / 'curves.png'}.\n")
    if failed:
        sys.stderr.write(f"{failed} of the runs failed; their logs are in {folder}.\n")
        sys.exit(1)


if __name__ == "__main__":
    measure.run(main)
