"""What all seeds ask of their input."""

from __future__ import annotations

from numpy.typing import NDArray

from spml_core.annotations import Box, KeyPoint
from spml_core.errors import MarkError
from spml_core.seeds.grid import Real


def check_foreground(mark: Box | KeyPoint, num_classes: int) -> None:
    """Refuse a mark of the background, or of a class that isn't there.

    Raises
    ------
    MarkError
    """
    if not 0 < mark.class_index < num_classes:
        kind = "box" if isinstance(mark, Box) else "key point"
        why = "the background" if mark.class_index == 0 else f"none of the {num_classes} classes"
        raise MarkError(
            f"A {kind} has class index {mark.class_index}, {why}.",
            f"Give it a class from 1 to {num_classes - 1}.",
        )


def check_maps(activation: NDArray[Real], num_classes: int) -> None:
    """Refuse activation maps that aren't one for each class but the background.

    Raises
    ------
    MarkError
    """
    if activation.ndim != 3 or len(activation) != num_classes - 1 or 0 in activation.shape[1:]:
        raise MarkError(
            f"Activation maps of shape {activation.shape} don't fit {num_classes} classes.",
            f"Give {num_classes - 1} maps (height, width), one for each class but the background.",
        )
