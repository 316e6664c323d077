"""How often the machine itself stood still: a process above all others sleeps, and tells when it woke too late.

    with Witness(late_s=0.005) as witness:
        ...
        witness.tell()          # how often, and for how long

What keeps a process waiting that nothing on the machine may keep waiting lies below the machine: a virtual one that was
put aside by its host. No priority of ours helps against it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from types import TracebackType

from robot import priority

PERIOD_S = 0.001


class Witness:
    """A process of its own; where it may not have the highest priority it says so, and its word is worth less.

    Args:
        late_s: waking later than this counts as a pause.
    """

    def __init__(self, late_s: float) -> None:
        self._late_s = late_s
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Witness:
        command = [sys.executable, "-m", "benchmarks.control.witness", str(self._late_s)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def tell(self) -> str:
        """End it, and return in a sentence what it saw."""
        if self._process is None:
            return "nobody watched the machine"
        process, self._process = self._process, None
        text, _ = process.communicate(input="")
        seen = json.loads(text)
        return (
            f"the machine itself: a process at {seen['scheduling'].rstrip('.')} that only sleeps woke more than "
            f"{1e3 * self._late_s:.0f} ms late {seen['pauses']} times in {seen['watched_s']:.0f} s, the latest by "
            f"{seen['longest_ms']:.1f} ms"
        )


def main() -> None:
    late_s = float(sys.argv[1])
    scheduling = priority.raise_thread(priority.HIGHEST)
    is_over = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(is_over,), daemon=True).start()
    pauses, longest_s = 0, 0.0
    began = due = time.monotonic()
    while not is_over.is_set():
        due += PERIOD_S
        time.sleep(max(0.0, due - time.monotonic()))
        late = time.monotonic() - due
        longest_s = max(longest_s, late)
        if late > late_s:
            pauses += 1
        if late > PERIOD_S:
            due = time.monotonic()
    seen = {"pauses": pauses, "longest_ms": 1e3 * longest_s, "watched_s": time.monotonic() - began}
    sys.stdout.write(json.dumps(seen | {"scheduling": scheduling}) + "\n")


def _wait_for_the_end(is_over: threading.Event) -> None:
    sys.stdin.read()
    is_over.set()


if __name__ == "__main__":
    main()
