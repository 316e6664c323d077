"""A disk that fills up while a writer is at work: a real one of a few megabytes, in a mount of its own.

python -m benchmarks.store.full_disk FOLDER POINTS SEED     # FOLDER is that disk; one JSON line a point
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.store.judge import Verdicts
from benchmarks.store.life import ACTS, Expected, live
from robot.errors import RobotError, StoreError

DISK = "6m"
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
SCRIPT = f'mount -t tmpfs -o size={DISK} tmpfs "$1" && exec "$2" -m benchmarks.store.full_disk "$1" "$3" "$4"'
PIECE = 4096
ROOT = Path(__file__).resolve().parents[2]


def is_possible() -> bool:
    """Whether this machine gives a process a mount of its own."""
    found = shutil.which(UNSHARE[0]) is not None
    return found and subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0


def run(points: int, seed: int, progress: Callable[[str], None]) -> Verdicts:
    """Fill the disk at `points` random moments, on a small disk of its own.

    Raises:
        RobotError: the process on that disk failed.
    """
    verdicts = Verdicts()
    with TemporaryDirectory() as folder:
        command = [*UNSHARE, "sh", "-c", SCRIPT, "sh", folder, sys.executable, str(points), str(seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            for line in process.stdout:
                found = json.loads(line)
                verdicts.points += 1
                verdicts.acknowledged += found["acknowledged"]
                verdicts.lost += found["lost"]
                for name in ("wrong", "problems", "half"):
                    getattr(verdicts, name).extend(found[name])
                verdicts.hit.update(found["hit"])
                progress(f"{verdicts.acknowledged} steps, {verdicts.lost} lost")
        if process.returncode != 0:
            raise RobotError(f"The process on the small disk ended with status {process.returncode}.")
    return verdicts


def fill_once(disk: Path, rng: random.Random, wish: str) -> Verdicts:
    """Write until the disk is full, and judge what there is when it is not any more."""
    path, ballast = disk / "a.zarr", disk / "ballast"
    expected, verdicts = Expected(), Verdicts()
    is_filling, greed = False, rng.choice((rng.randint(1, 30), 10_000))
    begin, spared = rng.randint(5, 80), PIECE * rng.randint(0, 2)

    def tell(line: str) -> None:
        nonlocal begin, is_filling
        expected.hear(line)
        begin -= 1
        is_filling = is_filling or (begin < 0 and line.startswith(f">{wish}"))
        if is_filling:
            _grow(ballast, PIECE * greed, shutil.disk_usage(disk).free - spared)

    error = _refused(path, rng.randrange(2**31), wish, tell)
    if "No room is left on the disk of" not in error or "\n" in error:
        verdicts.wrong.append(f"{expected.doing}: {error}")
    ballast.unlink(missing_ok=True)
    verdicts.acknowledged = expected.acknowledged
    verdicts.judge(path, expected)
    # usable again: one more life, which ends at the first episode
    _refused(path, 0, "commit", _Until(expected, "<commit"))
    verdicts.judge(path, expected)
    return verdicts


class _Until:
    """Hears lines until one begins with `last`."""

    def __init__(self, expected: Expected, last: str) -> None:
        self._expected, self._last = expected, last

    def __call__(self, line: str) -> None:
        self._expected.hear(line)
        if line.startswith(self._last):
            raise StoreError("This is enough.")


def _refused(path: Path, seed: int, wish: str, tell: Callable[[str], None]) -> str:
    """Live until the store refuses; returns its words. The writer is then gone."""
    try:
        live(path, 20 * (1 + seed % 1000), wish, seed, tell)
    except StoreError as error:
        return str(error)
    return "nothing"


def _grow(ballast: Path, size: int, most: int) -> None:
    with ballast.open("ab") as file:
        file.write(bytes(max(0, min(size, most))))


def main(folder: str, points: str, seed: str) -> None:
    rng, disk = random.Random(int(seed)), Path(folder)
    for number in range(int(points)):
        verdicts = fill_once(disk, rng, ACTS[number % len(ACTS)])
        sys.stdout.write(json.dumps(vars(verdicts)) + "\n")
        sys.stdout.flush()
        for left in disk.iterdir():
            if left.is_dir():
                shutil.rmtree(left)


if __name__ == "__main__":
    main(*sys.argv[1:])
