"""`nudge finetune`, telling on a pipe what its store has acknowledged, to a campaign that kills it.

python -m benchmarks.learner.told_session DESCRIPTOR finetune --run DIR ...

Lines: ">append", "<step SEED NUMBER DIGEST" once `append` has returned, ">commit", "<commit", ">open".
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robot.store import Episode, StoreReader, StoreWriter
from robot.store.journal import read_journal
from robot.store.schema import Schema
from robot.types import FinalRecord, StepRecord

JOURNAL = Path("journal") / "episode"


class Step(NamedTuple):
    """A step by its episode's seed and its place there, and a checksum of what it holds."""

    seed: int
    number: int
    digest: int


def digest(values: Iterable[object]) -> int:
    """Return the checksum of an observation in the order of its keys, and of what was decided and done."""
    checksum = 0
    for value in values:
        checksum = zlib.crc32(np.ascontiguousarray(value).tobytes(), checksum)
    return checksum


def steps_of(episode: Episode) -> Iterator[Step]:
    """Yield the steps of a committed episode."""
    e, seed = episode, int(episode.attributes["seed"])
    for t in range(e.length):
        seen = (e.observation[key][t] for key in sorted(e.observation))
        done = (e.action[t], e.requested[t], e.base_action[t], e.residual[t], e.reward[t])
        yield Step(seed, t, digest([*seen, *done, e.stamp_ns[t], e.weights_version[t], e.source[t]]))


def steps_in_journal(store: Path) -> list[Step]:
    """Return the whole steps in the journal of a store that nobody mends or writes."""
    if not (store / JOURNAL).exists():
        return []
    schema = Schema(StoreReader.open(store).spec)
    content = read_journal(store / JOURNAL, schema.row())
    if content.header is None:
        return []
    names = ("action", "requested", "base_action", "residual", "reward", "stamp_ns", "weights_version", "source")
    keys = sorted(schema.spec.observation)
    return [
        Step(content.header.seed, number, digest([*(row[key] for key in keys), *(row[name] for name in names)]))
        for number, row in enumerate(content.steps)
    ]


def _recorded(record: StepRecord, dtypes: dict[str, str]) -> list[object]:
    seen = [np.asarray(record.observation[key], dtypes[key]) for key in sorted(record.observation)]
    decision = record.decision
    actions = (record.executed, decision.action, decision.base_action, decision.residual)
    done = [*(np.asarray(action, np.float32) for action in actions), np.float32(record.reward)]
    facts = [np.int64(record.stamp_ns), np.int64(decision.weights_version), np.uint8(int(record.source))]
    return [*seen, *done, *facts]


def tell_of_stores(descriptor: int) -> None:
    """Let every store of this process tell what it begins and what it acknowledges."""
    seed = number = 0
    open_, begin, append, commit = StoreWriter.open, StoreWriter.begin, StoreWriter.append, StoreWriter.commit

    def tell(text: str) -> None:
        os.write(descriptor, f"{text}\n".encode())

    def told_open(*arguments: object, **named: object) -> StoreWriter:
        tell(">open")
        writer = open_(*arguments, **named)  # type: ignore[arg-type]
        tell("<open")
        return writer

    def told_begin(self: StoreWriter, episode_seed: int, attributes: dict[str, str | int | float]) -> None:
        begin(self, episode_seed, attributes)
        nonlocal seed, number
        seed, number = episode_seed, 0

    def told_append(self: StoreWriter, step: StepRecord) -> None:
        tell(">append")
        append(self, step)
        dtypes = {key: array.dtype for key, array in self._tables.schema.spec.observation.items()}
        nonlocal number
        tell(f"<step {seed} {number} {digest(_recorded(step, dtypes))}")
        number += 1

    def told_commit(self: StoreWriter, final: FinalRecord) -> int:
        tell(">commit")
        index = commit(self, final)
        tell("<commit")
        return index

    StoreWriter.open = staticmethod(told_open)  # type: ignore[method-assign]
    StoreWriter.begin = told_begin  # type: ignore[method-assign]
    StoreWriter.append = told_append  # type: ignore[method-assign]
    StoreWriter.commit = told_commit  # type: ignore[method-assign]


def main() -> int:
    from sessions import cli

    tell_of_stores(int(sys.argv[1]))
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
