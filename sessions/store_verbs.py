"""The verbs of `nudge store`: what each does, its options and the function that runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from sessions.verb import Verb

EDITS = "sessions.store_edits"
ENDS = ("success", "failure", "truncated", "aborted")
FORMATS = ("lerobot", "robomimic", "dp-zarr", "mcap", "serl")
SOURCES = ("human", "policy", "unknown")
KEPT = "The store is made anew beside the old one, which stays as <name>.before-N until you delete it."


def episodes(text: str) -> list[int]:
    """Return the indices that a list such as "0,3,7-9" names, each once, in order.

    Raises:
        ValueError: it is none.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        numbers = range(int(first), int(last if dash else first) + 1)
        if not numbers or numbers[0] < 0 or len(numbers) > 1_000_000:
            raise ValueError(part)
        found |= set(numbers)
    return sorted(found)


episodes.__name__ = "list of episodes such as 0,3,7-9"


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, nargs="?", default=Path("runs"), help="a folder to look through")


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="a store")


def _edit(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--out", type=Path, metavar="PATH", help="write a new store there and leave this one as it is")


def _trim(parser: argparse.ArgumentParser) -> None:
    _edit(parser)
    parser.add_argument("--episode", type=int, required=True, metavar="N", help="the episode to cut")
    parser.add_argument("--start", type=int, default=0, metavar="STEP", help="first step to keep (default: 0)")
    parser.add_argument("--stop", type=int, metavar="STEP", help="first step to leave out (default: none)")


def _drop(parser: argparse.ArgumentParser) -> None:
    _edit(parser)
    parser.add_argument("--episodes", type=episodes, required=True, metavar="LIST", help="for example 0,3,7-9")


def _relabel(parser: argparse.ArgumentParser) -> None:
    _drop(parser)
    parser.add_argument("--as", dest="end", choices=ENDS, required=True, help="how they ended")


def _merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", type=Path, nargs="+", metavar="path", help="stores of one robot, in order")
    parser.add_argument("--out", type=Path, metavar="PATH", required=True, help="the new store")


def _view(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--episode", type=int, default=0, metavar="N", help="which one (default: 0)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="*.html or *.png (default: <store>.episode-N.html beside the store)"
    )


def _push(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("url", help="an empty place: s3://bucket/peg/demos.zarr, gs://, az://, or a folder's file URL")


def _pull(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="where it was pushed to")
    parser.add_argument("path", type=Path, help="where the store will be")


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="a dataset's folder, or a file")
    parser.add_argument("--out", type=Path, metavar="PATH", required=True, help="the new store")
    parser.add_argument("--format", choices=FORMATS, help="where it is not clear from the names")
    about = "who commanded the steps, where the source does not say (default: unknown)"
    parser.add_argument("--source", dest="commanded_by", choices=SOURCES, default="unknown", help=about)
    parser.add_argument("--period", type=float, metavar="S", help="control period, where the source has no rate")
    parser.add_argument("--name", default="", metavar="ROBOT/TASK", help="where the source's name is not to be taken")
    about = "bags: which topic becomes which key; the executed action is called action. May be given often"
    parser.add_argument("--topic", action="append", default=[], metavar="/TOPIC=KEY", help=about)


def _export(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--out", type=Path, metavar="PATH", required=True, help="where it will be")
    parser.add_argument("--format", choices=FORMATS[:-1], required=True, help="which format")
    about = "LeRobot: every pixel as it is, or smaller and with loss (default: exact)"
    parser.add_argument("--images", choices=("exact", "video"), default="exact", help=about)
    parser.add_argument("--task", default="", metavar="WORDS", help="LeRobot: the task in words")


STORE_VERBS: dict[str, Verb] = {}


def _add(
    name: str,
    module: str,
    summary: str,
    about: str,
    examples: tuple[str, ...],
    options: Callable[[argparse.ArgumentParser], None],
) -> None:
    function = f"{name}_verb"
    STORE_VERBS[name] = Verb(module, summary, about, examples, options, has_config=False, function=function)


_add(
    "ls",
    "sessions.store_cli",
    "one line for every store below a folder",
    "Shows the stores below a folder. Never changes one.",
    ("nudge store ls", "nudge store ls runs --json"),
    _place,
)
_add(
    "info",
    "sessions.store_cli",
    "everything about one store",
    "Shows counts, bytes, the robot and what is wrong; exit status 1 where something is. Never changes a store.",
    ("nudge store info runs/peg/demos.zarr",),
    _one,
)
_add(
    "check",
    "sessions.store_cli",
    "whether a store is whole: every array, chunk, stamp and number",
    "Reads everything, images too, and prints one line a problem; exit status 1 where there is one. Changes nothing.",
    ("nudge store check runs/peg/online.zarr",),
    _one,
)
_add(
    "repair",
    "sessions.store_cli",
    "make an episode of what a dead session left",
    "Every step that the dead session acknowledged becomes part of an aborted episode; a torn commit is undone.\n"
    "The next session of the run does the same by itself.",
    ("nudge store repair runs/peg/online.zarr",),
    _one,
)
_add(
    "view",
    "sessions.store_view",
    "a page or a picture of an episode",
    "Writes a film strip, actions, states, who commanded, labels, rewards and what safety changed, over time.",
    ("nudge store view runs/peg/demos.zarr --episode 3", "nudge store view demos.zarr --episode 3 --out episode.png"),
    _view,
)
_add(
    "drop",
    EDITS,
    "leave out episodes",
    f"Leaves out whole episodes. {KEPT}",
    ("nudge store drop runs/peg/demos.zarr --episodes 0,3,7-9",),
    _drop,
)
_add(
    "trim",
    EDITS,
    "cut the beginning or the end off an episode",
    f"Keeps the steps START to STOP - 1 of one episode; cut before its end, it is truncated there. {KEPT}",
    ("nudge store trim runs/peg/demos.zarr --episode 3 --stop 40",),
    _trim,
)
_add(
    "relabel",
    EDITS,
    "say otherwise how episodes ended",
    f"Says how episodes ended; what a person said while they ran stays as it was. {KEPT}",
    ("nudge store relabel runs/peg/online.zarr --episodes 12 --as failure",),
    _relabel,
)
_add(
    "merge",
    EDITS,
    "put stores of one robot together",
    "Writes all episodes of the stores, in order, into a new one.",
    ("nudge store merge monday.zarr tuesday.zarr --out both.zarr",),
    _merge,
)
_add(
    "push",
    "sessions.store_archive",
    "copy a store into an archive: S3 or what speaks like it, Google, Azure, a folder",
    "Checks the store, then copies its files; what arrives is a zarr group that plain zarr reads there.\n"
    "Keys and addresses come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,\n"
    "AWS_ENDPOINT_URL (and AWS_ALLOW_HTTP=true where it is plain http); needs: pip install 'nudge-robot[archive]'",
    ("nudge store push runs/peg/demos.zarr s3://lab/peg/demos.zarr",),
    _push,
)
_add(
    "pull",
    "sessions.store_archive",
    "get a store back from an archive",
    "Copies all files, checks them, and only then puts the store in its place.",
    ("nudge store pull s3://lab/peg/demos.zarr demos.zarr",),
    _pull,
)
_add(
    "import",
    "sessions.store_exchange",
    "make a store of a LeRobot, robomimic, diffusion-policy, MCAP or SERL log",
    "Reads the whole source first to last and says what went where, what is missing and what was left out. Nothing is\n"
    "invented, and nothing is there where it fails. Pickles (SERL) are read without running anything in them.",
    (
        "nudge store import demos.hdf5 --out runs/peg/demos.zarr --period 0.05 --source human",
        "nudge store import bag.mcap --out bag.zarr --period 0.1 --topic /joint_states=joints --topic /cmd=action",
    ),
    _import,
)
_add(
    "export",
    "sessions.store_exchange",
    "write a store as LeRobot, robomimic, diffusion-policy zarr or an MCAP bag",
    "Writes all episodes and says what went where, and what the format has no place for (docs/formats.md).",
    ("nudge store export runs/peg/demos.zarr --format lerobot --out peg_lerobot",),
    _export,
)
