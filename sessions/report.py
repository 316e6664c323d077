"""Makes report.html and summary.json of a run directory, whatever part of the run there is."""

from __future__ import annotations

import hashlib
import html
import json
import os
from pathlib import Path

from sessions import plots, report_timing
from sessions.film import Film, choose, film, open_if_there
from sessions.report_parts import clock, data_uri, percent, picture, section, short, table
from sessions.report_style import STYLE
from sessions.run_data import Row, RunData, read_run, steps_s, summarise
from sessions.statistics import Rate

DEFAULT_PERIOD_S = 0.1
"""Control period where the run's config does not say it."""


def write_report(path: Path) -> Path:
    """Write `path`/report.html, `path`/summary.json and the pictures in `path`/report; returns the report's path.

    Raises:
        RunError: there is no such run directory, or one of its files is damaged.
    """
    run = read_run(path)
    pictures = path / "report"
    pictures.mkdir(exist_ok=True)
    write_summary(run)
    before, after = films(run)
    parts = [
        _header(run),
        _tiles(run),
        _films(before, after, pictures),
        section(
            "Success against robot steps",
            "While learning the policy explores and a person may take over: the lines are no evaluation. Points: "
            f"without interventions, deterministic{_same_seeds(run)}. Bands and bars are 95% Wilson intervals.",
            picture(run, "success", plots.success, pictures) if run.finetune or run.evaluations else "",
        ),
        section(
            "Interventions over time",
            "How much of each episode a person drove, and how often that person took over.",
            picture(run, "interventions", plots.interventions, pictures) if run.finetune else "",
        ),
        report_timing.timing(run, pictures),
        report_timing.stops(run),
        _replay(run, pictures),
        _phases(run),
        _config(run),
        "<footer>Made by nudge from the files of this run directory; nothing is loaded from elsewhere.</footer>",
    ]
    title = html.escape(f"nudge: {run.task}, {path.name}")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    document = f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n'
    report = path / "report.html"
    _write(report, document + "\n".join(part for part in parts if part) + "\n</body></html>\n")
    return report


def write_summary(run: RunData) -> Row:
    """Write and return what summary.json holds."""
    summary = summarise(run)
    _write(run.path / "summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def films(run: RunData) -> tuple[Film | None, Film | None]:
    """Return the films before and after finetuning, of equal length, as far as the stores hold them."""
    base, final = (open_if_there(run.path / f"eval_{name}.zarr") for name in ("base", "final"))
    before, after = choose(base, final)
    longest = max((episode.length + 1 for episode in (before, after) if episode is not None), default=0)
    made: list[Film | None] = []
    for title, reader, episode in (("Base policy", base, before), ("Finetuned", final, after)):
        if reader is None or episode is None:
            made.append(None)
        else:
            made.append(film(title, episode, reader.spec.image_keys, reader.spec.period_s or DEFAULT_PERIOD_S, longest))
    return made[0], made[1]


def _header(run: RunData) -> str:
    seed = "" if run.seed is None else f"<span>seed {run.seed}</span>"
    digest = hashlib.sha256(run.config_text.encode()).hexdigest()[:16] if run.config_text else "none"
    name = html.escape(run.path.resolve().name)
    task = html.escape(run.task.replace("_", " "))
    return (
        f"<header><h1><b>nudge</b> {task}</h1><span>run {name}</span>{seed}"
        f"<span>config <code>{digest}</code></span></header>"
    )


def _tiles(run: RunData) -> str:
    summary = summarise(run)
    moving = sum(row.get("sim_s", 0.0) for rows in run.episodes.values() for row in rows)
    acting = sum(steps_s(rows) for rows in run.episodes.values())
    rates = _rate_tile("Base policy", run.rate("base"), "") + _rate_tile("Finetuned", run.rate("final"), "final")
    small = [
        ("Robot steps", f"{summary['robot_steps']:,}", f"{len(run.finetune)} episodes of finetuning"),
        ("Take-overs", f"{summary['interventions']:,}", "by the person, while learning"),
        ("Wall time", clock(summary["wall_s"]), "all phases"),
        ("Duty cycle", percent(summary["duty_cycle"]), "of finetuning, robot acting"),
    ]
    if acting > 0:
        small.append(("Speed", f"{moving / acting:.1f} x", "real time, in steps"))
    tiles = [f'<div class="tile"><small>{a}</small><strong>{b}</strong><small>{c}</small></div>' for a, b, c in small]
    return f'<div class="tiles rates">{rates}</div><div class="tiles">{"".join(tiles)}</div>'


def _same_seeds(run: RunData) -> str:
    seeds = [run.evaluations.get(name, {}).get("episode_seeds") for name in ("base", "final")]
    return ", on the same seeds" if seeds[0] and seeds[0] == seeds[1] else ""


def _rate_tile(name: str, rate: Rate | None, kind: str) -> str:
    if rate is None or not rate.episodes:
        inside = "<strong>-</strong><small>not evaluated</small>"
    else:
        width = rate.high - rate.low
        meter = f'<i style="left:{rate.low:.1%};width:{width:.1%}"></i><b style="left:{rate.share:.1%}"></b>'
        inside = (
            f'<strong>{rate.share:.0%}</strong><div class="meter">{meter}</div>'
            f"<small>{rate.successes} of {rate.episodes}; 95% interval {rate.low:.0%} to {rate.high:.0%}</small>"
        )
    return f'<div class="tile {kind}"><small>{name}: success</small>{inside}</div>'


def _films(before: Film | None, after: Film | None, pictures: Path) -> str:
    shown = [item for item in (before, after) if item is not None]
    for name, item in (("before", before), ("after", after)):
        if item is not None:
            (pictures / f"{name}.webp").write_bytes(item.animation)
            (pictures / f"{name}.png").write_bytes(item.strip)
    figures = "".join(
        f'<figure><img alt="{item.title}, episode with seed {item.seed}" src="{data_uri(item.animation, "webp")}">'
        f"<figcaption><b>{item.title}</b> {_outcome(item)} seed {item.seed}, {item.steps} steps</figcaption></figure>"
        for item in shown
    )
    strips = "".join(
        f'<figure class="strip"><img alt="film strip" src="{data_uri(item.strip, "png")}">'
        f"<figcaption>{item.title}</figcaption></figure>"
        for item in shown
    )
    same = before is not None and after is not None and before.seed == after.seed
    about = "The same start, before and after finetuning" if same else "Episodes of the evaluations"
    body = f'<div class="films">{figures}</div>{strips}' if shown else ""
    return section("Before and after", f"{about}; the inset is the wrist camera.", body)


def _outcome(item: Film) -> str:
    return '<span class="tag good">success</span>' if item.is_success else '<span class="tag bad">failed</span>'


def _replay(run: RunData, pictures: Path) -> str:
    found = run.replay
    if not found:
        return section("Replay in simulation", "", "")
    about = f"Episode {found.get('episode')} sent through a fresh simulation: {found.get('verdict', 'no verdict')}"
    if isinstance(found.get("max_error_mm"), (int, float)):
        about += f" (largest distance {found['max_error_mm']:.3g} mm)."
    body = picture(run, "replay", plots.replay, pictures) if found.get("position_error_mm") else ""
    return section("Replay in simulation", about, body)


def _phases(run: RunData) -> str:
    known = ("phase", "seed", "wall_s", "what")
    rows = []
    for row in run.phases:
        rest = ", ".join(f"{key} {short(value)}" for key, value in row.items() if key not in known and _is_short(value))
        what = f"{row.get('what', '')}{f' ({rest})' if rest else ''}"
        rows.append([str(row.get("phase", "")), str(row.get("seed", "")), clock(row.get("wall_s")), what])
    body = table(["phase", "seed", "took", "what was done"], rows, numbers=(1, 2)) if rows else ""
    return section("What was done, with which seed", "", body)


def _config(run: RunData) -> str:
    if not run.config_text:
        return ""
    return f"<section><details><summary>Config</summary><pre>{html.escape(run.config_text)}</pre></details></section>"


def _is_short(value: object) -> bool:
    return not isinstance(value, (list, dict)) and value is not None


def _write(file: Path, text: str) -> None:
    """Write by atomic rename, so that a reader never sees half a file."""
    partial = file.with_name(file.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, file)
