"""What is said of episodes beside their steps: marks, notes, ends that were taken back; only ever appended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robot.errors import StoreError
from robot.store.schema import END_FLAGS

FILE = "journal/remarks.jsonl"

ENDS: Mapping[str, tuple[str, ...]] = {
    "success": ("is_terminated", "is_success"),
    "failure": ("is_terminated",),
    "truncated": ("is_truncated",),
    "aborted": ("is_truncated", "is_aborted"),
}
"""How an episode may end, and the flags that say so."""

Value = str | int | float
"""Of an episode's attribute."""
KINDS = ("mark", "note", "end")
MOST_CHARACTERS = 2000


@dataclass(frozen=True)
class Remark:
    """Something that was said of an episode.

    Attributes:
        episode: its index in the store.
        kind: "mark" (a moment of interest), "note" (a text), or "end" (how it ended after all).
        text: of a note; of an end one of `ENDS`.
        step: at which it was said; None for the episode as a whole.
        stamp_ns: when, on the robot's clock; 0 where nobody knows.
    """

    episode: int
    kind: str
    text: str = ""
    step: int | None = None
    stamp_ns: int = 0

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise StoreError(f"A remark on an episode {problem}.")


def _problem(remark: Remark) -> str:
    def is_count(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63

    if remark.kind not in KINDS:
        return f"is one of {', '.join(KINDS)}; found {remark.kind!r}"
    if not is_count(remark.episode) or not is_count(remark.stamp_ns):
        return f"names an episode and a stamp, from 0 on; found {remark.episode!r} and {remark.stamp_ns!r}"
    if remark.step is not None and not is_count(remark.step):
        return f"names a step, from 0 on, or none; found {remark.step!r}"
    if not isinstance(remark.text, str) or len(remark.text) > MOST_CHARACTERS:
        return f"is a text of at most {MOST_CHARACTERS} characters"
    if remark.kind == "end" and remark.text not in ENDS:
        return f"says that it ended in {', '.join(ENDS)}; found {remark.text!r}"
    return ""


class Remarks:
    """The remarks of one store, as a reader sees them; `append` is for whoever holds the writer's lock.

    Args:
        root: the store's folder.
        name: what the store is called in messages.
    """

    def __init__(self, root: Path, name: Path) -> None:
        self._file, self._name = root / FILE, name / FILE
        self._offset = self._lines = 0
        self._said: list[Remark] = []
        self.ends: dict[int, str] = {}
        """How episodes ended after all, by index; the newest word counts."""

    def refresh(self) -> None:
        """Read what was said since.

        Raises:
            StoreError: a line is damaged.
        """
        try:
            with self._file.open("rb") as file:
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{self._name} cannot be read ({error.strerror}); put it in order.") from error
        whole = text[: text.rfind(b"\n") + 1]  # what death tore was never acknowledged
        for line in whole.splitlines():
            self._lines += 1
            if line.strip():
                self._take(line)
        self._offset += len(whole)

    def _take(self, line: bytes) -> None:
        try:
            remark = Remark(**json.loads(line))
        except (ValueError, TypeError, RecursionError, StoreError) as error:
            raise StoreError(f"Line {self._lines} of {self._name} is damaged ({error}); take it out.") from error
        self._said.append(remark)
        if remark.kind == "end":
            self.ends[remark.episode] = remark.text

    def amended(
        self, episode: int, flags: Mapping[str, Any], attributes: Mapping[str, Value]
    ) -> tuple[dict[str, Any], dict[str, Value]]:
        """Return the flags and attributes of an episode as it ended after all, as of the last `refresh`."""
        end, before = self.ends.get(episode, ""), end_of(flags)
        if end in ("", before):
            return dict(flags), dict(attributes)
        found = {name: name in ENDS[end] if name in END_FLAGS else value for name, value in flags.items()}
        return found, {**attributes, "relabelled_from": before}

    def of(self, episode: int) -> tuple[Remark, ...]:
        """Return what was said of an episode, as of the last `refresh`."""
        return tuple(remark for remark in self._said if remark.episode == episode)

    @property
    def all(self) -> tuple[Remark, ...]:
        """Everything that was said, as of the last `refresh`."""
        return tuple(self._said)

    def append(self, remark: Remark) -> None:
        """Add a remark; it outlives the process once this returns. OSError where the disk does not take it."""
        line = json.dumps({name: value for name, value in asdict(remark).items() if value not in (None, "")}).encode()
        content = self._file.read_bytes() if self._file.exists() else b""
        if len(content) > (whole := content.rfind(b"\n") + 1):
            os.truncate(self._file, whole)  # what death tore
        with self._file.open("ab") as file:
            file.write(line + b"\n")


def end_of(flags: Mapping[str, Any]) -> str:
    """Return the name of the end that `END_FLAGS` in `flags` say."""
    down = tuple(name for name in END_FLAGS if flags[name])
    return next((name for name, wanted in ENDS.items() if wanted == down), "")
