"""Running a generator for what it returns."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def run_to_end(
    steps: Generator[_Item, None, _Result], on_each: Callable[[_Item], object] = lambda item: None
) -> _Result:
    """Run a generator to its end, handing on each thing that it yields; gives what it returns."""
    while True:
        try:
            on_each(next(steps))
        except StopIteration as end:
            result: _Result = end.value
            return result
