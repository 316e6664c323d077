"""Progress of long work with the time left: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

LINE_EVERY_S = 5.0


class Progress:
    """Shows how far a piece of work is, on standard error so that standard output stays for results.

        with Progress("record", total=20) as progress:
            for _ in range(20):
                progress.advance(note="episode 3 succeeded")

    Args:
        name: what is being done.
        total: how many units there are.
        stream: where to write; a terminal gets a bar, anything else plain lines.
        now_s: clock in seconds.
    """

    def __init__(
        self,
        name: str,
        total: float,
        stream: TextIO | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._total = name, total
        self._stream = sys.stderr if stream is None else stream
        self._now_s = now_s
        self._done = self._before = 0.0
        self._note = ""
        self._started_s = self._last_line_s = now_s()
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        self._started_s = self._last_line_s = self._now_s()
        if self._stream.isatty():
            self._bar = _bar(self._stream)
            self._task = self._bar.add_task(self._name, total=self._total, left="", note="")
            self._bar.start()
        return self

    def advance(self, count: float = 1, note: str = "") -> None:
        """Count `count` more units as done; `note` stands at the end of the line until the next one.

        Work that comes to more than `total` in the end, as steps of whole episodes do, takes it along.
        """
        self._done += count
        if self._total < self._done and self._total:
            self.expect(self._done)
        self._note = note or self._note
        self._show(self._note)

    def go_on(self, done: float) -> None:
        """Count `done` units that were done before: they say nothing about the pace."""
        self._before = done
        self.advance(done)

    def wait(self, what: str) -> None:
        """Say `what` is waited for in the note's place, "" for nothing any more; to be called as often as one likes."""
        if what or self._bar is not None:
            self._show(what or self._note)

    def _show(self, note: str) -> None:
        if self._bar is not None:
            left = f"{_clock(self.left_s)} left"
            self._bar.update(self._task, completed=self._done, left=left, note=note)
        elif self._now_s() - self._last_line_s >= LINE_EVERY_S:
            self._last_line_s = self._now_s()
            self._write_line(note)

    def expect(self, total: float) -> None:
        """Say how many units there are, where it was not known at the beginning."""
        self._total = total
        if self._bar is not None:
            self._bar.update(self._task, total=total)

    @property
    def left_s(self) -> float | None:
        """Estimate of the time left at the mean pace so far [s]; None before anything is done."""
        if self._done <= self._before:
            return None
        pace = (self._now_s() - self._started_s) / (self._done - self._before)
        return max(0.0, (self._total - self._done) * pace)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._total:
            self._write_line(self._note)

    def _write_line(self, note: str) -> None:
        took = self._now_s() - self._started_s
        share = f"{self._done / self._total:4.0%}" if self._total else "    "
        left = f", {_clock(self.left_s)} left" if self._done < self._total else ""
        end = f"  {note}" if note else ""
        self._stream.write(
            f"{self._name:<10} {self._done:g}/{self._total:g} {share}  {_clock(took)} elapsed{left}{end}\n"
        )
        self._stream.flush()


def _bar(stream: TextIO) -> Bar:
    return Bar(
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        console=Console(file=stream),
        refresh_per_second=4,
    )


def _clock(seconds: float | None) -> str:
    """Return "m:ss" or "h:mm:ss"."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
