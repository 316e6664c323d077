"""A raw log: serialised messages in an MCAP file (https://mcap.dev/spec), by a thread that nobody waits for."""

from __future__ import annotations

import enum
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from robot.errors import RobotError
from robot.settings import Settings, setting

WAKE_S = 0.1
"""How often the writer looks at its queue."""
STOP_TIMEOUT_S = 10.0


class LogState(enum.Enum):
    """What a raw log does."""

    IDLE = "idle"
    RECORDING = "recording"
    FINISHING = "finishing"
    FAILED = "failed"


class Channel(NamedTuple):
    """A topic, its type as in "sensor_msgs/msg/Image", and the definition of the type ("ros2msg")."""

    topic: str
    type: str
    definition: str


@dataclass(frozen=True)
class RawLogLimits(Settings):
    """What a raw log may take, and what a crash may cost."""

    queue_mb: int = setting(64, "messages wait for the disk in at most this much memory", unit="MB", low=1, high=4096)
    flush_s: float = setting(0.5, "a chunk of the file is complete after this long", unit="s", low=0.05, high=60.0)
    reserve_mb: int = setting(256, "the log ends in order when the disk has less free", unit="MB", low=0, high=10**6)


class _File:
    """A file whose writes are with the kernel when they return: a killed process loses none of them."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._size = 0

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def cut(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class RawLog:
    """Logs the messages of fixed channels; a full queue or a full disk is counted and said, never waited for.

        log = RawLog(channels, RawLogLimits())
        log.start(Path("raw/now.mcap"), {"robot.yaml": text})
        log.put(0, data, log_ns, publish_ns)         # from one thread
        log.stop()                                   # returns at once; `state` tells when the file is complete

    A message's sequence number counts what came on its channel, so that a gap in the file shows.
    """

    def __init__(self, channels: Sequence[Channel], limits: RawLogLimits) -> None:
        self._channels = channels
        self._limits = limits
        self._changed = threading.Condition()
        self._queue: deque[tuple[int, int, int, int, bytes]] = deque()
        self._queued_bytes = 0
        self._sequences = [0] * len(channels)
        self._thread: threading.Thread | None = None
        self._is_discarded = False
        self.path: Path | None = None
        self.state = LogState.IDLE
        self.problem = ""
        self.written = 0
        self.written_bytes = 0
        self.dropped = 0

    @property
    def is_busy(self) -> bool:
        return self.state in (LogState.RECORDING, LogState.FINISHING)

    def start(self, path: Path, attachments: Mapping[str, str] | None = None) -> None:
        """Begin a new file; `attachments` are texts by name that go with it.

        Raises:
            RobotError: a log runs already, or the file cannot be made.
        """
        if self.is_busy:
            raise RobotError(f"A raw log is being written already: {self.path}.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _File(path)
        except OSError as error:
            raise RobotError(f"The raw log {path} cannot be written ({error.strerror}).") from error
        self._queue.clear()
        self._queued_bytes = 0
        self._sequences = [0] * len(self._channels)
        self.path, self.problem = path, ""
        self.written = self.written_bytes = self.dropped = 0
        self._is_discarded = False
        self.state = LogState.RECORDING
        arguments = (file, path, dict(attachments or {}))
        self._thread = threading.Thread(target=self._work, args=arguments, name="raw log", daemon=True)
        self._thread.start()

    def put(self, channel: int, data: bytes, log_ns: int, publish_ns: int) -> bool:
        """Hand over a message of channel number `channel`; return whether it was taken. Never blocks on the disk.

        Stamps before 1970, which the format cannot hold, become 0.
        """
        if self.state is not LogState.RECORDING:
            return False
        log_ns, publish_ns = max(0, log_ns), max(0, publish_ns)
        sequence = self._sequences[channel]
        self._sequences[channel] = (sequence + 1) & 0xFFFFFFFF
        with self._changed:
            is_full = self._queued_bytes + len(data) > self._limits.queue_mb * 1_000_000
            if not is_full:
                self._queue.append((channel, sequence, log_ns, publish_ns, data))
                self._queued_bytes += len(data)
        self.dropped += is_full
        return not is_full

    def stop(self, *, is_discarded: bool = False) -> None:
        """End the file in order (or delete it); returns at once."""
        with self._changed:
            if self.state is LogState.RECORDING:
                self._is_discarded = is_discarded
                self.state = LogState.FINISHING
                self._changed.notify_all()

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Wait until the file is complete."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _work(self, file: _File, path: Path, attachments: Mapping[str, str]) -> None:
        state = LogState.IDLE
        complete = 0
        try:
            writer = _writer(file)
            ids = self._begin(writer, attachments)
            complete = file.tell()
            flushed = time.monotonic()
            while self.state is LogState.RECORDING:
                with self._changed:
                    self._changed.wait_for(lambda: self.state is not LogState.RECORDING, WAKE_S)
                self._write(writer, ids)
                if time.monotonic() - flushed > self._limits.flush_s or self.state is not LogState.RECORDING:
                    flushed = time.monotonic()
                    writer.flush()
                    complete = file.tell()
                    self.written_bytes = complete
                    self._watch_space(path)
            self._write(writer, ids)
            writer.finish()
            self.written_bytes = file.tell()
        except Exception as error:  # noqa: BLE001 - a full disk, or what a writer may raise: the node must live on
            why = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            self.problem = f"the raw log {path} broke off ({why}); what is complete of it can be read"
            file.cut(complete)
            self.dropped += len(self._queue)
        finally:
            file.close()
            if self._is_discarded:
                path.unlink(missing_ok=True)
            self.state = LogState.FAILED if self.problem else state

    def _begin(self, writer: Any, attachments: Mapping[str, str]) -> list[int]:
        writer.start(profile="ros2")
        now_ns = time.time_ns()
        for name, text in attachments.items():
            writer.add_attachment(now_ns, now_ns, name, "text/plain", text.encode())
        schemas: dict[str, int] = {}
        for channel in self._channels:
            if channel.type not in schemas:
                schemas[channel.type] = writer.register_schema(channel.type, "ros2msg", channel.definition.encode())
        ids = [writer.register_channel(c.topic, "cdr", schemas[c.type]) for c in self._channels]
        writer.flush()
        return ids

    def _write(self, writer: Any, ids: Sequence[int]) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    return
                channel, sequence, log_ns, publish_ns, data = self._queue.popleft()
                self._queued_bytes -= len(data)
            writer.add_message(ids[channel], log_ns, data, publish_ns, sequence)
            self.written += 1

    def _watch_space(self, path: Path) -> None:
        disk = os.statvfs(path)
        free_mb = disk.f_bavail * disk.f_frsize // 1_000_000
        if free_mb < self._limits.reserve_mb and self.state is LogState.RECORDING:
            self.problem = f"the disk of {path} has only {free_mb} MB free: the raw log was ended; free some space"
            self.stop()


def _writer(file: _File) -> Any:
    from mcap.writer import CompressionType, Writer  # only where something is recorded

    return Writer(file, compression=CompressionType.LZ4)  # type: ignore[arg-type]  # it writes, tells and flushes
