"""Reads the values in a pickle without running it: numbers, texts, lists, dicts and numpy arrays, and nothing else.

The standard unpickler calls what a file names. This one is a small machine of its own that has no call in it: a name
stands for itself, and the few that numpy uses for its arrays are understood as descriptions of bytes. So nothing that a
file says can run code, and its values take no more memory than a fixed multiple of the file's bytes.
"""

from __future__ import annotations

import pickletools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from sessions.formats.guard import require

MAX_BYTES = 4 << 30
MAX_OPERATIONS = 20_000_000
MAX_DIMENSIONS = 8
_MARK = object()
_TYPE = re.compile(r"[<>|=]?(b1|\?|[iu][1248]|f[248])")
_MODULES = r"numpy(\._core|\.core)?"
_NAMES = {
    "type": re.compile(r"numpy\.dtype"),
    "class": re.compile(r"numpy\.ndarray"),
    "rebuild": re.compile(_MODULES + r"\.multiarray\._reconstruct"),
    "scalar": re.compile(_MODULES + r"\.multiarray\.scalar"),
    "buffer": re.compile(_MODULES + r"\.numeric\._frombuffer"),
    "dict": re.compile(r"collections\.OrderedDict"),
    "bytes": re.compile(r"_codecs\.encode"),
    "empty": re.compile(r"(__builtin__|builtins)\.bytes"),
}


@dataclass
class _Name:
    """One of the names that are understood; `role` is its key in `_NAMES`."""

    role: str


@dataclass
class _Type:
    """A numpy type under construction: letters such as "f4" and a byte order."""

    letters: str
    order: str = "="

    def made(self) -> np.dtype[Any]:
        return np.dtype(self.letters).newbyteorder(self.order)  # type: ignore[arg-type]


@dataclass
class ArrayValue:
    """An array of a pickle; `value` once it is complete."""

    value: NDArray[Any] | None = None


def read(path: Path) -> Any:
    """Return the value of the pickle at `path`; arrays in it are `ArrayValue`.

    Raises:
        StoreError: it names anything but numbers, texts, lists, dicts and numpy arrays, is damaged, or too large.
    """
    size = path.stat().st_size
    require(size <= MAX_BYTES, f"{path} has {size:,} bytes; at most {MAX_BYTES:,} are read of a pickle. Split it.")
    machine = _Machine(path)
    with path.open("rb") as file:
        bounded: Any = _Bounded(file, size)
        for number, (operation, argument, _) in enumerate(pickletools.genops(bounded)):
            require(number < MAX_OPERATIONS, f"{path} has more than {MAX_OPERATIONS:,} values; split it.")
            machine.do(operation.name, argument)
        rest = file.read(1)
    require(not rest, f"{path} goes on after its end; it is damaged or has several pickles in it.")
    return machine.result


class _Bounded:
    """A file that is never asked for more than it has left, whatever length the pickle claims."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._size = file, size
        self.tell = file.tell
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        data: bytes = self._file.read(min(count, self._size - self._file.tell())) if count > 0 else b""
        return data


class _Machine:
    """The stack, the memo, and what every operation does to them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self.result: Any = None

    def do(self, name: str, argument: Any) -> None:
        method = getattr(self, f"_{name.lower()}", None)  # those that begin with _ are the operations
        if method is not None:
            method(argument)
        elif name in _PUSHED:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            kind = _CONSTANTS[name]
            self._stack.append(kind() if callable(kind) else kind)
        elif name in _TUPLES:
            self._stack.append(tuple(self.take(_TUPLES[name])))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self.top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name not in ("PROTO", "FRAME"):
            self.refuse(f"the operation {name}")

    def refuse(self, what: str) -> NoReturn:
        raise StoreError(
            f"{self._path} asks for {what}; only numbers, texts, lists, dicts and numpy arrays are read of a pickle, "
            "and nothing in it was run. If you trust the file, save it again as plain numpy arrays."
        )

    def top(self) -> Any:
        require(bool(self._stack) and self._stack[-1] is not _MARK, f"{self._path} is no whole pickle.")
        return self._stack[-1]

    def take(self, count: int) -> list[Any]:
        items = self._stack[len(self._stack) - count :] if count else []
        require(len(items) == count and _MARK not in map(_same, items), f"{self._path} is no whole pickle.")
        del self._stack[len(self._stack) - count :]
        return items

    def since_mark(self) -> list[Any]:
        items: list[Any] = []
        while self._stack:
            item = self._stack.pop()
            if item is _MARK:
                return items[::-1]
            items.append(item)
        raise StoreError(f"{self._path} is no whole pickle.")

    def _stop(self, _: Any) -> None:
        (self.result,) = self.take(1)

    def _mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def _dup(self, _: Any) -> None:
        self._stack.append(self.top())

    def _pop(self, _: Any) -> None:
        del self._stack[-1:]

    def _pop_mark(self, _: Any) -> None:
        self.since_mark()

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.top()

    def _append(self, _: Any) -> None:
        items = self.take(1)
        self.grow(items)

    def _appends(self, _: Any) -> None:
        self.grow(self.since_mark())

    def grow(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list):
            self.refuse(f"a list made of {type(target).__name__}")
        target.extend(items)

    def _list(self, _: Any) -> None:
        self._stack.append(self.since_mark())

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self.since_mark()))

    def _dict(self, _: Any) -> None:
        items = self.since_mark()
        self._stack.append({})
        self.put(items)

    def _setitem(self, _: Any) -> None:
        self.put(self.take(2))

    def _setitems(self, _: Any) -> None:
        self.put(self.since_mark())

    def put(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict):
            self.refuse(f"a dict made of {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int)):  # a nested tuple would take for ever to hash
                self.refuse(f"a dict with a {type(key).__name__} as key")
            target[key] = value

    def _global(self, argument: str) -> None:
        self._stack.append(self.named(*argument.split(" ", 1)))

    def _stack_global(self, _: Any) -> None:
        module, name = self.take(2)
        self._stack.append(self.named(module, name))

    def named(self, module: Any, name: Any) -> _Name:
        whole = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "what is no name"
        role = next((role for role, pattern in _NAMES.items() if pattern.fullmatch(whole)), None)
        if role is None:
            self.refuse(whole[:200])
        return _Name(role)

    def _reduce(self, _: Any) -> None:
        name, arguments = self.take(2)
        role = name.role if isinstance(name, _Name) and isinstance(arguments, tuple) else ""
        match role, arguments:
            case "type", (str(letters), *_):
                require(
                    _TYPE.fullmatch(letters) is not None,
                    f"{self._path} has an array of {letters[:40]!r}; of numbers only.",
                )
                self._stack.append(_Type(letters))
            case "rebuild", (_Name("class"), *_):
                self._stack.append(ArrayValue())
            case "scalar", (_Type() as kind, bytes(data)):
                self._stack.append(self.array(kind, (), data, False))
            case "buffer", (bytes() | bytearray() as data, _Type() as kind, tuple(shape), str(order)):
                self._stack.append(self.array(kind, shape, data, order == "F"))
            case "dict", ():
                self._stack.append({})
            case "empty", ():
                self._stack.append(b"")
            case "bytes", (str(text), "latin1"):
                self._stack.append(text.encode("latin1"))
            case _:
                self.refuse("a call that numpy's arrays do not need")

    def _build(self, _: Any) -> None:
        (state,) = self.take(1)
        match self.top(), state:
            case _Type() as kind, (int(), str(order), None, None, None, *_) if order in "<>|=":
                kind.order = order
            case ArrayValue() as array, (
                int(),
                tuple(shape),
                _Type() as kind,
                bool() | int() as is_turned,
                bytes(data),
            ):
                array.value = self.array(kind, shape, data, bool(is_turned)).value
            case _:
                self.refuse("an object that is no array of numbers")

    def array(self, kind: _Type, shape: tuple[Any, ...], data: bytes | bytearray, is_turned: bool) -> ArrayValue:
        sane = len(shape) <= MAX_DIMENSIONS and all(type(n) is int and 0 <= n <= MAX_BYTES for n in shape)
        dtype = kind.made()
        count = 1
        for n in shape if sane else ():
            count *= n
        fits = sane and count * dtype.itemsize == len(data)
        require(fits, f"{self._path} has an array whose shape and bytes do not fit; it is damaged.")
        values = np.frombuffer(data, dtype).reshape(shape, order="F" if is_turned else "C")
        return ArrayValue(values.astype(dtype.newbyteorder("="), copy=False))


def _same(item: Any) -> Any:
    return item if item is _MARK else None


_PUSHED = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
