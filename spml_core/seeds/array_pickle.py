"""Reads arrays out of a pickle without running anything that stands in it.

A pickle is a program. This reader knows only how numpy 1 and 2 write arrays, their types and numbers; for each it has
a stand-in that notes what it is given, so that not even numpy's own set-up code sees bytes it can't trust. Any other
name in the pickle is refused before it is looked up.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_MOST_REUSED = 40
"""Times that tuples may be used again; numpy's pickles do so hardly ever."""


class RefusedPickleError(pickle.UnpicklingError):
    """A pickle asked for something that arrays of numbers don't need; the message is its name."""


def load_arrays(file: IO[bytes]) -> object:
    """Unpickle arrays of numbers, numbers, strings and the built-in containers of these.

    Object arrays come as (nested) lists of their items, or as the item if they hold a single one without dimensions.

    Raises
    ------
    RefusedPickleError
        If the pickle asks for anything else, or would unfold to far more than its bytes.
    Exception
        Of nearly any kind, if its bytes are damaged.
    """
    start = file.tell()
    _check_size(file)
    file.seek(start)
    return _plain(_ArrayUnpickler(file).load(), {})


def _check_size(file: IO[bytes]) -> None:
    """Refuse what makes a small pickle large or endless, before any of it is built.

    Numbered places far beyond the number of objects; sets, which arrays don't need; and tuples used again and again:
    each level of them doubles the work of whatever looks into all, as a dictionary does with its keys.
    """
    start = file.tell()
    most = file.seek(0, io.SEEK_END)
    file.seek(start)
    of_tuples: set[int] = set()
    places = reused = 0
    last = ""
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in ("EMPTY_SET", "ADDITEMS", "FROZENSET"):
            raise RefusedPickleError("sets")
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            place = places if argument is None else int(argument)
            if place > most:
                raise RefusedPickleError(f"place {place} of a few")
            places += 1
            if last.startswith("TUPLE"):
                of_tuples.add(place)
            else:
                of_tuples.discard(place)
        elif name == "DUP" or (
            name in ("GET", "BINGET", "LONG_BINGET") and argument is not None and int(argument) in of_tuples
        ):
            reused += 1
            if reused > _MOST_REUSED:
                raise RefusedPickleError("tuples inside tuples without end")
        last = name


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise RefusedPickleError(f"{module}.{name}") from None


class _Type:
    """Stands for ``numpy.dtype``: a kind of number and the order of its bytes."""

    def __init__(self, code: str, *_: object) -> None:
        if not re.fullmatch(r"[biufO?]\d{0,2}", code):
            raise RefusedPickleError(f"numpy.dtype({code!r})")
        self.is_object = code.startswith("O")
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "="

    def read(self, data: bytes) -> NDArray[Any]:
        """The numbers in ``data``."""
        if self.is_object:
            raise RefusedPickleError("an object hidden in numbers")
        return np.frombuffer(data, np.dtype(self.code).newbyteorder(self.order))  # type: ignore[arg-type]


class _Array:
    """Stands for an array that is being built."""

    def __init__(self, *_: object) -> None:
        self.content: object = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        if kind.is_object:
            if math.prod(shape) != len(data) or len(shape) > 1:
                raise ValueError(f"{len(data)} objects for an array of shape {shape}")
            self.content = list(data) if shape else data[0]
        else:
            self.content = kind.read(data).reshape(shape, order="F" if fortran else "C")


class _Builder:
    """What the pickle gets for a name: something to call or pass on, but not to alter."""

    def __init__(self, build: Callable[..., object]) -> None:
        self._build = build

    def __call__(self, *given: object) -> object:
        return self._build(*given)

    def __setstate__(self, state: object) -> None:
        raise RefusedPickleError("a change of its reader")


def _not_built(*_: object) -> object:
    raise RefusedPickleError("numpy.ndarray()")


def _array_of_buffer(data: bytes, kind: _Type, shape: tuple[int, ...], order: str) -> NDArray[Any]:
    return kind.read(data).reshape(shape, order="F" if order == "F" else "C")


def _number(kind: _Type, data: bytes) -> Any:
    return kind.read(data)[0]


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles that Python 2 can read write bytes."""
    if encoding != "latin1":
        raise RefusedPickleError(f"the encoding {encoding}")
    return text.encode("latin1")


_STAND_INS = {
    ("numpy", "ndarray"): _Builder(_not_built),  # only passed on to _reconstruct
    ("numpy", "dtype"): _Builder(_Type),
    ("_codecs", "encode"): _Builder(_latin1),
    **{
        (f"numpy.{core}.{module}", name): _Builder(build)
        for core in ("core", "_core")  # numpy 1, numpy 2
        for module, name, build in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _number),
            ("numeric", "_frombuffer", _array_of_buffer),
        )
    },
}


def _plain(value: object, done: dict[int, object]) -> object:
    """The value with the stand-ins replaced by what they hold; what stands in it twice is worked out once."""
    if not isinstance(value, _Array | dict | list | tuple):
        return value
    if id(value) in done:
        return done[id(value)]
    found: object
    if isinstance(value, _Array):
        found = _plain(value.content, done)
    elif isinstance(value, dict):
        found = {_plain(key, done): _plain(item, done) for key, item in value.items()}
    else:
        found = [_plain(item, done) for item in value]
    done[id(value)] = found
    return found
