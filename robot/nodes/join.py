"""Joins samples of several topics that carry the same stamp; the heart of lockstep."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


class StampJoin:
    """Collects samples by stamp until every one of `names` is there.

    >>> join = StampJoin(("a", "b"))
    >>> join.put("a", 5, "x")
    >>> join.put("b", 5, "y")
    {'a': 'x', 'b': 'y'}
    """

    CAPACITY = 64
    """Stamps kept; older incomplete ones are dropped."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(names)
        self._waiting: OrderedDict[int, dict[str, Any]] = OrderedDict()

    def put(self, name: str, stamp_ns: int, sample: Any) -> dict[str, Any] | None:
        """Add a sample; returns the complete set for its stamp once, when this sample completes it."""
        row = self._waiting.setdefault(stamp_ns, {})
        row[name] = sample
        if row.keys() >= self._names:
            del self._waiting[stamp_ns]
            return row
        while len(self._waiting) > self.CAPACITY:
            self._waiting.popitem(last=False)
        return None

    def missing(self, stamp_ns: int) -> list[str]:
        """Return the names still missing for `stamp_ns`."""
        return sorted(self._names - self._waiting.get(stamp_ns, {}).keys())
