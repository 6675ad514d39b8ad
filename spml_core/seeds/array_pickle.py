"""Reads arrays out of a pickle without running anything that stands in it.

A pickle is a program. This reader knows only how numpy 1 and 2 write arrays, their types and numbers; for each it has
a stand-in that notes what it is given, so that not even numpy's own set-up code sees bytes it can't trust. Any other
name in the pickle is refused before it is looked up.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


class RefusedPickleError(pickle.UnpicklingError):
    """A pickle asked for something that arrays of numbers don't need; the message is its name."""


def load_arrays(file: IO[bytes]) -> object:
    """Unpickle arrays of numbers, numbers, strings and the built-in containers of these.

    Object arrays come as (nested) lists of their items, or as the item if they hold a single one without dimensions.

    Raises
    ------
    RefusedPickleError
        If the pickle asks for anything else.
    Exception
        Of nearly any kind, if its bytes are damaged.
    """
    return _plain(_ArrayUnpickler(file).load())


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


def _plain(value: object) -> object:
    """The value with the stand-ins replaced by what they hold."""
    if isinstance(value, _Array):
        return _plain(value.content)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
