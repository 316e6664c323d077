"""A store on its way out: its episodes one after the other, and what is to be reported of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.specs import RobotSpec
from robot.store.edit import Whole, read_whole
from robot.store.tables import Tables
from robot.types import Source
from sessions.formats import carry
from sessions.formats.guard import require_size
from sessions.formats.options import ExportOptions
from sessions.formats.report import Mapped


@dataclass(eq=False)
class Export:
    """An export under way.

    Attributes:
        tables: the store.
        out: path to write to; nothing is there.
        name: of the target in the end.
        mapped, missing, left_out: for the report; the format fills them.
    """

    tables: Tables
    out: Path
    name: str
    options: ExportOptions
    progress: Callable[[int, int], None] | None = None
    mapped: list[Mapped] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def spec(self) -> RobotSpec:
        return self.tables.schema.spec

    @property
    def ends(self) -> NDArray[np.int64]:
        return self.tables.ends()

    def header(self, names: dict[str, str]) -> carry.Header:
        """Return the store's description; `names` gives the foreign name of every key."""
        return carry.Header(self.spec, self.tables.attributes, names)

    def episodes(self) -> Iterator[tuple[int, Whole]]:
        """Read the episodes, one in memory at a time, and tell the progress.

        Raises:
            StoreError: an episode is larger than memory allows.
        """
        count, row = len(self.ends), self.tables.schema.row().itemsize
        lengths = np.diff(self.ends, prepend=0)
        for index in range(count):
            require_size(f"episode {index}", int(lengths[index]) * row)
            yield index, read_whole(self.tables, index)
            if self.progress:
                self.progress(index + 1, count)

    def map_all(self, names: dict[str, str], action: str, reward: str, extra: str) -> None:
        """Fill `mapped`: `names` and the names of action, reward and (with {}) the arrays that only a store has."""
        data = self.tables.schema.data
        targets = {**names, "action": action, "reward": reward}
        targets |= {name: extra.format(name) for name in carry.extras(self.tables)}
        for name, target in targets.items():
            array = data[name].array
            self.mapped.append(Mapped(name, target, f"{array.dtype}{list(array.shape)}"))


def plain_names(spec: RobotSpec) -> dict[str, str]:
    """Return a flat name for every key: images/front becomes front, or images_front where that is taken."""
    names: dict[str, str] = {}
    taken = {key for key in spec.observation if "/" not in key} | {"action"}
    for key in spec.observation:
        short = key.rpartition("/")[2]
        name = key if "/" not in key else short if short not in taken else key.replace("/", "_")
        while name in names.values() or ("/" in key and name in taken and name != short):
            name += "_"
        if "/" in key:
            taken.add(name)
        names[key] = name
    return names


def shifted(values: NDArray[Any], last: NDArray[Any]) -> NDArray[Any]:
    """Return (T, ...) the rows of `values` (T, ...) one step later, `last` (...) at the end."""
    return np.concatenate([values[1:], last[None]])


def is_commanded_by(whole: Whole, source: Source) -> NDArray[np.bool_]:
    """Return (T,) whether `source` commanded each step."""
    return np.asarray(whole.steps["source"] == int(source))
