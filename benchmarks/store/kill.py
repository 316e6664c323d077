"""`kill -9` of a writer at random points of all that it does, beside a reader that is open all along and a CPU hog."""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.store.forks import Fork, forked, hog
from benchmarks.store.judge import Verdicts
from benchmarks.store.life import ACTS, Expected, live, teller
from benchmarks.store.told import SPEC
from benchmarks.store.watch import watch
from robot.store import StoreWriter

LONGEST_WAIT_S = 60.0
"""For a writer to come to what it is to be killed in."""
FIRST_GUESS_S = 0.01
LATE = 1.3
"""A kill falls up to so many times an act's usual length after its beginning."""


def run(points: int, seed: int, progress: Callable[[str], None]) -> Verdicts:
    """Kill a writer `points` times; `progress` is called after each with a note."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "a.zarr"
        StoreWriter.open(path, SPEC, {}).close()
        over = Path(folder) / "over"
        watcher = stack.enter_context(forked(lambda out: watch(path, over.exists, teller(out))))
        stack.enter_context(forked(hog))
        campaign = _Campaign(path, seed)
        for number in range(points):
            campaign.kill_once(ACTS[number % len(ACTS)])
            campaign.take(os.read(watcher.output, 65536) if _is_ready(watcher.output, 0.0) else b"")
            progress(f"{campaign.result.acknowledged} steps, {campaign.result.lost} lost")
        time.sleep(0.5)  # the last episodes
        over.touch()
        campaign.take(watcher.rest())
        if watcher.wait() != 0:
            campaign.result.half.append("the reader ended in an error of its own")
        return campaign.result


class _Campaign:
    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        self._rng = random.Random(seed)
        self._expected = Expected()
        self._usual_s = dict.fromkeys(ACTS, FIRST_GUESS_S)
        self._torn = b""
        self.result = Verdicts()

    def kill_once(self, wish: str) -> None:
        """Let a writer live until it is in the act that is wished, kill it, and look at what it left."""
        first, seed = self._expected.first, self._rng.randrange(2**31)
        before = self._expected.acknowledged
        with forked(lambda out: live(self._path, first, wish, seed, teller(out))) as writer:
            text = self._until(writer, wish, self._rng.randint(1, 5 if wish == "append" else 2))
            time.sleep(self._rng.uniform(0.0, LATE * self._usual_s[wish]))
            writer.kill()
            if writer.wait() != -signal.SIGKILL:
                self.result.wrong.append(f"point {self.result.points}: the writer ended by itself")
            text += writer.rest()
        for line in text.decode().splitlines():
            self._expected.hear(line)
        self.result.acknowledged += self._expected.acknowledged - before
        self.result.judge(self._path, self._expected)

    def take(self, text: bytes) -> None:
        """Take in what the reader has told."""
        *lines, self._torn = (self._torn + text).split(b"\n")
        self.result.seen += lines.count(b"seen")
        self.result.half += [line.decode() for line in lines if line != b"seen"]

    def _until(self, writer: Fork, wish: str, times: int) -> bytes:
        """Read until the writer has begun an act so many times; notes how long the act takes."""
        text, begun, started_s = b"", 0, time.monotonic()
        deadline_s = started_s + LONGEST_WAIT_S
        while begun < times and time.monotonic() < deadline_s:
            if not _is_ready(writer.output, 1.0):
                continue
            part = os.read(writer.output, 4096)
            if not part:
                break
            text += part
            now_s = time.monotonic()
            for line in part.split(b"\n"):
                if line.startswith(b">" + wish.encode()):
                    begun, started_s = begun + 1, now_s
                elif line.startswith(b"<" + wish.encode()):
                    self._usual_s[wish] += 0.2 * (now_s - started_s - self._usual_s[wish])
        return text


def _is_ready(descriptor: int, timeout_s: float) -> bool:
    return bool(select.select([descriptor], [], [], timeout_s)[0])
