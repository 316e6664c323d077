"""SERL and HIL-SERL pickles: a list of transitions (observations, actions, next_observations, rewards, dones)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.specs import ArraySpec, RobotSpec
from robot.types import Source
from sessions.formats.draft import Draft, Plan
from sessions.formats.ends import Endings
from sessions.formats.guard import require, require_size
from sessions.formats.keys import Names, axes
from sessions.formats.options import ImportOptions
from sessions.formats.pickle_values import ArrayValue, read
from sessions.formats.pictures import Layout
from sessions.formats.report import Mapped

_NEEDED = ("observations", "actions", "next_observations", "rewards", "dones")
_KNOWN = (*_NEEDED, "masks", "infos")
_SUCCESS = ("succeed", "success", "is_success")


def matches(path: Path) -> bool:
    """Tell whether `path` is called like a pickle."""
    return path.is_file() and path.suffix in (".pkl", ".pickle")


@contextmanager
def opened(path: Path, options: ImportOptions) -> Iterator[Plan]:
    """Open a pickle of transitions; nothing in it is run. The period is not in it and has to be given."""
    if options.period_s is None:
        raise StoreError(f"{path} does not say how long a step is; give the control period with --period.")
    transitions = read(path)
    require(isinstance(transitions, list) and bool(transitions), f"{path} must hold a list of transitions; found none.")
    yield _Transitions(path, transitions, options).plan()


class _Transitions:
    """The transitions of a file, cut into episodes."""

    def __init__(self, path: Path, transitions: list[Any], options: ImportOptions) -> None:
        self._path, self._all, self._options = path, transitions, options
        self._check_all()
        first = flat(transitions[0]["observations"])
        names = Names()
        self._stacks: dict[str, bool] = {}
        self._layouts: dict[str, Layout] = {}
        self._keys: dict[str, str] = {}
        for name, value in first.items():
            self._stacks[name] = value.ndim >= 2 and value.shape[0] == 1
            row = value[0] if self._stacks[name] else value
            self._layouts[name] = Layout(row.shape, row.dtype.name, row[None] if row.dtype.kind == "f" else None)
            self._keys[name] = names.give(name, self._layouts[name].is_image)

    def _check_all(self) -> None:
        for number, one in enumerate(self._all):
            is_dict = isinstance(one, dict)
            absent = [name for name in _NEEDED if not is_dict or name not in one]
            require(not absent, f"Transition {number} of {self._path} has no {', '.join(absent)}; it is no SERL log.")

    def plan(self) -> Plan:
        spec, notes = self._spec(), list[str]()
        starts = self._starts()
        stops = [*starts[1:], len(self._all)]
        endings = Endings(notes)
        mapped = [
            Mapped(
                f"observations/{name}",
                key,
                f"{spec.observation[key].dtype}{list(spec.observation[key].shape)}",
                ", ".join(
                    [
                        *["stack of one frame taken apart"] * self._stacks[name],
                        *[self._layouts[name].remark] * bool(self._layouts[name].remark),
                    ]
                ),
            )
            for name, key in self._keys.items()
        ]
        action = value_of(self._all[0]["actions"])
        remark = "" if action.dtype == np.float32 else f"{action.dtype} rounded to float32"
        mapped += [Mapped("actions", "action", f"float32[{spec.action_size}]", remark)]
        mapped += [Mapped("rewards", "reward", "float32[]"), Mapped("dones", "episodes, and how they ended", "")]
        is_logged = any(isinstance(one.get("infos"), dict) and "intervene_action" in one["infos"] for one in self._all)
        mapped += [
            Mapped("infos/intervene_action", "source", "uint8[]", "human where an intervention is logged")
        ] * is_logged
        who = (
            "who commanded the other steps (as the options say)" if is_logged else "who commanded (as the options say)"
        )
        missing = ("stamps", "requested actions", who, "seeds", "units")
        return Plan(
            spec,
            len(starts),
            lambda index: self._read(starts[index], stops[index], index, endings),
            tuple(mapped),
            missing,
            self._left_out(),
            notes=notes,
        )

    def _spec(self) -> RobotSpec:
        size = int(value_of(self._all[0]["actions"]).size)
        keys = {
            key: ArraySpec(self._layouts[name].shape, self._layouts[name].dtype) for name, key in self._keys.items()
        }
        names = axes(size, str(self._path))
        return RobotSpec(
            self._options.name or self._path.stem, keys, names, (1.0,) * size, self._options.period_s or 0.0
        )

    def _starts(self) -> list[int]:
        """Return where episodes begin: after a done, and where an observation is not the one that came before."""
        starts = [0]
        for number in range(1, len(self._all)):
            before, now = self._all[number - 1], self._all[number]
            if truth(before["dones"]) or not same(before["next_observations"], now["observations"]):
                starts.append(number)
        return starts

    def _left_out(self) -> tuple[str, ...]:
        names = sorted({name for one in self._all for name in one if name not in _KNOWN})
        infos = sorted({str(n) for one in self._all if isinstance(one.get("infos"), dict) for n in one["infos"]})
        left_out = list(names) + [f"infos/{n}" for n in infos if n not in (*_SUCCESS, "intervene_action")]
        is_plain = all(
            "masks" not in one or float(value_of(one["masks"])) == 1.0 - truth(one["dones"]) for one in self._all
        )
        return tuple(left_out + ([] if is_plain else ["masks where they are not 1 - dones"]))

    def _read(self, start: int, stop: int, index: int, endings: Endings) -> Draft:
        where = f"episode {index} of {self._path} (transitions {start} to {stop - 1})"
        steps = self._all[start:stop]
        observed = [flat(one["observations"]) for one in steps]
        # one array may stand in many transitions: a file says so in a few bytes
        require_size(where, sum(value.nbytes for one in observed for value in one.values()))
        columns = {key: self._rows(name, observed, where) for name, key in self._keys.items()}
        columns["action"] = stacked([value_of(one["actions"]).reshape(-1) for one in steps], f"actions of {where}")
        columns["reward"] = stacked([single(one["rewards"], "reward") for one in steps], f"rewards of {where}")
        infos = [one["infos"] if isinstance(one.get("infos"), dict) else {} for one in steps]
        human, other = int(Source.HUMAN), int(self._options.commanded_by)
        columns["source"] = np.array([human if "intervene_action" in info else other for info in infos], np.uint8)
        said = [truth(infos[-1][name]) for name in _SUCCESS if name in infos[-1]]
        is_done = truth(steps[-1]["dones"])
        end = endings.end(is_done, float(columns["reward"][-1]), True if is_done and any(said) else None)
        after = [flat(steps[-1]["next_observations"])]
        final = {
            key: self._rows(name, after, f"the last next_observations of {where}")[0]
            for name, key in self._keys.items()
        }
        return Draft(where, columns, end, final, {"first_transition": start})

    def _rows(self, name: str, observed: list[dict[str, NDArray[Any]]], where: str) -> NDArray[Any]:
        require(
            all(one.keys() == self._keys.keys() for one in observed), f"{where} has other observations than the first."
        )
        values = stacked([one[name] for one in observed], f"{name} of {where}")
        if self._stacks[name]:
            require(values.shape[1] == 1, f"{name} of {where} must be a stack of one frame; found {values.shape[1]}.")
            values = values[:, 0]
        return self._layouts[name].rows(values, f"{name} of {where}")


def value_of(value: Any) -> NDArray[Any]:
    """Return a number or an array of a pickle as an array.

    Raises:
        StoreError: it is neither.
    """
    if isinstance(value, ArrayValue) and value.value is not None:
        return value.value
    if isinstance(value, (bool, int, float, np.generic)):
        return np.asarray(value)
    if isinstance(value, (list, tuple)) and all(isinstance(one, (bool, int, float)) for one in value):
        return np.asarray(value)
    raise StoreError(f"A transition has a {type(value).__name__} where numbers should be; it is no SERL log.")


def truth(value: Any) -> bool:
    return bool(single(value, "flag"))


def single(value: Any, what: str) -> NDArray[Any]:
    """Return the one number (), of whatever shape it is in the pickle.

    Raises:
        StoreError: there are none or several.
    """
    array = value_of(value)
    require(array.size == 1, f"A {what} of a transition must be one value; found {array.size}. It is no SERL log.")
    return array.reshape(())


def flat(observation: Any) -> dict[str, NDArray[Any]]:
    """Return arrays by name; an array alone is called state, the arrays of a dict in a dict a/b."""
    if not isinstance(observation, dict):
        return {"state": value_of(observation)}
    found: dict[str, NDArray[Any]] = {}
    for name, value in observation.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        found |= {f"{name}/{key}".rstrip("/"): value_of(one) for key, one in inner}
    return found


def same(one: Any, other: Any) -> bool:
    """Tell whether two observations are equal, number by number."""
    if one is other:
        return True
    left, right = flat(one), flat(other)
    return left.keys() == right.keys() and all(
        left[name] is right[name] or np.array_equal(left[name], right[name]) for name in left
    )


def stacked(values: list[NDArray[Any]], where: str) -> NDArray[Any]:
    """Stack rows of one shape.

    Raises:
        StoreError: shapes differ.
    """
    shapes = {value.shape for value in values}
    require(len(shapes) == 1, f"{where} must all have one shape; found {sorted(shapes)[:3]}. Drop the odd transitions.")
    kinds = {value.dtype for value in values}
    require(len(kinds) == 1 or all(k.kind in "fiub" for k in kinds), f"{where} are of several types.")
    return np.stack(values)
