"""One shape of a labelme file to marks."""

from __future__ import annotations

import base64
import binascii
import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from spml_core.annotations import Mark, Patch, Point, Scribble
from spml_core.classes import IGNORE, ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io.imports.box_check import checked_box
from spml_core.io.imports.class_words import find_class, named_class
from spml_core.io.imports.json_values import as_numbers, as_object, list_of, shown, text_of
from spml_core.io.imports.pictures import Sizes, check_inside
from spml_core.io.imports.polygons import disc_patch, mask_patch, polygon_patch
from spml_core.io.imports.scribbles import LINE_WIDTH, TOO_MANY_POINTS, line_inside
from spml_core.io.imports.warnings import ImportWarnings

_POINTS = {
    "polygon": (3, None),
    "oriented_rectangle": (4, 4),
    "rotation": (4, 4),
    "quadrilateral": (4, 4),
    "rectangle": (2, 4),
    "circle": (2, 2),
    "mask": (2, 2),
    "line": (2, 2),
    "linestrip": (1, None),
    "point": (1, 1),
    "points": (1, None),
}
"""The least and most points of each shape; X-AnyLabeling calls labelme's oriented rectangle a rotation."""

_PATCHES = ("polygon", "oriented_rectangle", "rotation", "quadrilateral", "circle", "mask")

_MOST_PIXELS = 1 << 22
"""That a mask may have whatever its picture's size."""

Places = list[tuple[float, float]]


def read_shape(
    where: str,
    shape: object,
    stem: str,
    pictures: Sizes,
    classes: ClassTable,
    warnings: ImportWarnings,
) -> list[Mark]:
    """Marks of a shape: none if it is of an unknown kind or encloses no pixel, several for a group of points.

    labelme measures from the picture's top left corner, so the first pixel's centre is (0.5, 0.5) there.

    Parameters
    ----------
    where : str
        File and shape, for errors and warnings.
    shape : object
        As it stands in the file.
    stem : str
        The picture.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings
        Is told of what was left out.

    Raises
    ------
    MarkError
        If the shape is damaged, or a box or point lies outside.
    ClassError
        If its label is no class.
    """
    kind = as_object(where, shape).get("shape_type") or "polygon"  # files of the first versions don't say
    if not isinstance(kind, str) or kind not in _POINTS:
        case = f"{where} on {stem!r} has the shape_type {shown(kind)}"
        warnings.add(f"Shapes of unknown kinds were left out; known are {', '.join(_POINTS)}", case)
        return []
    pairs = [as_numbers(where, "points", pair, 2) for pair in list_of(where, shape, "points")]
    least, most = _POINTS[kind]
    size = pictures[stem]
    if kind not in _PATCHES and len(pairs) > size[0] * size[1]:
        warnings.add(TOO_MANY_POINTS, f"{where} on {stem!r}, a {kind} of {len(pairs)} points")
        return []
    packed = as_object(where, shape).get("mask")
    if len(pairs) < least or (most is not None and len(pairs) > most) or (kind == "mask" and not packed):
        what = "no mask" if kind == "mask" and not packed else f"{len(pairs)} points"
        warnings.add("Unfinished shapes were left out", f"{where} on {stem!r}, a {kind}, has {what}")
        return []
    code = _code(where, text_of(where, shape, "label"), kind, classes)
    corners: Places = [(y, x) for x, y in pairs]
    centres: Places = [(y - 0.5, x - 0.5) for y, x in corners]
    if kind in ("point", "points"):
        return [Point(code, *check_inside(where, y, x, stem, pictures)) for y, x in centres]
    if kind in ("line", "linestrip"):
        return [Scribble(code, line_inside(where, centres, size, warnings), LINE_WIDTH)]
    if kind == "rectangle":
        ys, xs = zip(*corners, strict=True)
        box = checked_box(where, code, (min(ys), min(xs), max(ys), max(xs)), stem, size, warnings)
        return [] if box is None else [box]
    if kind == "circle":
        patch = disc_patch(code, corners[0], math.dist(*corners), size)
    elif kind == "mask":
        patch = _mask(where, packed, corners, code, size)
    else:
        patch = polygon_patch(code, corners, size)
    if patch is None:
        warnings.add("Shapes that enclose no pixel of their picture were left out", f"{where} on {stem!r}")
    return [] if patch is None else [patch]


def _code(where: str, label: str, kind: str, classes: ClassTable) -> int:
    if label not in ("_background_", "__ignore__") or find_class(where, label, classes) is not None:
        return named_class(where, label, classes)
    if label == "__ignore__":
        if kind not in _PATCHES:
            raise ClassError(f"{where}, a {kind}, can't mark void.", "Draw a polygon around it.")
        return IGNORE
    return 0


def _mask(where: str, packed: object, corners: Places, code: int, size: tuple[int, int]) -> Patch | None:
    """A PNG in base64, its first pixel in the upper left of the two corners."""
    ys, xs = zip(*corners, strict=True)
    top, left = math.floor(min(ys) + 0.5), math.floor(min(xs) + 0.5)
    # The second corner is the last pixel or, in some versions, the first one past it.
    extent = math.floor(max(ys) + 0.5) - top, math.floor(max(xs) + 0.5) - left
    mask = _unpacked(where, packed, extent, size)
    inside = mask[max(-top, 0) : max(size[0] - top, 0), max(-left, 0) : max(size[1] - left, 0)]
    return mask_patch(code, max(top, 0), max(left, 0), inside)


def _unpacked(
    where: str, packed: object, extent: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.bool_]:
    try:
        data = base64.b64decode(packed if isinstance(packed, str) else "", validate=True)
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
            # Before it is unpacked: a small file may claim gigabytes.
            if image.height - extent[0] not in (0, 1) or image.width - extent[1] not in (0, 1):
                raise MarkError(
                    f"{where}: the mask has {image.height} x {image.width} pixels, which its two points"
                    " don't enclose.",
                    "Draw it anew.",
                )
            if image.height * image.width > max(4 * size[0] * size[1], _MOST_PIXELS):
                raise MarkError(
                    f"{where}: the mask has {image.height} x {image.width} pixels, its picture only {size[0]} x"
                    f" {size[1]}.",
                    "Draw it anew.",
                )
            return np.asarray(image.convert("L") if image.mode != "1" else image) > 0
    except MarkError:
        raise
    except binascii.Error as error:
        raise MarkError(f"{where}: the mask is no base64: {error}.", "Draw it anew.") from error
    # Pillow raises what its parsers raise on damaged chunks: SyntaxError, ValueError, struct.error and others.
    except Exception as error:
        raise MarkError(f"{where}: the mask is no readable PNG: {error}.", "Draw it anew.") from error
