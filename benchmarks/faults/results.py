"""What a campaign came to, for people and as metrics."""

from __future__ import annotations

from typing import Any

from sessions.statistics import percentile

Line = dict[str, Any]

PLAYED = ("policy", "human", "resetting")
"""Activities with an actor, and so with a report."""


def is_unsafe(line: Line) -> bool:
    """Whether the arm did not hold in time, or nobody could tell."""
    return bool(line["error"] or line["unsafe"])


def is_unreported(line: Line) -> bool:
    """Whether an actor played, so that there is a report, and the report does not name the cause."""
    return line["plan"]["activity"] in PLAYED and "stops" not in line["named_in"]


def holds_ms(lines: list[Line]) -> list[float]:
    """Return the times from injection to hold of those injections that found the arm in motion."""
    return [line["hold_ms"] for line in lines if not line["error"] and not line["was_holding"] and line["hold_ms"]]


def sentence(line: Line) -> str:
    """Tell a person how one injection went."""
    begin = f"{line['index']:4d} {line['plan']['kind']} in {line['plan']['activity']}: "
    if line["error"]:
        return f"{begin}FAILED: {line['error']}"
    held = "never" if line["hold_ms"] is None else f"after {line['hold_ms']:.0f} ms"
    named = ", ".join(line["named_in"]) or "NOBODY"
    text = f"{begin}held {held}, moved {line['moved_mm']} mm, named by {named}, brought there in {line['bring_s']} s"
    return f"{text}; UNSAFE: {line['unsafe']}" if line["unsafe"] else text


def table(lines: list[Line]) -> str:
    """Return the campaign as text, a row a kind; the hold's times are in milliseconds."""
    rows = [("fault", "n", "p50", "p99", "max", "moved mm", "unsafe", "named", "in report")]
    for name in sorted({line["plan"]["kind"] for line in lines}):
        own = [line for line in lines if line["plan"]["kind"] == name]
        done = [line for line in own if not line["error"]]
        held = holds_ms(own)
        times = [f"{value:.0f}" if held else "-" for value in (*(percentile(held, s) for s in (0.5, 0.99, 1.0)),)]
        moved = max((line["moved_mm"] for line in done), default=0.0)
        named = sum(bool(line["named_in"]) for line in done)
        told = sum("stops" in line["named_in"] for line in done)
        counts = (str(sum(is_unsafe(line) for line in own)), f"{named}/{len(own)}", f"{told}/{len(own)}")
        rows.append((name, str(len(own)), *times, f"{moved:.1f}", *counts))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + "\n"
        for row in rows
    )
