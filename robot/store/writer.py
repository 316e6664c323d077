"""The one process that writes to a store: a journal for the running episode, one commit at its end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from robot.errors import SpecError, StoreError, did_you_mean
from robot.interfaces import StepSink
from robot.settings import Settings, setting
from robot.specs import RobotSpec
from robot.store.disk import disk_errors
from robot.store.journal import FINAL, STEP, EpisodeHeader, JournalWriter, read_journal
from robot.store.lock import WriterLock, locked
from robot.store.remarks import Remark
from robot.store.repair import Repair, recover
from robot.store.schema import END_FLAGS, NO_STAMP
from robot.store.tables import JOURNAL, Tables, encode_attributes, require_same_robot
from robot.types import FinalRecord, StepRecord

_log = logging.getLogger("nudge.store")


@dataclass(frozen=True)
class StoreSettings(Settings):
    """What a power cut may take; a killed process loses nothing either way."""

    is_append_synced: bool = setting(False, "flush every step to the disk before it is acknowledged")
    is_commit_synced: bool = setting(True, "flush an episode to the disk before its commit")


class StoreWriter(StepSink):
    """Writes episodes to a store; a step is safe from `kill -9` when `append` returns.

        with StoreWriter.open("runs/a/demos.zarr", spec, {"code": "0.1.0"}) as writer:
            writer.begin(seed, {"phase": "record"})
            writer.append(step)                       # as often as there are steps
            index = writer.commit(final)              # or writer.discard()

    An episode left running by `close` or by death becomes an aborted episode when a writer next opens the store.

    Attributes:
        repaired: what opening had to mend; None for nothing.
    """

    def __init__(self, tables: Tables, lock: WriterLock, settings: StoreSettings, session: dict[str, str]) -> None:
        self._tables = tables
        self._lock = lock
        self._settings = settings
        self._session = session
        self._row = tables.schema.row()
        self._journal: JournalWriter | None = None
        self._steps = 0
        self._is_ended = False
        self._is_final_written = False
        self.repaired: Repair | None = None

    @staticmethod
    def open(
        path: str | Path,
        spec: RobotSpec,
        attributes: dict[str, str],
        settings: StoreSettings | None = None,
    ) -> StoreWriter:
        """Open a store to write, creating it where there is none, and mend what a dead session left.

        Args:
            path: folder, by custom named *.zarr.
            spec: of the robot; must equal the store's.
            attributes: kept with the store. Those that differ from an existing store's are kept with every
                episode that this writer commits.

        Raises:
            StoreError: not a store, of another nudge or robot, locked by another writer, or the disk is full.
        """
        path = Path(path)
        with disk_errors(path, "Nothing was written."):
            tables, lock = locked(lambda: _own(path, spec, attributes))
        session = {k: v for k, v in attributes.items() if tables.attributes.get(k) != v}
        writer = StoreWriter(tables, lock, settings or StoreSettings(), session)
        try:
            writer.repaired = recover(tables)
        except BaseException:
            lock.release()
            raise
        if writer.repaired is not None:
            _log.warning("%s", writer.repaired.message)
        return writer

    def begin(self, episode_seed: int, attributes: dict[str, str | int | float]) -> None:
        """Start an episode.

        Raises:
            StoreError: one is running, the writer is closed, the attributes do not fit, or the disk is full.
        """
        self._require_open()
        if self._journal is not None:
            raise StoreError("An episode is running; commit or discard it before the next begins.")
        if not -(2**63) <= episode_seed < 2**63:
            raise StoreError(f"The seed of an episode must fit into 64 bits; found {episode_seed}.")
        merged = {**self._session, **attributes}
        encode_attributes(merged)
        digest = self._tables.schema.spec.digest()
        header = EpisodeHeader(digest, len(self._tables.ends()), episode_seed, merged)
        with disk_errors(self._tables.path, "No episode was begun; all earlier ones are kept."):
            self._journal = JournalWriter(
                self._tables.root / JOURNAL, header, self._row, self._settings.is_append_synced
            )
        self._steps = 0
        self._is_ended = self._is_final_written = False

    def append(self, step: StepRecord) -> None:
        """Journal one step. When this returns the step outlives the process.

        Raises:
            SpecError: an array is not as the robot's spec says, or the executed action is not finite.
            StoreError: no episode is running, it has ended, or the disk is full (all earlier steps are kept).
        """
        journal = self._running()
        if self._is_ended:
            raise StoreError("The episode has ended with its last step; commit or discard it.")
        if step.is_terminated and step.is_truncated:
            raise SpecError("A step cannot be terminated and truncated at once; use the constructors of TimeStep.")
        spec = self._tables.schema.spec
        spec.check(step.observation)
        row = journal.row
        for key, value in step.observation.items():
            row[key][0] = value
        if not np.all(np.isfinite(step.executed)):
            raise SpecError(f"The executed action must be finite; found {step.executed}.")
        self._put_action("action", step.executed)
        self._put_action("requested", step.decision.action)
        self._put_action("base_action", step.decision.base_action)
        self._put_action("residual", step.decision.residual)
        row["chunk_phase"] = step.decision.chunk_phase
        row["source"] = int(step.source)
        row["label"] = int(step.label)
        row["reasons"] = int(step.reasons)
        row["reward"] = step.reward
        row["weights_version"] = step.decision.weights_version
        row["stamp_ns"] = step.stamp_ns
        row["stream_stamps_ns"][0] = self._stamps(step.stream_stamps_ns)
        row["timing_ns"][0] = step.timing.as_row()
        for flag in END_FLAGS:
            row[flag] = getattr(step, flag)
        with disk_errors(self._tables.path, f"The {self._steps} steps before this one are safe in the journal."):
            journal.append(STEP)
        self._steps += 1
        self._is_ended = step.is_terminated or step.is_truncated

    def commit(self, final: FinalRecord) -> int:
        """Make the running episode visible to readers; returns its index. May be tried again after a StoreError.

        Raises:
            SpecError: the final observation is not as the robot's spec says.
            StoreError: no episode is running, it has no step or no end, or the disk is full (the steps are then
                kept in the journal, and readers see what they saw before).
        """
        journal = self._running()
        if not self._is_ended:
            raise StoreError(
                f"An episode ends with a step that is terminated or truncated; found {self._steps} steps without; "
                "append the last step, or discard the episode."
            )
        advice = f"Its {self._steps} steps are safe in the journal; commit again or open the store again after that."
        with disk_errors(self._tables.path, advice):
            if not self._is_final_written:
                self._put_final(final)
                journal.append(FINAL)
                self._is_final_written = True
            if self._settings.is_commit_synced:
                journal.sync()
            content = read_journal(self._tables.root / JOURNAL, self._row)
            if content.header is None or len(content.steps) != self._steps or content.final is None:
                raise StoreError(
                    f"The journal of {self._tables.path} holds {len(content.steps)} whole steps of {self._steps}; "
                    "something else wrote to it; close the writer and repair the store."
                )
            index = self._tables.commit(content.header, content.steps, content.final, self._settings.is_commit_synced)
            journal.remove()
        self._journal = None
        return index

    def discard(self) -> None:
        """Drop the running episode with all its steps.

        Raises:
            StoreError: the disk cannot be read or written; the episode is then still there.
        """
        journal = self._running()
        with disk_errors(self._tables.path, "The episode was not dropped."):
            if self._is_final_written and self._tables.uncommitted():
                self._tables.trim()  # what a commit that failed has left
            journal.remove()
        self._journal = None

    @property
    def count(self) -> int:
        """Committed episodes, which is the index of the running or the next one."""
        return len(self._tables.ends())

    @property
    def is_running(self) -> bool:
        """Whether an episode has begun that is neither committed nor discarded."""
        return self._journal is not None

    def remark(self, remark: Remark) -> None:
        """Keep what was said of an episode, also of the running or the next one; readers see it when they `refresh`.

        Raises:
            StoreError: the writer is closed, there is no such episode, an end is said of one that has none yet, or the
                disk is full.
        """
        self._require_open()
        most = self.count - 1 if remark.kind == "end" else self.count
        if not remark.episode <= most:
            raise StoreError(f"{self._tables.path} has {self.count} episodes; nothing can be said of {remark.episode}.")
        with disk_errors(self._tables.path, "The remark was not kept; everything else is."):
            self._tables.remarks.append(remark)

    def close(self) -> None:
        """Give up the store; a running episode stays in the journal. May be called twice."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._lock.release()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_open(self) -> None:
        if self._lock.is_free:
            raise StoreError(f"The writer of {self._tables.path} is closed; open a new one.")

    def _running(self) -> JournalWriter:
        if self._journal is None:
            raise StoreError("No episode is running; begin one first.")
        return self._journal

    def _put_action(self, name: str, value: NDArray[np.float32]) -> None:
        row = self._running().row[name]
        if value.shape != row.shape[1:] or value.dtype != np.float32:
            raise SpecError(f"{name} must be float32{list(row.shape[1:])}; found {value.dtype}{list(value.shape)}.")
        row[0] = value

    def _put_final(self, final: FinalRecord) -> None:
        self._tables.schema.spec.check(final.observation)
        row = self._running().row
        row[:] = np.zeros(1, self._row)
        for key, value in final.observation.items():
            row[key][0] = value
        self._put_action("base_action", final.base_action)
        row["chunk_phase"] = final.chunk_phase
        row["stamp_ns"] = final.stamp_ns

    def _stamps(self, stamps: dict[str, int]) -> list[int]:
        streams = self._tables.schema.streams
        unknown = stamps.keys() - set(streams)
        if unknown:
            name = min(unknown)
            raise SpecError(f"Stream {name!r} is no key of the observation.{did_you_mean(name, streams)}")
        return [stamps.get(stream, NO_STAMP) for stream in streams]


def _own(path: Path, spec: RobotSpec, attributes: dict[str, str]) -> Tables:
    tables = Tables.open(path) if path.exists() else Tables.create(path, spec, attributes)
    require_same_robot(tables, spec)
    return tables
