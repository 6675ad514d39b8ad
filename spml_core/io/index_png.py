"""Index PNGs: each pixel's value is a label code, the palette only shows it."""

from __future__ import annotations

import warnings
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


def write_index_png(path: Path | str, labels: npt.NDArray[np.integer[Any]], classes: ClassTable) -> None:
    """Write a label map as a palette PNG in the classes' colours; unlabeled is grey, void white.

    Parameters
    ----------
    path : path
        Written atomically.
    labels : ndarray (H, W) of int
        Codes 0..K-1, K (UNLABELED) and 255 (IGNORE).
    classes : ClassTable

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
    wrong = labels[((labels < 0) | (labels > classes.unlabeled)) & (labels != IGNORE)]
    if wrong.size:
        raise MarkError(
            f"The label map for {path} holds the code {int(wrong[0])}; there are {len(classes)} classes.",
            "Use the class table that the map was made with.",
        )
    colors = [info.color for info in classes] + [_UNLABELED_COLOR]
    colors += [default_color(i) for i in range(len(colors), 255)]
    palette = [channel for color in [*colors[:255], _IGNORE_COLOR] for channel in color]
    image = Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint8))
    image.putpalette(palette)
    write_atomic(path, lambda file: image.save(file, format="PNG"))
