"""robomimic HDF5: data/demo_N with obs, actions, rewards, dones and next_obs; import and export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.specs import ArraySpec, RobotSpec
from sessions.formats import carry
from sessions.formats.draft import Draft, Plan
from sessions.formats.ends import Endings
from sessions.formats.guard import MAX_EPISODE_BYTES, library, require, require_size
from sessions.formats.keys import Names, axes
from sessions.formats.options import ImportOptions
from sessions.formats.outgoing import Export, plain_names, shifted
from sessions.formats.pictures import Layout
from sessions.formats.report import Mapped

HEADER = "nudge"
"""Attribute of data/ with the store's description, and of a demo with what else is known of the episode."""

_KNOWN = ("obs", "next_obs", "actions", "rewards", "dones", HEADER)
_MAGIC = b"\x89HDF\r\n\x1a\n"


def matches(path: Path) -> bool:
    """Tell whether `path` is called or begins like an HDF5 file."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return path.suffix in (".hdf5", ".h5") or file.read(8) == _MAGIC


@contextmanager
def opened(path: Path, options: ImportOptions) -> Iterator[Plan]:
    """Open a robomimic file; the period is not in it and has to be given, unless nudge exported it."""
    h5py = library("h5py")
    with h5py.File(path, "r") as file:
        yield _plan(_Source(file, path), options)


class _Source:
    """An HDF5 file of which only what lies within it is read: no links to other files, no external data."""

    def __init__(self, file: Any, path: Path) -> None:
        self.path, self._file = path, file
        self._h5py = library("h5py")

    def group(self, name: str) -> Any:
        return self._member(name, self._h5py.Group, "group")

    def has(self, name: str) -> bool:
        return name in self._file

    def array(self, name: str) -> Any:
        """Return a dataset, unread."""
        found = self._member(name, self._h5py.Dataset, "dataset")
        if found.is_virtual or found.external:
            raise StoreError(f"{self.path}: {name} keeps its data in other files; copy it into this one (h5repack).")
        require_size(f"{self.path}: {name}", found.size * found.dtype.itemsize)
        return found

    def require_fits(self, group: str, where: str) -> None:
        """Raise StoreError where the datasets below a group are too large together."""
        sizes = [0]

        def count(name: str, found: Any) -> None:
            if isinstance(found, self._h5py.Dataset):
                sizes.append(found.size * found.dtype.itemsize)

        self.group(group).visititems(count)
        require_size(where, sum(sizes), 2 * MAX_EPISODE_BYTES)  # each observation is there twice, as next_obs too

    def rows(self, name: str) -> NDArray[Any]:
        found = self.array(name)
        require(found.dtype.kind in "fiub", f"{self.path}: {name} must be numbers; found {found.dtype}. Remove it.")
        values: NDArray[Any] = found[()]
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def _member(self, name: str, kind: Any, what: str) -> Any:
        here = self._file
        for part in name.split("/"):
            link = here.get(part, getlink=True) if isinstance(here, self._h5py.Group) else None
            require(link is not None, f"{self.path} has no {what} {name!r}; it is no robomimic file, or incomplete.")
            is_own = isinstance(link, self._h5py.HardLink)
            require(is_own, f"{self.path}: {name} is a link; copy what it points to into the file (h5repack).")
            here = here[part]
        require(isinstance(here, kind), f"{self.path}: {name} must be a {what}.")
        return here


def _plan(source: _Source, options: ImportOptions) -> Plan:
    data = source.group("data")
    demos = sorted((n for n in data if re.fullmatch(r"demo_\d+", n)), key=lambda n: int(n[5:]))
    others = [f"data/{name}" for name in data if name not in demos] + (["mask"] if source.has("mask") else [])
    require(bool(demos), f"{source.path} has no data/demo_0; it is no robomimic file.")
    if HEADER in data.attrs:
        return _own_plan(source, demos, carry.parse_header(data.attrs[HEADER], str(source.path)))
    if options.period_s is None:
        raise StoreError(f"{source.path} does not say how long a step is; give the control period with --period.")
    first = f"data/{demos[0]}"
    layouts, mapped, keys = _observations(source, first)
    actions = source.array(f"{first}/actions")
    require(actions.ndim == 2, f"{source.path}: {first}/actions must be (T, A); found {actions.shape}.")
    size = int(actions.shape[1])
    environment = _environment(data.attrs.get("env_args"))
    spec = RobotSpec(
        options.name or environment.get("environment", "") or source.path.stem,
        {key: ArraySpec(layouts[name].shape, layouts[name].dtype) for name, key in keys.items()},
        axes(size, str(source.path)),
        (1.0,) * size,
        options.period_s,
    )
    remark = "" if actions.dtype == np.float32 else f"{actions.dtype} rounded to float32"
    mapped += [Mapped("actions", "action", f"float32[{size}]", remark)]
    has_rewards = any(source.has(f"data/{demo}/rewards") for demo in demos)
    mapped += [Mapped("rewards", "reward", "float32[]")] * has_rewards
    notes: list[str] = []
    reader = _Reader(source, demos, layouts, keys, Endings(notes), notes, has_rewards)
    missing = ["stamps", "requested actions", "who commanded (as the options say)", "seeds", "units and frames"]
    missing += ["rewards"] * (not has_rewards)
    return Plan(spec, len(demos), reader.read, tuple(mapped), tuple(missing), tuple(others), environment, notes)


def _observations(source: _Source, first: str) -> tuple[dict[str, Layout], list[Mapped], dict[str, str]]:
    names, layouts, mapped, keys = Names(), {}, [], {}
    for name in source.group(f"{first}/obs"):
        array = source.array(f"{first}/obs/{name}")
        shape, dtype = tuple(int(n) for n in array.shape[1:]), array.dtype.name
        require(array.ndim >= 1, f"{source.path}: obs/{name} must have a row a step; found a single value.")
        sample = source.rows(f"{first}/obs/{name}")[:1] if array.dtype.kind == "f" and len(shape) == 3 else None
        layouts[name] = Layout(shape, dtype, sample if sample is not None and len(sample) else None)
        keys[name] = names.give(name, layouts[name].is_image)
        kind = f"{layouts[name].dtype}{list(layouts[name].shape)}"
        mapped.append(Mapped(f"obs/{name}", keys[name], kind, layouts[name].remark))
    return layouts, mapped, keys


def _environment(text: Any) -> dict[str, str]:
    try:
        raw = json.loads(text) if text is not None else {}
        return {"environment": str(raw.get("env_name", "")), "env_args": str(text)} if raw else {}
    except (ValueError, TypeError, AttributeError):
        return {"env_args": str(text)[:10_000]}


class _Reader:
    """Reads demos of a foreign file."""

    def __init__(
        self,
        source: _Source,
        demos: list[str],
        layouts: dict[str, Layout],
        keys: dict[str, str],
        endings: Endings,
        notes: list[str],
        has_rewards: bool,
    ) -> None:
        self._source, self._demos, self._layouts, self._keys = source, demos, layouts, keys
        self._endings, self._notes, self._has_rewards = endings, notes, has_rewards

    def read(self, index: int) -> Draft:
        demo = f"data/{self._demos[index]}"
        source, where = self._source, f"{self._demos[index]} of {self._source.path}"
        found = set(source.group(f"{demo}/obs"))
        require(
            found == self._keys.keys(),
            f"{where} must have the observations {sorted(self._keys)}; found {sorted(found)}.",
        )
        source.require_fits(demo, where)
        for name in source.group(demo):
            if name not in _KNOWN:
                self._note(f"{name} ({where} and maybe others)")
        columns = {"action": source.rows(f"{demo}/actions")}
        for name, key in self._keys.items():
            columns[key] = self._layouts[name].rows(source.rows(f"{demo}/obs/{name}"), f"{name} of {where}")
        length = len(columns["action"])
        stated = source.group(demo).attrs.get("num_samples", length)
        require(
            int(stated) == length, f"{where} must have {stated} steps (num_samples); found {length}. Copy it again."
        )
        if source.has(f"{demo}/rewards"):
            columns["reward"] = source.rows(f"{demo}/rewards")
        elif self._has_rewards:
            self._note(f"nothing, but rewards are not in every demo ({where} and maybe others)")
        dones = source.rows(f"{demo}/dones") if source.has(f"{demo}/dones") else None
        for name, values in (("rewards", columns.get("reward")), ("dones", dones)):
            require(values is None or values.shape == (length,), f"{where} must have {length} {name}.")
        reward = float(columns["reward"][-1]) if "reward" in columns and length else None
        end = self._endings.end(bool(dones[-1]) if dones is not None and length else None, reward)
        return Draft(where, columns, end, self._final(demo, columns, where), {"demo": self._demos[index]})

    def _final(self, demo: str, columns: dict[str, NDArray[Any]], where: str) -> dict[str, NDArray[Any]] | None:
        if not self._source.has(f"{demo}/next_obs"):
            self._note("what followed the last step is not in the file (no next_obs)")
            return None
        final = {}
        for name, key in self._keys.items():
            after = self._layouts[name].rows(self._source.rows(f"{demo}/next_obs/{name}"), f"{name} of {where}")
            require(after.shape == columns[key].shape, f"{where}: next_obs/{name} must be as long as obs/{name}.")
            if len(after) and not np.array_equal(after[:-1], columns[key][1:]):
                self._note(
                    f"next_obs/{name} where it differs from the obs of the step after ({where} and maybe others)"
                )
            final[key] = after[-1] if len(after) else after
        return final

    def _note(self, text: str) -> None:
        if not any(note.partition(" (")[0] == text.partition(" (")[0] for note in self._notes):
            self._notes.append(text)


def _own_plan(source: _Source, demos: list[str], header: carry.Header) -> Plan:
    """Plan the import of a file that nudge exported: the same store again."""
    spec = header.spec
    extras = tuple(source.group(f"data/{demos[0]}/{HEADER}"))

    def read(index: int) -> Draft:
        demo, where = f"data/{demos[index]}", f"{demos[index]} of {source.path}"
        source.require_fits(demo, where)
        columns = {key: source.rows(f"{demo}/obs/{name}") for key, name in header.names.items()}
        columns |= {"action": source.rows(f"{demo}/actions"), "reward": source.rows(f"{demo}/rewards")}
        columns |= {name: source.rows(f"{demo}/{HEADER}/{name}") for name in extras}
        final = None
        if source.has(f"{demo}/next_obs"):
            final = {key: source.rows(f"{demo}/next_obs/{name}")[-1] for key, name in header.names.items()}
        return carry.draft(where, source.group(demo).attrs.get(HEADER, ""), columns, final)

    mapped = [Mapped(f"obs/{name}", key, "") for key, name in header.names.items()]
    mapped += [Mapped("actions", "action", ""), Mapped("rewards", "reward", "")]
    mapped += [Mapped(f"{HEADER}/{name}", name, "") for name in extras]
    return Plan(spec, len(demos), read, tuple(mapped), attributes=header.attributes)


def write(export: Export) -> None:
    """Write a store as a robomimic file."""
    h5py = library("h5py")
    names = plain_names(export.spec)
    rules = {key: f"obs/{name}, next_obs/{name}" for key, name in names.items()}
    export.map_all(rules, "actions", "rewards", "nudge/{}")
    is_cut = False
    with h5py.File(export.out, "w") as file:
        data = file.create_group("data")
        environment: dict[str, Any] = {"env_name": export.spec.name, "type": None, "env_kwargs": {}}
        data.attrs["env_args"] = json.dumps(environment)
        data.attrs["total"] = int(export.ends[-1])
        data.attrs[HEADER] = export.header(names).as_json()
        for index, whole in export.episodes():
            demo, steps = data.create_group(f"demo_{index}"), whole.steps
            demo.attrs["num_samples"] = len(steps)
            demo.attrs[HEADER] = carry.episode_json(whole)
            for key, name in names.items():
                image = {"compression": "gzip", "compression_opts": 1, "chunks": (1, *steps[key].shape[1:])}
                kind = image if key in export.spec.image_keys else {}
                demo.create_dataset(f"obs/{name}", data=steps[key], **kind)
                if whole.final is not None:
                    demo.create_dataset(f"next_obs/{name}", data=shifted(steps[key], whole.final[key][0]), **kind)
            demo["actions"], demo["rewards"] = steps["action"], steps["reward"]
            demo["dones"] = steps["is_terminated"].astype(np.int64)
            for name in carry.extras(export.tables):
                demo[f"{HEADER}/{name}"] = steps[name]
            is_cut |= whole.final is None
    export.missing += ["env_args: only the name of the robot and task; robomimic cannot make the environment of it"]
    export.missing += ["rewards are NaN where nobody gave one", "states, model_file: of robomimic's simulators only"]
    if is_cut:
        export.missing.append("next_obs of the episodes whose last observation is not known")
    export.left_out.append("truncated and aborted: `dones` is 1 at a terminated end alone; the rest is in nudge's part")
