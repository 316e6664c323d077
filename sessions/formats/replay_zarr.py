"""diffusion policy's replay buffer: a zarr v2 group with data/* and meta/episode_ends; import and export."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.specs import ArraySpec, RobotSpec
from sessions.formats import carry
from sessions.formats.draft import Draft, Plan
from sessions.formats.guard import MAX_TEXT_BYTES, require, require_size
from sessions.formats.keys import Names, axes
from sessions.formats.options import ImportOptions
from sessions.formats.outgoing import Export, plain_names
from sessions.formats.pictures import Layout
from sessions.formats.report import Mapped
from sessions.formats.zarr2 import Array, Directory, Folder, Zip

OWN = "nudge"
"""Group with what only a store has."""

ACTION, ENDS = "data/action", "meta/episode_ends"
ROWS = 1024
IMAGE_ROWS = 1
"""Images in a chunk: diffusion policy reads single ones."""


def matches(path: Path) -> bool:
    """Tell whether `path` is a zarr v2 group with episodes, or a zip file that is called .zarr.zip."""
    return path.name.endswith(".zarr.zip") if path.is_file() else (path / ENDS / ".zarray").exists()


@contextmanager
def opened(path: Path, options: ImportOptions) -> Iterator[Plan]:
    """Open a replay buffer; the period is not in it and has to be given, unless nudge exported it."""
    require(not (path / "zarr.json").exists(), f"{path} is of zarr format 3; only diffusion policy's format 2 is read.")
    yield _plan(Zip(path) if path.is_file() else Directory(path), options)


def _plan(folder: Folder, options: ImportOptions) -> Plan:
    ends = _ends(folder)
    text = folder.read(f"{OWN}/.zattrs", MAX_TEXT_BYTES)
    if text is not None:
        return _own_plan(folder, ends, json.loads(text))
    if options.period_s is None:
        raise StoreError(f"{folder.path} does not say how long a step is; give the control period with --period.")
    arrays = {name: Array.open(folder, f"data/{name}") for name in folder.names("data")}
    require("action" in arrays, f"{folder.path} has no data/action; it has {', '.join(arrays) or 'nothing'}.")
    for name, array in arrays.items():
        require(
            array.shape[0] >= ends[-1],
            f"{folder.path}: data/{name} must have {ends[-1]} rows (meta/episode_ends); found {array.shape[0]}.",
        )
    action = arrays.pop("action")
    require(len(action.shape) == 2, f"{folder.path}: {ACTION} must be (T, A); found {action.shape}.")
    names, layouts, keys, mapped = Names(), {}, {}, []
    for name, array in arrays.items():
        layouts[name] = Layout(array.shape[1:], array.dtype.name, _sample(array))
        keys[name] = names.give(name, layouts[name].is_image)
        kind = f"{layouts[name].dtype}{list(layouts[name].shape)}"
        mapped.append(Mapped(f"data/{name}", keys[name], kind, layouts[name].remark))
    size = action.shape[1]
    spec = RobotSpec(
        options.name or folder.path.name.removesuffix(".zip").removesuffix(".zarr"),
        {key: ArraySpec(layouts[name].shape, layouts[name].dtype) for name, key in keys.items()},
        axes(size, str(folder.path)),
        (1.0,) * size,
        options.period_s,
    )
    remark = "" if action.dtype == np.float32 else f"{action.dtype.name} rounded to float32"
    mapped.append(Mapped(ACTION, "action", f"float32[{size}]", remark))

    def read(index: int) -> Draft:
        start, stop = int(ends[index - 1]) if index else 0, int(ends[index])
        where = f"episode {index} of {folder.path}"
        row_bytes = sum(math.prod(a.shape[1:]) * a.dtype.itemsize for a in (action, *arrays.values()))
        require_size(where, (stop - start) * row_bytes)
        columns = {"action": action.rows(start, stop)}
        for name, key in keys.items():
            columns[key] = layouts[name].rows(arrays[name].rows(start, stop), f"{name} of {where}")
        return Draft(where, columns)

    missing: tuple[str, ...] = ("stamps", "requested actions", "who commanded (as the options say)", "rewards", "seeds")
    missing += ("units and frames", "what followed each last step", "how each episode ended: stored as truncated")
    surplus = max((array.shape[0] for array in arrays.values()), default=0) - int(ends[-1])
    left_out = [f"meta/{name}" for name in folder.names("meta") if name != "episode_ends"]
    left_out += [f"{surplus} rows after the last episode"] * (surplus > 0)
    return Plan(spec, len(ends), read, tuple(mapped), missing, tuple(left_out))


def _ends(folder: Folder) -> NDArray[np.int64]:
    array = Array.open(folder, ENDS)
    require(len(array.shape) == 1 and array.dtype.kind in "iu", f"{folder.path}: {ENDS} must be a row of integers.")
    ends = array.rows(0, array.shape[0]).astype(np.int64)
    grows = bool(len(ends)) and bool(np.all(np.diff(ends, prepend=0) > 0))
    require(grows, f"{folder.path}: {ENDS} must grow from above 0; it is empty or does not.")
    return ends


def _sample(array: Array) -> NDArray[Any] | None:
    is_float_image = array.dtype.kind == "f" and len(array.shape) == 4 and array.shape[0] > 0
    return array.rows(0, 1) if is_float_image else None


def _own_plan(folder: Folder, ends: NDArray[np.int64], attributes: Any) -> Plan:
    """Plan the import of a buffer that nudge exported: the same store again."""
    header = carry.parse_header(attributes["header"], str(folder.path))
    extras = folder.names(f"{OWN}/step")
    require(
        len(attributes["episodes"]) == len(ends),
        f"{folder.path} was edited since nudge exported it; remove {OWN}/ first.",
    )

    def read(index: int) -> Draft:
        start, stop = int(ends[index - 1]) if index else 0, int(ends[index])
        columns = {key: Array.open(folder, f"data/{name}").rows(start, stop) for key, name in header.names.items()}
        columns["action"] = Array.open(folder, ACTION).rows(start, stop)
        columns |= {name: Array.open(folder, f"{OWN}/step/{name}").rows(start, stop) for name in extras}
        final = {
            key: Array.open(folder, f"{OWN}/final/{name}").rows(index, index + 1)[0]
            for key, name in header.names.items()
        }
        where = f"episode {index} of {folder.path}"
        return carry.draft(where, attributes["episodes"][index], columns, final)

    mapped = [Mapped(f"data/{name}", key, "") for key, name in header.names.items()]
    mapped += [Mapped(ACTION, "action", ""), *(Mapped(f"{OWN}/step/{name}", name, "") for name in extras)]
    return Plan(header.spec, len(ends), read, tuple(mapped), attributes=header.attributes)


def write(export: Export) -> None:
    """Write a store as a replay buffer: a folder, or a zip file where the target is called so."""
    is_zip = export.name.endswith(".zip")
    folder = export.out.with_name(export.out.name + ".folder") if is_zip else export.out
    try:
        _write_group(export, folder)
        if is_zip:
            with zipfile.ZipFile(export.out, "w", zipfile.ZIP_STORED) as file:
                for path in sorted(folder.rglob("*")):
                    if path.is_file():
                        file.write(path, path.relative_to(folder))
    finally:
        if is_zip:
            _remove(folder)


def _write_group(export: Export, folder: Path) -> None:
    names = plain_names(export.spec)
    data = export.tables.schema.data
    root = zarr.create_group(folder, zarr_format=2)
    sources = {f"data/{name}": key for key, name in names.items()} | {ACTION: "action"}
    sources |= {f"{OWN}/step/{name}": name for name in (*carry.extras(export.tables), "reward")}
    ends = export.ends
    steps = {path: _array(root, path, int(ends[-1]), data[key].array) for path, key in sources.items()}
    finals = {key: _array(root, f"{OWN}/final/{name}", len(ends), data[key].array, 1) for key, name in names.items()}
    episodes = []
    for index, whole in export.episodes():
        start, stop = int(ends[index]) - len(whole.steps), int(ends[index])
        for path, key in sources.items():
            steps[path][start:stop] = whole.steps[key]
        for key in names:
            value = (
                np.zeros(data[key].array.shape, data[key].array.dtype) if whole.final is None else whole.final[key][0]
            )
            finals[key][index] = value
        episodes.append(carry.episode_json(whole))
    own = root.require_group(OWN)
    own.attrs.update({"header": export.header(names).as_json(), "episodes": episodes})
    root.create_array(ENDS, data=ends, chunks=ends.shape, compressors=None)
    export.map_all({key: f"data/{name}" for key, name in names.items()}, ACTION, f"{OWN}/step/reward", OWN + "/step/{}")
    export.left_out.append(f"nothing; diffusion policy reads data/ and meta/ only, the rest is in {OWN}/")


def _array(root: Any, path: str, rows: int, array: ArraySpec, per_chunk: int = ROWS) -> Any:
    is_image = len(array.shape) == 3 and array.dtype == "uint8"
    return root.create_array(
        path,
        shape=(rows, *array.shape),
        chunks=(IMAGE_ROWS if is_image else min(per_chunk, max(rows, 1)), *array.shape),
        dtype=array.dtype,
        compressors=numcodecs.Blosc("zstd", clevel=5, shuffle=numcodecs.Blosc.BITSHUFFLE) if is_image else None,
        config={"write_empty_chunks": True},
    )


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() else path.rmdir()
    if folder.exists():
        folder.rmdir()
