"""What every box is asked before it becomes a mark."""

from __future__ import annotations

from spml_core.annotations import Box
from spml_core.errors import MarkError
from spml_core.io.imports.warnings import ImportWarnings

OUTLINES_LEFT_OUT = "Outlines were left out, as boxes were asked for; import the file as masks to have them"
"""Warning for what has more of a shape than its box."""

_ROUNDING = 0.5
"""Pixels by which a box may reach over the border without a word: no pixel's centre is farther out."""


def checked_box(
    where: str,
    class_index: int,
    edges: tuple[float, float, float, float],
    stem: str,
    size: tuple[int, int],
    warnings: ImportWarnings,
) -> Box | None:
    """A box cut at its picture's borders; None if it has no width or height.

    Parameters
    ----------
    where : str
        File and box, for errors and warnings.
    class_index : int
    edges : tuple of float
        Top, left, bottom and right in pixels from the picture's top left corner; bottom and right are the
        first that don't belong to it.
    stem : str
        Name of the picture.
    size : tuple of int
        Its height and width.
    warnings : ImportWarnings
        Is told if the box had to be cut, or is left out.

    Raises
    ------
    MarkError
        If the box lies wholly outside the picture.
    """
    top, left, bottom, right = edges
    height, width = size
    if not (bottom > top and right > left):
        case = f"{where} on {stem!r} is {right - left:g} pixels wide and {bottom - top:g} high"
        warnings.add("Boxes without width or height were left out", case)
        return None
    cut = max(top, 0.0), max(left, 0.0), min(bottom, float(height)), min(right, float(width))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        raise MarkError(
            f"{where} goes from x = {left:g}, y = {top:g} to {right:g}, {bottom:g}: outside {stem!r},"
            f" {width} wide and {height} high.",
            "Take it out, or check its unit and the size of the picture that it was drawn on.",
        )
    if max(abs(a - b) for a, b in zip(cut, edges, strict=True)) > _ROUNDING:
        warnings.add("Boxes that reached out of their picture were cut at its border", f"{where} on {stem!r}")
    return Box(class_index, *cut)
