"""Messages between the window and the process that propagates marks through a film; this file imports no torch.

It obeys :class:`~spml_core.engine.background.messages.Stop`, ``Pause``, ``Continue`` and ``MarksChanged``, and sends
the events of :mod:`spml_core.engine.propagation_events` as they are: the labels of a frame that is done are on the
disk, see :class:`spml_core.engine.film_results.FilmResults`. The last message is ``Propagated`` or ``Failed``.
"""

from __future__ import annotations

from dataclasses import dataclass

from spml_core.engine.propagation_events import (
    FrameDone,
    Propagated,
    PropagationEvent,
    SpanDone,
    Warned,
)

__all__ = ["FrameDone", "PropagateOrder", "Propagated", "PropagationEvent", "SpanDone", "Warned"]


@dataclass(frozen=True)
class PropagateOrder:
    """What to propagate; the first thing the process is given.

    Attributes
    ----------
    project : str
        The project's folder. The child opens it for reading only; the window holds the writer's lock.
    film : str
        Name of one of its films.
    first, last : int or None
        The range, both included; None for the film's own.
    direction : str
        "both", "forward" or "backward".
    flow, device : str
    around : int or None
        The shown frame: what is nearest to it comes first.
    """

    project: str
    film: str
    first: int | None = None
    last: int | None = None
    direction: str = "both"
    flow: str = "dis"
    device: str = "auto"
    around: int | None = None
