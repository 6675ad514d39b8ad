"""Index PNGs: each pixel's value is a label code, the palette only shows it."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from spml_core.classes import IGNORE, ClassTable, default_color
from spml_core.errors import MarkError
from spml_core.io.atomic import write_atomic

_UNLABELED_COLOR = (96, 96, 96)
_IGNORE_COLOR = (255, 255, 255)


def read_index_png(path: Path | str) -> npt.NDArray[np.uint8]:
    """Codes of a palette, grey, 1-bit or 16-bit PNG.

    Returns
    -------
    ndarray (H, W), uint8
        The palette's indexes or the grey values; 0 and 1 for a 1-bit file.

    Raises
    ------
    MarkError
        If the file can't be read or is no PNG, has colours or transparency instead of codes, or a value over
        255.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # By its class, past Image.open's limit on the number of pixels: the files are the user's own.
            with path.open("rb") as file, PngImagePlugin.PngImageFile(file) as image:
                mode = image.mode
                values = np.asarray(image)
    except OSError as error:
        raise MarkError(
            f"{path} can't be read: {error.strerror or error}.".replace("..", "."),
            "Save it anew as an index PNG.",
        ) from error
    # Pillow raises what its parsers raise on damaged chunks: SyntaxError, ValueError, struct.error and
    # others.
    except Exception as error:
        raise MarkError(f"{path} is no readable PNG: {error}.", "Save it anew as an index PNG.") from error
    if mode not in ("1", "L", "P") and not mode.startswith("I"):
        raise MarkError(
            f"{path} holds colours ({mode}), not class indexes.",
            "Save it as a palette or grey PNG of one value a class.",
        )
    if values.size and int(values.max()) > 255:
        raise MarkError(
            f"{path} holds the value {int(values.max())}.", "Class indexes go up to 253; 255 is void."
        )
    return values.astype(np.uint8)


def write_index_png(
    path: Path | str,
    labels: npt.NDArray[np.integer[Any]],
    classes: ClassTable,
    *,
    colored: bool = True,
) -> None:
    """Write a label map as an index PNG with the classes' colours; unlabeled is grey, void white.

    Colour PNGs show their palette everywhere, but some readers (imageio, scikit-image) hand out the colours instead of
    the indexes. Grey ones give every reader the indexes; their palette is only suggested (chunk ``sPLT``).

    Parameters
    ----------
    path : path
        Written atomically.
    labels : ndarray (H, W) of int
        Codes 0..K-1, K (UNLABELED) and 255 (IGNORE).
    classes : ClassTable
    colored : bool
        Whether the palette colours the pixels.

    Raises
    ------
    MarkError
        If the map isn't two-dimensional or holds another code.
    StorageError
        If the file can't be written.
    """
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise MarkError(
            f"A label map of shape {labels.shape} and type {labels.dtype} can't go into {path}.",
            "Give whole numbers, (height, width).",
        )
    for rows in np.array_split(
        labels, max(1, labels.size // 2**20)
    ):  # a large map has no room for whole masks
        wrong = rows[((rows < 0) | (rows > classes.unlabeled)) & (rows != IGNORE)]
        if wrong.size:
            raise MarkError(
                f"The label map for {path} holds the code {int(wrong[0])}; there are {len(classes)} classes.",
                "Use the class table that the map was made with.",
            )
    colors = [info.color for info in classes] + [_UNLABELED_COLOR]
    colors += [default_color(i) for i in range(len(colors), 255)]
    colors = [*colors[:255], _IGNORE_COLOR]
    image = Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint8))
    if colored:
        image.putpalette([channel for color in colors for channel in color])
        write_atomic(path, lambda file: image.save(file, format="PNG"))
        return
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    write_atomic(path, _with_suggested_palette(buffer.getvalue(), colors))


def _with_suggested_palette(png: bytes, colors: list[tuple[int, int, int]]) -> bytes:
    """The PNG with an ``sPLT`` chunk behind its header (PNG specification, third edition, 11.3.5.4)."""
    entries = b"".join(struct.pack(">4BH", *color, 255, 0) for color in colors)
    body = b"sPLT" + b"classes\0" + b"\x08" + entries
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    header_end = 8 + 25  # signature, then the header chunk: length, name, 13 bytes, check sum
    return png[:header_end] + chunk + png[header_end:]
