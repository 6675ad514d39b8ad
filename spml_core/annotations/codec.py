"""Marks as JSON, exactly: what is read equals what was written, to the last bit.

One object a mark: ``{"v": 1, "kind": "scribble", "class": 2, "points": [[y, x], ...], "width": 3.0}``. A
patch's raster is deflated (zlib) and written in base64, with its height and width, and with ``accepted`` if it
is an accepted prediction.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from spml_core.annotations.marks import (
    ACCEPTANCES,
    Box,
    Erasure,
    KeyPoint,
    Mark,
    Patch,
    Path2D,
    Point,
    Scribble,
    Tag,
)
from spml_core.errors import MarkError

FORMAT_VERSION = 1
MAX_PATCH_PIXELS = 1 << 28
"""Largest raster that is read (16,384 x 16,384): no small file may unpack into gigabytes."""


_LEVEL = 3
"""Of deflating: the window waits for it. Level 6 takes three times as long for a quarter less."""


def mark_to_json(mark: Mark) -> str:
    """Return a mark as one line of JSON."""
    fields: dict[str, Any] = {"v": FORMAT_VERSION, "kind": type(mark).__name__.lower()}
    match mark:
        case Scribble():
            fields |= {"class": mark.class_index, "points": mark.points, "width": mark.width}
        case Point():
            fields |= {"class": mark.class_index, "y": mark.y, "x": mark.x}
        case Box():
            fields |= {"class": mark.class_index}
            fields |= {"top": mark.top, "left": mark.left, "bottom": mark.bottom, "right": mark.right}
        case KeyPoint():
            fields |= {"class": mark.class_index, "y": mark.y, "x": mark.x, "size": mark.size}
        case Tag():
            fields |= {"class": mark.class_index} | ({} if mark.complete else {"complete": False})
        case Patch():
            height, width = mark.labels.shape
            packed = base64.b64encode(zlib.compress(mark.labels.tobytes(), _LEVEL)).decode("ascii")
            fields |= {"top": mark.top, "left": mark.left, "height": height, "width": width, "zlib": packed}
            if mark.accepted:
                fields |= {"accepted": mark.accepted}
        case Erasure():
            fields |= {"points": mark.points, "width": mark.width}
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


def mark_from_json(text: str) -> Mark:
    """Return the mark that ``mark_to_json`` wrote.

    Raises
    ------
    MarkError
        If the text is no JSON object, of a newer version, of an unknown kind, lacks a field, or has one of
        another type or out of range; if a raster is larger than it claims, smaller, or over
        ``MAX_PATCH_PIXELS``.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MarkError(f"A mark is no JSON: {error}.", "The file may be damaged.") from error
    if not isinstance(fields, dict):
        raise MarkError(
            f"A mark is a JSON {type(fields).__name__}, not an object.", "The file may be damaged."
        )
    version = fields.get("v")
    if version != FORMAT_VERSION:
        raise MarkError(
            f"A mark has format version {version!r}; this program reads {FORMAT_VERSION}.",
            "Update the program.",
        )
    kind = fields.get("kind")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise MarkError(f"Unknown kind of mark {kind!r}.", f"Known are: {', '.join(_READERS)}.")
    return reader(fields)


def _integer(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong(fields, name, "a whole number")


def _number(fields: dict[str, Any], name: str) -> float:
    value = fields.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise _wrong(fields, name, "a number")


def _truth(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, True)
    if isinstance(value, bool):
        return value
    raise _wrong(fields, name, "true or false")


def _line(fields: dict[str, Any]) -> Path2D:
    value = fields.get("points")
    if isinstance(value, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(number, int | float) and not isinstance(number, bool) for number in pair)
        for pair in value
    ):
        return tuple((pair[0], pair[1]) for pair in value)
    raise _wrong(fields, "points", "a list of [y, x] pairs")


def _wrong(fields: dict[str, Any], name: str, wanted: str) -> MarkError:
    seen = repr(fields.get(name))
    shown = seen if len(seen) <= 60 else f"{seen[:57]}..."
    return MarkError(
        f"A {fields['kind']} has {name} = {shown} where {wanted} belongs.", "The file may be damaged."
    )


def _patch(fields: dict[str, Any]) -> Patch:
    height, width = _integer(fields, "height"), _integer(fields, "width")
    if height < 1 or width < 1 or height * width > MAX_PATCH_PIXELS:
        raise MarkError(
            f"A patch claims {height} x {width} pixels; {MAX_PATCH_PIXELS} pixels is the most.",
            "The file may be damaged.",
        )
    packed = fields.get("zlib")
    if not isinstance(packed, str):
        raise _wrong(fields, "zlib", "text in base64")
    unpacker = zlib.decompressobj()
    try:
        raster = unpacker.decompress(base64.b64decode(packed, validate=True), height * width + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise MarkError(
            f"A patch's raster can't be unpacked: {error}.", "The file may be damaged."
        ) from error
    if len(raster) != height * width or not unpacker.eof or unpacker.unused_data:
        raise MarkError(
            f"A patch's raster doesn't hold the {height} x {width} pixels it claims.",
            "The file may be damaged.",
        )
    labels = np.frombuffer(raster, np.uint8).reshape(height, width)
    accepted = fields.get("accepted", "")
    if accepted not in ACCEPTANCES:
        raise _wrong(fields, "accepted", f"one of {', '.join(map(repr, ACCEPTANCES))}")
    return Patch(_integer(fields, "top"), _integer(fields, "left"), labels, accepted)


_READERS: dict[str, Callable[[dict[str, Any]], Mark]] = {
    "scribble": lambda f: Scribble(_integer(f, "class"), _line(f), _number(f, "width")),
    "point": lambda f: Point(_integer(f, "class"), _number(f, "y"), _number(f, "x")),
    "box": lambda f: Box(
        _integer(f, "class"), _number(f, "top"), _number(f, "left"), _number(f, "bottom"), _number(f, "right")
    ),
    "keypoint": lambda f: KeyPoint(
        _integer(f, "class"), _number(f, "y"), _number(f, "x"), _number(f, "size")
    ),
    "tag": lambda f: Tag(_integer(f, "class"), _truth(f, "complete")),
    "patch": _patch,
    "erasure": lambda f: Erasure(_line(f), _number(f, "width")),
}
