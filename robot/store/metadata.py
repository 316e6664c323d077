"""Whether the metadata that plain zarr reads of a store are those that this nudge writes."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from robot.store.tables import Tables

FILE = "zarr.json"
COMPARED = ("zarr_format", "node_type", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs")
KNOWN = (*COMPARED, "shape", "attributes", "dimension_names", "storage_transformers", "consolidated_metadata")
"""All that the specification of zarr 3 names; readers refuse any other."""


def check_metadata(tables: Tables) -> list[str]:
    """Return one sentence for every group or array whose metadata are missing, damaged or not ours.

    They are compared with those of an empty store of the same robot, but for the length of the first axis.
    """
    problems = []
    with TemporaryDirectory() as folder:
        fresh = Tables.create(Path(folder, "fresh.zarr"), tables.schema.spec, {})
        for wanted in sorted(fresh.path.rglob(FILE)):
            name = wanted.relative_to(fresh.path)
            if name != Path(FILE) and (problem := _problem(tables.root / name, wanted)):
                problems.append(f"{name} {problem}.")
    return problems


def _problem(path: Path, wanted: Path) -> str:
    try:
        found = _meaning(path)
    except FileNotFoundError:
        return "is missing"
    except (ValueError, TypeError, LookupError, AttributeError):
        return "is damaged"
    for key, value in _meaning(wanted).items():
        if found[key] != value:
            return f"says {key} {found[key]!r}, and should say {value!r}"
    return ""


def _meaning(path: Path) -> dict[str, Any]:
    """Return what decides how an array is read: versions of zarr may write the rest otherwise."""
    raw = json.loads(path.read_bytes().decode())
    found = {key: raw.get(key) for key in COMPARED}
    found["unknown keys"] = sorted(raw.keys() - set(KNOWN))
    found["transformers"] = raw.get("storage_transformers") or []
    if raw["node_type"] == "group":
        return found
    int(raw["shape"][0])
    return found | {"shape": raw["shape"][1:], "attributes": raw["attributes"]}
