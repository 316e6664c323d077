"""`nudge store view`: one episode as a page, or as a picture."""

from __future__ import annotations

import argparse
import html
import io
import os
from pathlib import Path

from PIL import Image

from robot.errors import StoreError
from robot.store import Episode, StoreReader
from robot.store.disk import disk_errors
from robot.store.remarks import Remark
from robot.types import Source
from sessions import plots
from sessions.episode_plot import draw_episode, reasons_of
from sessions.film import Film, film
from sessions.report_parts import data_uri, section, short, table
from sessions.report_style import STYLE
from sessions.result import tell

KINDS = (".html", ".png")


def view_verb(arguments: argparse.Namespace) -> int:
    """Write the page or picture of an episode."""
    out = view(arguments.path, arguments.episode, arguments.out)
    what = f"episode {arguments.episode} of {arguments.path}"
    return tell(arguments, {"what": what, "file": str(out)}, f"Open {out}.")


def view(path: Path, index: int, out: Path | None = None) -> Path:
    """Write what episode `index` of the store looked like; returns where to.

    Raises:
        StoreError: no such store or episode, a damaged one, or `out` is neither a page nor a picture.
    """
    reader = StoreReader.open(path)
    if not 0 <= index < len(reader):
        raise StoreError(f"{path} has no episode {index}: it holds {len(reader)}, numbered from 0.")
    out = out or path.with_name(f"{path.stem}.episode-{index}.html")
    if out.suffix not in KINDS:
        raise StoreError(f"An episode is shown in a file {' or '.join('*' + kind for kind in KINDS)}; found {out}.")
    if not out.parent.is_dir():
        raise StoreError(f"There is no folder {out.parent}; make it, or name another --out.")
    episode = reader.episode(index)
    content = _picture(episode, reader) if out.suffix == ".png" else _page(path, episode, reader).encode()
    temporary = out.with_name(f".{os.getpid()}.partial")
    with disk_errors(out, "Nothing was written."):
        if out.is_dir():
            raise StoreError(f"{out} is a folder; name a file.")
        try:
            temporary.write_bytes(content)
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    return out


def _films(episode: Episode, reader: StoreReader) -> list[Film]:
    films = (film(key, episode, [key], reader.spec.period_s) for key in reader.spec.image_keys)
    return [one for one in films if one is not None]


def _picture(episode: Episode, reader: StoreReader) -> bytes:
    """Return the film strips above the plots, as PNG."""
    parts = [one.strip for one in _films(episode, reader)]
    parts.append(plots.as_png(draw_episode(episode, reader.spec, plots.LIGHT), plots.LIGHT))
    images = [Image.open(io.BytesIO(part)).convert("RGBA") for part in parts]
    width = max(image.width for image in images)
    images = [image.resize((width, round(image.height * width / image.width))) for image in images]
    sheet = Image.new("RGB", (width, sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        sheet.paste(image, (0, top), image)
        top += image.height
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _page(path: Path, episode: Episode, reader: StoreReader) -> str:
    """Return a page that loads nothing from elsewhere."""
    spec = reader.spec
    shots = "".join(
        f'<figure><img alt="{html.escape(one.title)}" src="{data_uri(one.animation, "webp")}">'
        f"<figcaption>{html.escape(one.title)}</figcaption></figure>"
        f'<div class="strip"><img alt="" src="{data_uri(one.strip, "png")}"></div>'
        for one in _films(episode, reader)
    )
    light, dark = (
        data_uri(plots.as_png(draw_episode(episode, spec, theme), theme), "png") for theme in (plots.LIGHT, plots.DARK)
    )
    drawn = (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img alt="the episode over time" src="{light}"></picture>'
    )
    facts = [["ended", ending(episode)], ["steps", f"{episode.length}, {episode.length * spec.period_s:.1f} s"]]
    facts += [["commanded by", _who(episode)], ["interventions", str(episode.interventions)]]
    facts += [[name, short(value)] for name, value in episode.attributes.items()]
    facts += [[_said(remark), short(remark.text)] for remark in episode.remarks]
    changed = [[words, str(count)] for words, count in reasons_of(episode)] or [["nothing", "0"]]
    title = html.escape(f"episode {episode.index} of {path.name}")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n'
        f"<header><h1>{title}</h1><span>{html.escape(spec.name)}</span></header>"
        + (section("What the cameras saw", "", shots) if shots else "")
        + section("Over time", "", drawn)
        + section("What it is", "", table(["", ""], facts, ()))
        + section("What safety changed or refused", "", table(["reason", "steps"], changed, (1,)))
        + "<footer>Made by nudge from the store; nothing is loaded from elsewhere.</footer></body></html>\n"
    )


def ending(episode: Episode) -> str:
    """Return how an episode ended, for a person."""
    if episode.is_terminated:
        return "success" if episode.is_success else "failure"
    word = "aborted" if episode.is_aborted else "truncated"
    return word if episode.has_final else f"{word}; what followed its last action is not known"


def _said(remark: Remark) -> str:
    """Return what a remark is, and where it was made."""
    what = "ended after all" if remark.kind == "end" else remark.kind
    return what if remark.step is None else f"{what} at step {remark.step}"


def _who(episode: Episode) -> str:
    counts = {source: int((episode.source == source).sum()) for source in Source}
    return ", ".join(f"{source.name.lower()} {count} steps" for source, count in counts.items() if count)
