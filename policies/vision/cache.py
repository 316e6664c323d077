"""What eyes made of a store's pictures, kept beside them: `<store>/seen/<digest>/`, one file an episode.

It may be deleted at any time. A file is read only for the very episode that it was written for, and only by eyes with
the very weights; one that is damaged is made anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from policies.tensorfile import read_tensors, write_tensors
from robot.errors import StoreError
from robot.store import Episode

FOLDER = "seen"


class SeenCache:
    """Tensors by episode, for eyes with one digest.

    cache = SeenCache(eyes.digest())
    tensors = cache.of(episode, lambda: looked_at(episode))
    """

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def of(self, episode: Episode, look: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return what was kept of this episode; where there is nothing, what `look` gives, which is kept."""
        found = self._get(episode)
        if found is None:
            found = look()
            self._put(episode, found)
        return found

    def _get(self, episode: Episode) -> dict[str, Tensor] | None:
        """Return what was put for this episode; None where there is nothing, or nothing that can be trusted."""
        path = self._path(episode)
        if not path.exists():
            return None
        try:
            tensors, header = read_tensors(path)
        except StoreError:
            return None
        return tensors if header == _names(episode) else None

    def _put(self, episode: Episode, tensors: dict[str, Tensor]) -> None:
        """Keep tensors for an episode of a store on the disk; where it cannot be written nothing is kept."""
        if not episode.store.is_dir():  # it was moved away: nothing is to appear in its place
            return
        with contextlib.suppress(OSError):  # a full or read-only disk costs time, not the session
            write_tensors(self._path(episode), tensors, _names(episode))

    def _path(self, episode: Episode) -> Path:
        return episode.store / FOLDER / self._digest / f"{episode.first_row}.safetensors"


def _names(episode: Episode) -> dict[str, str]:
    """Return what tells this episode from any other that ever had its rows."""
    return {
        "length": str(episode.length),
        "transitions": str(episode.transitions),
        "seed": str(episode.attributes.get("seed", "")),
        "stamps": f"{episode.stamp_ns[0]} {episode.stamp_ns[-1]} {episode.final_stamp_ns}",
    }
