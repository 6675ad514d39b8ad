"""What the type stubs of Qt's bindings say otherwise than it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, TypeVar, cast

T = TypeVar("T")


def there(thing: T | None) -> T:
    """Return a thing that Qt always has, though the stubs say it may be None.

    Raises
    ------
    TypeError
        If it is None after all.
    """
    if thing is None:
        raise TypeError("Qt has nothing where it always has something.")
    return thing


def slot(call: Callable[..., object]) -> Callable[..., None]:
    """Return a callable as the stubs want one to be connected: what it returns is dropped."""
    return cast("Callable[..., None]", call)


def flags(*each: Any) -> Any:
    """Return flags of one kind joined: in Qt 6 again of that kind, to the stubs of Qt 5 a plain number."""
    return reduce(or_, each)
