"""What an import or an export did: what went where, what was missing, and what had no place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple


class Mapped(NamedTuple):
    """One array: its name in the source, its name in the target, shape and type of a row, and a remark or ""."""

    source: str
    target: str
    kind: str
    remark: str = ""


@dataclass(frozen=True)
class Report:
    """The account of an import or an export.

    Attributes:
        direction: "import" or "export".
        format: name of the foreign format.
        source, target: paths.
        episodes, steps: how many went over.
        mapped: what went where.
        missing: what the target can hold and the source does not have.
        left_out: what the source has and the target has no place for.
    """

    direction: str
    format: str
    source: str
    target: str
    episodes: int
    steps: int
    mapped: tuple[Mapped, ...]
    missing: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def invented(self) -> tuple[str, ...]:
        """Always empty: what the source does not say is marked as absent."""
        return ()

    def as_json(self) -> str:
        """Return the report as JSON text."""
        mapped = [entry._asdict() for entry in self.mapped]
        return json.dumps({**asdict(self), "mapped": mapped, "invented": list(self.invented)}, indent=2)

    def as_text(self) -> str:
        """Return the report as lines for a person."""
        lines = [f"{self.direction} of {self.source} ({self.format}): {self.episodes} episodes, {self.steps} steps"]
        lines.append(f"  written to {self.target}")
        for source, target, kind, remark in self.mapped:
            lines.append(f"  mapped    {source} -> {target}  {kind}" + (f"  ({remark})" if remark else ""))
        lines += [f"  missing   {what}" for what in self.missing]
        lines += [f"  left out  {what}" for what in self.left_out]
        lines.append("  invented  nothing: what the source does not say is marked as absent")
        return "\n".join(lines)
