"""Whether another process of this host is alive and at work: a file that it writes, and what Linux says of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

BEAT_S = 0.5
"""Shortest time between two heartbeats of a beacon."""

_AT_WORK = frozenset("RSDIW")
_WORDS = {"T": "was stopped", "t": "is held by a debugger", "Z": "has died", "X": "has died", "x": "has died"}


def process_state(pid: int) -> tuple[str, int] | None:
    """Return the state letter of a process and its start [clock ticks since boot]; None where there is none.

    See proc_pid_stat(5): fields 3 and 22. The start tells a process from a later one under the same number.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before may hold spaces and brackets
    return fields[0].decode(), int(fields[19])


class Beacon:
    """The file of a process that others depend on: says which process it is, and by its age that it is at work.

    beacon = Beacon(run / "learner.pid")
    while working:
        beacon.beat()
    beacon.finish()
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beaten = time.monotonic()
        self._write(is_finished=False)

    def beat(self) -> None:
        """Say that the process is at work; cheap, to be called often."""
        if time.monotonic() - self._beaten >= BEAT_S:
            self._beaten = time.monotonic()
            os.utime(self._path)

    def finish(self) -> None:
        """The work is done: from now on nobody depends on this process."""
        self._write(is_finished=True)

    def _write(self, is_finished: bool) -> None:
        state = process_state(os.getpid())
        content = {"pid": os.getpid(), "start": state[1] if state else 0, "is_finished": is_finished}
        temporary = self._path.with_name(f".{self._path.name}.new")
        temporary.write_text(json.dumps(content))
        temporary.replace(self._path)


class ProcessWatch:
    """Watches the process behind a beacon's file; one question costs a few reads of small files.

    Args:
        path: the beacon's file.
        name: what the process is to a person, for example "The learner".
        silence_s: longest time without a heartbeat that is still work (a long update, a checkpoint).
    """

    def __init__(self, path: Path, name: str, silence_s: float) -> None:
        self._path, self._name, self._silence_s = path, name, silence_s
        self._modified_ns = 0
        self._heard = 0.0
        self._content: dict[str, int] = {}

    @property
    def pid(self) -> int:
        """The process that the file named when it was last read; 0 before."""
        return self._content.get("pid", 0)

    @property
    def is_at_work(self) -> bool:
        """Whether the process is alive, and has not finished."""
        return not self.problem() and not self._content["is_finished"]

    def problem(self) -> str:
        """Return in a sentence why the process cannot be relied on; "" while it is alive, at work, or has finished."""
        try:
            modified_ns = os.stat(self._path).st_mtime_ns
        except FileNotFoundError:
            return f"{self._name} has not started: there is no {self._path}."
        if modified_ns != self._modified_ns:
            self._modified_ns, self._heard = modified_ns, time.monotonic()
            self._content = json.loads(self._path.read_bytes())
        if self._content["is_finished"]:
            return ""
        pid = self._content["pid"]
        found = process_state(pid)
        if found is None or found[1] != self._content["start"]:
            return f"{self._name} (process {pid}) is gone."
        if found[0] not in _AT_WORK:
            return f"{self._name} (process {pid}) {_WORDS.get(found[0], 'is not running')}."
        silent_s = time.monotonic() - self._heard
        if silent_s > self._silence_s:
            return f"{self._name} (process {pid}) has not stirred for {silent_s:.0f} s."
        return ""
