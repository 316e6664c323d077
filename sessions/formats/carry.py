"""What an export adds beside a format's own arrays, so that an import gives the same store again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot.errors import StoreError
from robot.specs import RobotSpec
from robot.store.edit import Whole
from robot.store.remarks import ENDS, Remark, end_of
from robot.store.schema import END_FLAGS
from robot.store.tables import Tables
from sessions.formats.draft import Columns, Draft
from sessions.formats.guard import require
from sessions.formats.keys import require_sane

VERSION = 1
OWN = ("action", "reward")
"""Arrays of a step that other formats have a place for."""


@dataclass(frozen=True)
class Header:
    """A store's description as an export carries it: its spec, its attributes, and the foreign name of every key."""

    spec: RobotSpec
    attributes: dict[str, str]
    names: dict[str, str]

    def as_json(self) -> str:
        spec = json.loads(self.spec.to_json())
        text = {"version": VERSION, "spec": spec, "attributes": self.attributes, "names": self.names}
        return json.dumps(text)


def extras(tables: Tables) -> tuple[str, ...]:
    """Return the arrays of a step that only a store has."""
    return tuple(name for name in tables.schema.step_names if name not in OWN)


def parse_header(text: Any, where: str) -> Header:
    """Return the description in `text`.

    Raises:
        StoreError: of a newer nudge, or not as an export writes it.
    """
    try:
        raw = json.loads(text)
        version = int(raw["version"])
        if version > VERSION:
            raise StoreError(f"{where} was exported by a newer nudge (version {version}); update nudge.")
        spec = RobotSpec.from_json(json.dumps(raw["spec"]))
        names = {str(key): str(name) for key, name in raw["names"].items()}
        attributes = {str(key): str(value) for key, value in raw["attributes"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{where} has a damaged description of its store ({error}); export it again.") from error
    require_sane(spec, where)
    require(
        names.keys() == spec.observation.keys() and len(set(names.values())) == len(names),
        f"{where} does not name every key of its store once; export it again.",
    )
    return Header(spec, attributes, names)


def end_name(whole: Whole) -> str:
    """Return how an episode ended, one of `ENDS`."""
    return end_of({flag: whole.steps[flag][-1] for flag in END_FLAGS}) or "truncated"


def episode_json(whole: Whole) -> str:
    """Return what else is known of an episode: seed, attributes, end, and what the base policy would have done last."""
    facts: dict[str, Any] = {
        "length": len(whole.steps),
        "seed": whole.seed,
        "attributes": whole.attributes,
        "end": end_name(whole),
        "final": None,
        "remarks": [[remark.kind, remark.text, remark.step, remark.stamp_ns] for remark in whole.remarks],
    }
    if whole.final is not None:
        base = [None if np.isnan(v) else float(v) for v in whole.final["base_action"][0]]
        phase, stamp = int(whole.final["chunk_phase"][0]), int(whole.final["stamp_ns"][0])
        facts["final"] = {"base_action": base, "chunk_phase": phase, "stamp_ns": stamp}
    return json.dumps(facts)


def draft(name: str, text: Any, columns: Columns, final: Columns | None) -> Draft:
    """Return an episode with what `episode_json` gave of it.

    Args:
        final: observation after the last action, if there is one.

    Raises:
        StoreError: the text is damaged or belongs to an episode of another length.
    """
    try:
        facts = json.loads(text)
        length, end, seed = int(facts["length"]), str(facts["end"]), int(facts["seed"])
        attributes = dict(facts["attributes"])
        said = [Remark(0, kind, text, step, stamp) for kind, text, step, stamp in facts.get("remarks", ())]
        if facts["final"] is not None and final is not None:
            base = [np.nan if v is None else float(v) for v in facts["final"]["base_action"]]
            rest = {
                "base_action": np.array(base, np.float32),
                "chunk_phase": np.int32(facts["final"]["chunk_phase"]),
                "stamp_ns": np.int64(facts["final"]["stamp_ns"]),
            }
            final = {**final, **{key: np.asarray(value) for key, value in rest.items()}}
        else:
            final = None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise StoreError(f"{name} has a damaged description ({error}); export the store again.") from error
    require(end in ENDS, f"{name} ended in {end!r}; a store knows {', '.join(ENDS)}.")
    require(
        length == len(columns["action"]),
        f"{name} was exported with {length} steps and has {len(columns['action'])}: it was edited since. Remove "
        "nudge's own part of the file to import the rest.",
    )
    return Draft(name, columns, end, final, attributes, seed, tuple(said))
