"""Moving pictures and film strips of recorded episodes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from robot.errors import StoreError
from robot.store import Episode, StoreReader

SIZE = 320
"""Side of a frame in the report [pixels]."""
INSET = 104
STRIP_FRAMES = 8
SUCCESS, FAILURE, NEUTRAL = (76, 195, 138), (226, 94, 84), (255, 255, 255)
HOLD_FRAMES = 12
"""The end stays visible for this many control periods before the film begins anew."""


@dataclass(frozen=True)
class Film:
    """One episode as an animated WebP and as a PNG strip."""

    title: str
    seed: int
    is_success: bool
    steps: int
    animation: bytes
    strip: bytes


def choose(base: StoreReader | None, final: StoreReader | None) -> tuple[Episode | None, Episode | None]:
    """Return the pair that tells most: a seed that the base policy failed and the final one mastered.

    Without such a seed: a failed base episode, else its first; and the final episode of the same seed, else the first.
    """
    before = _episodes(base)
    after = _episodes(final)
    mastered = {seed_of(episode) for episode in after if episode.is_success}
    failed = [episode for episode in before if not episode.is_success and not episode.is_aborted]
    best = [episode for episode in failed if seed_of(episode) in mastered] or failed or before
    first = best[0] if best else None
    same = [episode for episode in after if first is not None and seed_of(episode) == seed_of(first)]
    return first, next(iter(same or after), None)


def _episodes(reader: StoreReader | None) -> list[Episode]:
    return [] if reader is None else [reader.episode(index) for index in range(len(reader))]


def open_if_there(path: Path) -> StoreReader | None:
    """Return a reader of the store at `path`, None where there is none or it is damaged."""
    try:
        return StoreReader.open(path) if path.exists() else None
    except StoreError:
        return None


def seed_of(episode: Episode) -> int:
    return int(episode.attributes.get("seed", -1))


def film(title: str, episode: Episode, image_keys: Sequence[str], period_s: float, frames: int = 0) -> Film | None:
    """Return the film of `episode`, held at its end until `frames` are full; None where it has no images."""
    keys = sorted(image_keys, key=lambda key: (key != "images/front", key))
    if not keys:
        return None
    front, inset = _frames(episode, keys[0]), _frames(episode, keys[1]) if len(keys) > 1 else None
    pictures = [
        _frame(front[i], None if inset is None else inset[i], i / max(1, len(front) - 1), NEUTRAL)
        for i in range(len(front))
    ]
    colour = SUCCESS if episode.is_success else FAILURE
    end = _frame(front[-1], None if inset is None else inset[-1], 1.0, colour)
    pictures += [end] * (max(0, frames - len(pictures)) + HOLD_FRAMES)
    return Film(
        title,
        seed_of(episode),
        episode.is_success,
        episode.length,
        _animate(pictures, round(period_s * 1000)),
        _strip(front, period_s, colour),
    )


def _frames(episode: Episode, key: str) -> NDArray[np.uint8]:
    images = episode.images(key)
    return np.concatenate([images, episode.final_image(key)[None]]) if episode.has_final else images


def _frame(
    front: NDArray[np.uint8], inset: NDArray[np.uint8] | None, progress: float, colour: tuple[int, int, int]
) -> Image.Image:
    picture = Image.fromarray(front).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    if inset is not None:
        small = Image.fromarray(inset).resize((INSET, INSET), Image.Resampling.BICUBIC)
        corner = (SIZE - INSET - 8, 8)
        pen.rectangle((corner[0] - 2, corner[1] - 2, corner[0] + INSET + 1, corner[1] + INSET + 1), fill=NEUTRAL)
        picture.paste(small, corner)
    pen.rectangle((0, SIZE - 6, round(progress * SIZE), SIZE), fill=colour)
    return picture


def _animate(pictures: list[Image.Image], period_ms: int) -> bytes:
    buffer = io.BytesIO()
    first, *rest = pictures
    first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=period_ms, loop=0, quality=72, method=2)
    return buffer.getvalue()


def _strip(front: NDArray[np.uint8], period_s: float, colour: tuple[int, int, int]) -> bytes:
    """Return `STRIP_FRAMES` frames side by side, the last one framed in the colour of the outcome."""
    chosen = np.linspace(0, len(front) - 1, min(STRIP_FRAMES, len(front))).round().astype(int)
    side, gap = 160, 6
    strip = Image.new("RGBA", (len(chosen) * (side + gap) - gap, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(strip)
    font = ImageFont.load_default(size=17)
    for place, index in enumerate(chosen):
        left = place * (side + gap)
        strip.paste(Image.fromarray(front[index]).resize((side, side), Image.Resampling.BICUBIC), (left, 0))
        text = f"{index * period_s:.1f} s"
        pen.rectangle((left, side - 24, left + 52, side), fill=(0, 0, 0, 255))
        pen.text((left + 6, side - 22), text, fill=NEUTRAL, font=font)
    pen.rectangle((strip.width - side, 0, strip.width - 1, side - 1), outline=(*colour, 255), width=4)
    buffer = io.BytesIO()
    strip.save(buffer, "PNG")
    return buffer.getvalue()
