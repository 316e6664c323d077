"""What the sections of a report are made of: cards, tables, pictures in two themes, numbers as a person reads them."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from sessions import plots
from sessions.run_data import RunData


def picture(run: RunData, name: str, plot: Callable[[RunData, plots.Theme], Figure], pictures: Path) -> str:
    """Return a picture for light and dark; the light one is saved as `pictures`/`name`.png as well."""
    light, dark = plots.draw(plot, run, plots.LIGHT), plots.draw(plot, run, plots.DARK)
    (pictures / f"{name}.png").write_bytes(light)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{data_uri(dark, "png")}">'
        f'<img alt="{name}" src="{data_uri(light, "png")}"></picture>'
    )


def section(title: str, about: str, body: str) -> str:
    """Return a card; one without `body` says that its phase has not run."""
    shown = body or '<p class="missing">Not there yet: this phase has not run.</p>'
    text = f"<p>{html.escape(about)}</p>" if about and body else ""
    return f"<section><h2>{html.escape(title)}</h2>{text}{shown}</section>"


def table(head: list[str], rows: list[list[str]], numbers: tuple[int, ...]) -> str:
    """Return a table; `numbers` are the columns to be set flush right."""
    kinds = ['class="n"' if i in numbers else "" for i in range(len(head))]
    top = "".join(f"<th {kind}>{html.escape(cell)}</th>" for kind, cell in zip(kinds, head, strict=True))
    cells = ["".join(f"<td {k}>{html.escape(c)}</td>" for k, c in zip(kinds, row, strict=True)) for row in rows]
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(f'<tr>{c}</tr>' for c in cells)}</tbody></table>"


def clock(seconds: float | None) -> str:
    """Return a duration as a person reads it."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def data_uri(picture: bytes, kind: str) -> str:
    """Return a picture as the address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
