"""A pickle is read without being run: whatever it asks for, there is one clear error, and nothing happens."""

from __future__ import annotations

import builtins
import operator
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import foreign
import numpy as np
import pytest
from format_samples import nothing_left

from robot.errors import StoreError
from sessions.formats import ImportOptions, import_store, serl
from sessions.formats.pickle_values import ArrayValue, read

TENTH = ImportOptions(period_s=0.1)


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self._reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> tuple:
        return self._reduced


def _refused(
    data: bytes, folder: Path, match: str = "nothing in it was run|no whole pickle|do not fit|cannot be read"
) -> str:
    """Import `data`; return the text of the one error that it gave."""
    (folder / "a.pkl").write_bytes(data)
    with pytest.raises(StoreError, match=match) as caught:
        import_store(folder / "a.pkl", folder / "out", options=TENTH)
    assert nothing_left(folder, "a.pkl")
    assert "a.pkl" in str(caught.value)
    return str(caught.value)


CALLS = {
    "os.system": lambda mark: Call(os.system, f"touch {mark}"),
    "eval": lambda mark: Call(eval, f"open({str(mark)!r}, 'w')"),
    "exec": lambda mark: Call(exec, f"open({str(mark)!r}, 'w')"),
    "open": lambda mark: Call(open, str(mark), "w"),
    "getattr": lambda mark: Call(getattr, "", "join"),
    "import": lambda mark: Call(builtins.__import__, "antigravity"),
    "attrgetter": lambda mark: Call(operator.attrgetter, "a.b"),
    "numpy load": lambda mark: Call(np.load, str(mark)),
    "numpy memmap": lambda mark: Call(np.memmap, str(mark), "uint8", "w+", 0, (4,)),
    "state": lambda mark: Call(
        np.ndarray, (1,), state=(1, (1,), np.dtype("O"), False, [Call(os.system, f"touch {mark}")])
    ),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_refused_and_nothing_runs(call: str, protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    _refused(pickle.dumps([{"observations": CALLS[call](mark)}], protocol), tmp_path)
    assert not mark.exists()


def test_the_attack_would_have_worked_on_pickle_itself(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(CALLS["os.system"](tmp_path / "was-here")))
    assert (tmp_path / "was-here").exists()


def test_the_error_names_what_was_asked_for(tmp_path: Path) -> None:
    assert "posix.system" in _refused(pickle.dumps(Call(os.system, "true")), tmp_path)


OBJECTS = {
    "object array": np.array([{"a": 1}, None], dtype=object),
    "record array": np.zeros(2, [("a", "f4"), ("b", "O")]),
    "text array": np.array(["a"]),
    "date": np.datetime64("2026-01-04"),
    "long double": np.zeros(2, np.longdouble),
    "set": {1, 2},
    "complex": 1j,
    "path": Path("a"),
    "function": os.path.join,
    "class": dict,
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", OBJECTS)
def test_anything_but_numbers_is_refused(name: str, protocol: int, tmp_path: Path) -> None:
    _refused(
        pickle.dumps([{"observations": OBJECTS[name]}], protocol), tmp_path, "nothing in it was run|of numbers only"
    )


BOMBS = {
    "a billion texts": b"\x80\x04" + b"\x8d" + struct.pack("<Q", 1 << 40) + b"a.",
    "a huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"a.",
    "a huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"a.",
    "a huge memo index": b"\x80\x04]r" + struct.pack("<I", 0xFFFFFFF0) + b"h\x01.",
    "a huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"].",
    "a huge number": b"\x80\x02\x8b" + struct.pack("<I", 1 << 30) + b"\xff.",
    "digits": b"L" + b"9" * 100_000 + b"L\n.",
    "a dict of nested tuples": b"\x80\x04}(" + b")" + b"2\x86" * 60 + b"Nu.",
    "marks": b"\x80\x04" + b"(" * 50_000 + b".",
    "no end": b"\x80\x04]",
    "empty": b"",
    "an empty stack": b".",
    "setitems on nothing": b"\x80\x04(NNu.",
    "append to a tuple": b"\x80\x04)Na.",
    "a missing memo": b"\x80\x04h\x07.",
    "persistent id": b"\x80\x04Va\nQ.",
    "extension": b"\x80\x02\x82\x01.",
    "new object": b"\x80\x04cbuiltins\nobject\n)\x81.",
    "build of a dict": b"\x80\x04}}b.",
    "an instance": b"\x80\x02(ibuiltins\nlist\n.",
    "out of band": b"\x80\x05\x97.",
    "a reduced name": b"\x80\x04cnumpy\ndtype\ncnumpy\ndtype\nR.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_that_claims_more_than_it_is_is_refused(name: str, tmp_path: Path) -> None:
    _refused(BOMBS[name], tmp_path, "pickle|cannot be read|nothing in it was run|goes on after its end")


def test_a_thousand_million_laughs_are_only_a_few_lists(tmp_path: Path) -> None:
    bomb: Any = ["ha"]
    for _ in range(60):
        bomb = [bomb, bomb]
    _refused(pickle.dumps(bomb), tmp_path, "no SERL log")
    _refused(
        pickle.dumps([{"observations": bomb, **dict.fromkeys(("actions", "rewards", "dones"), 0)}]), tmp_path, "no SERL"
    )


def test_a_list_in_itself_is_no_log(tmp_path: Path) -> None:
    loop: list = []
    loop.append(loop)
    _refused(pickle.dumps(loop), tmp_path, "no SERL log")
    _refused(b"\x80\x04" + b"]" * 20_000 + b"a" * 19_999 + b".", tmp_path, "no SERL log")


def _array(shape: tuple, data: bytes) -> bytes:
    """A pickle of an array of float64 whose shape and bytes are as given."""
    function, arguments, _ = np.zeros(2).__reduce__()
    return pickle.dumps([Call(function, *arguments, state=(1, shape, np.dtype("f8"), False, data))], 2)


@pytest.mark.parametrize("shape", [(1 << 40,), (-1,), (3,), (1 << 62, 4), (2,) * 40, (True, 2), (2, 0)])
def test_an_array_is_never_larger_than_its_bytes(shape: tuple, tmp_path: Path) -> None:
    _refused(_array(shape, np.zeros(2).tobytes()), tmp_path, "do not fit")


def test_arrays_of_any_order_and_byte_order_are_read_as_numpy_does(tmp_path: Path) -> None:
    values = {
        "rows": np.arange(6.0).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(12)[::2],
        "big": np.arange(3, dtype=">i4"),
        "half": np.ones(3, np.float16),
        "flag": np.array([True, False]),
        "empty": np.zeros((0, 3), np.uint8),
        "none": np.zeros(()),
        "large": np.arange(100_000),
    }
    for protocol in range(6):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(values, protocol))
        found = read(tmp_path / "a.pkl")
        for name, value in values.items():
            assert isinstance(found[name], ArrayValue)
            np.testing.assert_array_equal(found[name].value, value)
            assert found[name].value.dtype == value.dtype.newbyteorder("=")


def test_plain_values_are_read_as_pickle_does(tmp_path: Path) -> None:
    shared = ["x"]
    value = {
        "a": [1, -1, 2**40, 2**70, 0.5, None, True, False, "ä", b"\xff", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]
    }
    value |= {"b": {"c": shared, "d": shared, 3: {}}, "e": "long " * 100, "f": b"0" * 300}
    for protocol in range(6):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
        found = read(tmp_path / "a.pkl")
        assert found == value
        assert found["b"]["c"] is found["b"]["d"]


@pytest.mark.parametrize("place", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_pickle_that_was_cut_is_refused(place: float, tmp_path: Path) -> None:
    whole = foreign.serl(tmp_path / "a.pkl").read_bytes()
    _refused(whole[: int(len(whole) * place)], tmp_path, "cannot be read|no whole pickle")


def test_a_pickle_that_goes_on_after_its_end_is_refused(tmp_path: Path) -> None:
    whole = foreign.serl(tmp_path / "a.pkl").read_bytes()
    _refused(whole + pickle.dumps([]), tmp_path, "goes on after its end")


def test_damaged_pickles_give_one_kind_of_error_or_none(tmp_path: Path) -> None:
    rng = np.random.default_rng(20260105)
    whole = np.frombuffer(foreign.serl(tmp_path / "whole.pkl").read_bytes(), np.uint8)
    for _ in range(300):
        damaged = whole.copy()
        damaged[rng.integers(0, 3000, 3)] = rng.integers(0, 256, 3)
        (tmp_path / "a.pkl").write_bytes(damaged.tobytes())
        try:
            with serl.opened(tmp_path / "a.pkl", TENTH) as plan:
                for index in range(plan.episodes):
                    plan.read(index)
        except (MemoryError, SystemError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 - import_store makes a StoreError of whatever it is
            continue
