"""Journals as a power cut leaves them: ended at any byte, with blocks of zeros, or with a bit that turned."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.store import plain_steps
from benchmarks.store.compare import reader_differences
from benchmarks.store.model import PlainEpisode, recovered
from benchmarks.store.told import SPEC, told
from robot.errors import StoreError
from robot.store import StoreReader, StoreSettings, StoreWriter, check, repair
from robot.store.journal import FINAL, JournalWriter, read_journal
from robot.store.schema import Schema
from robot.store.tables import JOURNAL

ROW = Schema(SPEC).row()
FIRST = 40
LONG = 400
"""Steps of the longer journal."""
LONG_TRIES = 100


@dataclass
class Result:
    """How many spoilt journals there were, how many of them were mended as stores, and what went wrong."""

    read: int = 0
    mended: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Whole:
    """A journal: its bytes, those of its header and of a record, and what it tells."""

    content: bytes
    start: int
    record: int
    episode: PlainEpisode

    def kept(self, length: int) -> PlainEpisode | None:
        """Return what the first `length` bytes tell; None where the header is not whole."""
        if length < self.start:
            return None
        whole = (length - self.start) // self.record
        if whole > len(self.episode.steps):
            return self.episode
        is_last = whole == len(self.episode.steps)
        steps = self.episode.steps[:whole]
        return replace(self.episode, steps=steps, final=None, end=self.episode.end if is_last else "")


def run(mends: int, seed: int, progress: Callable[[str], None], is_sampled: bool = False) -> Result:
    """Read a journal cut at every byte, with a bit turned in every byte, with zeros from every byte on (`is_sampled`:
    every 25th); mend `mends` stores with journals spoilt at random."""
    result, rng, every = Result(), random.Random(seed), 25 if is_sampled else 1
    with TemporaryDirectory() as folder:
        short = _journal(Path(folder) / "short.zarr", told(FIRST))
        long = _journal(Path(folder) / "long.zarr", _long_episode())
        path = Path(folder) / "journal"
        everywhere = [(short, at) for at in range(0, len(short.content) + 1, every)]
        everywhere += [(long, rng.randrange(len(long.content) + 1)) for _ in range(LONG_TRIES // (every))]
        for whole, at in everywhere:
            for how in (_ended, _turned, _zeroed):
                _read(path, how, whole, at, rng, result)
        for number in range(mends):
            whole = (short, short, short, long)[number % 4]
            at = rng.randrange(len(whole.content) + 1)
            if number % 3 == 0:  # at the edges of records
                edge = whole.start + whole.record * rng.randrange(len(whole.episode.steps) + 2)
                at = min(max(0, edge + rng.randint(-1, 1)), len(whole.content))
            _mend(Path(folder), (_ended, _turned, _zeroed)[number % 3], whole, at, rng, result)
            progress(f"{result.mended} mended, {len(result.wrong)} wrong")
    return result


def _ended(content: bytes, at: int, rng: random.Random) -> bytes:
    return content[:at]


def _turned(content: bytes, at: int, rng: random.Random) -> bytes:
    at = min(at, len(content) - 1)
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]


def _zeroed(content: bytes, at: int, rng: random.Random) -> bytes:
    return content[:at] + bytes(len(content) - at)


_How = Callable[[bytes, int, random.Random], bytes]


def _good(content: bytes, spoilt: bytes) -> int:
    """Return how many bytes of a spoilt journal are as they were."""
    same = (i for i in range(min(len(content), len(spoilt))) if content[i] != spoilt[i])
    return next(same, min(len(content), len(spoilt)))


def _read(path: Path, how: _How, whole: _Whole, at: int, rng: random.Random, result: Result) -> None:
    spoilt = how(whole.content, at, rng)
    good = _good(whole.content, spoilt)
    path.write_bytes(spoilt)
    result.read += 1
    name = f"{how.__name__[1:]} at byte {at} of {len(whole.content)}"
    want = whole.kept(good)
    try:
        found = read_journal(path, ROW)
    except StoreError as error:
        if want is not None or good == len(spoilt):
            result.wrong.append(f"{name}: {error}")
        return
    except Exception as error:  # noqa: BLE001 - whatever else it raises is a finding
        result.wrong.append(f"{name}: {type(error).__name__}: {error}")
        return
    if want is None:
        if found.header is not None or good < len(spoilt):
            result.wrong.append(f"{name}: a spoilt header was taken")
        return
    stamps = [step.stamp_ns for step in want.steps]
    first = whole.start
    rows = [spoilt[first + i * whole.record + 12 : first + (i + 1) * whole.record] for i in range(len(stamps))]
    if found.steps["stamp_ns"].tolist() != stamps or [row.tobytes() for row in found.steps] != rows:
        result.wrong.append(f"{name}: {len(found.steps)} steps for {len(stamps)}")
    if (found.final is not None) != (want.final is not None):
        result.wrong.append(f"{name}: the final record")
    is_damage_whole = good < len(spoilt) and len(spoilt) >= first + (len(rows) + 1) * whole.record
    if found.is_damaged != (is_damage_whole and want.final is None):
        result.wrong.append(f"{name}: damage {'not ' if is_damage_whole else ''}told")


def _mend(folder: Path, how: _How, whole: _Whole, at: int, rng: random.Random, result: Result) -> None:
    path = folder / "mend.zarr"
    shutil.copytree(folder / "short.zarr", path)
    spoilt = how(whole.content, at, rng)
    good = _good(whole.content, spoilt)
    (path / JOURNAL).write_bytes(spoilt)
    result.mended += 1
    name = f"store with a journal {how.__name__[1:]} at byte {at} of {len(whole.content)}"
    kept = whole.kept(good)
    last = recovered(kept) if kept is not None else None
    try:
        done = repair(path)
        wrong = check(path) + reader_differences(StoreReader.open(path), [told(0), *([last] if last else [])])
        if how is _turned and not ("checksum" in done.message or "is damaged" in done.message):
            wrong.append(f"the damage was not told: {done.message}")
    except StoreError as error:
        is_header_spoilt = kept is None and good < len(spoilt)
        wrong = [] if is_header_spoilt and "header" in str(error) else [str(error)]
        wrong += reader_differences(StoreReader.open(path), [told(0)])
    result.wrong += [f"{name}: {what}" for what in wrong]
    shutil.rmtree(path)


def _journal(path: Path, episode: PlainEpisode) -> _Whole:
    """Make a store of one episode whose writer died right before the commit of another."""
    with StoreWriter.open(path, SPEC, {}, StoreSettings(is_commit_synced=False)) as writer:
        plain = told(0)
        for one in (plain, episode):
            writer.begin(one.seed, dict(one.attributes))
            start = (path / JOURNAL).stat().st_size
            for step in one.steps:
                writer.append(step)
            if one is plain and one.final is not None:
                writer.commit(one.final)
    # the final record, as a commit that was cut off leaves it
    size = ((path / JOURNAL).stat().st_size - start) // len(episode.steps)
    content = (path / JOURNAL).read_bytes() + _final_record(path, episode)
    return _Whole(content, start, size, episode)


def _final_record(path: Path, episode: PlainEpisode) -> bytes:
    """Return the bytes of the final record, written by the journal's own writer after as many steps."""
    header = read_journal(path / JOURNAL, ROW).header
    assert header is not None
    assert episode.final is not None
    other = path.with_name("other")
    journal = JournalWriter(other, header, ROW, is_synced=False)
    start = other.stat().st_size
    for _ in episode.steps:
        journal.append(1)
    before = other.stat().st_size
    for key, value in episode.final.observation.items():
        journal.row[key][0] = value
    journal.row["base_action"][0] = episode.final.base_action
    journal.row["chunk_phase"] = episode.final.chunk_phase
    journal.row["stamp_ns"] = episode.final.stamp_ns
    journal.append(FINAL)
    content = other.read_bytes()
    journal.remove()
    assert (before - start) % len(episode.steps) == 0
    return content[before:]


def _long_episode() -> PlainEpisode:
    steps = [plain_steps.step(SPEC, number) for number in range(1000, 1000 + LONG - 1)]
    steps.append(plain_steps.step(SPEC, 1000 + LONG - 1, end="failure"))
    return PlainEpisode(7, {"first": 1000}, steps, "failure", plain_steps.final(SPEC, 1000 + LONG))
