"""Widgets that follow signals of the session for as long as they live."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from psygnal import SignalInstance
from qtpy.compat import isalive
from qtpy.QtCore import QObject


def follow(widget: QObject, links: dict[SignalInstance, Callable[..., Any]]) -> None:
    """Connect signals to methods of a widget, until Qt destroys it.

    A widget's Python half can outlive its Qt half, which then must not be called any more. Nothing here keeps either
    of them alive.

    Parameters
    ----------
    widget : QObject
    links : dict
        Signals of the session and the bound methods of the widget that they call, with as many of the signal's
        values as they take.
    """
    for signal, slot in links.items():
        signal.connect(_while_alive(WeakMethod(slot), _most_values(slot)))


def _while_alive(link: WeakMethod[Callable[..., Any]], most: int | None) -> Callable[..., None]:
    # Not by the widget's signal ``destroyed``: the garbage collector may have emptied what it calls, and then the
    # program crashes.
    def call(*values: Any) -> None:
        slot = link()
        if slot is not None and isalive(slot.__self__):  # type: ignore[attr-defined]
            slot(*values[:most])

    return call


def _most_values(slot: Callable[..., Any]) -> int | None:
    """How many values a method takes; None for any number."""
    parameters = inspect.signature(slot).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in places for parameter in parameters)
