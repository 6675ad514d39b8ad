"""Index PNGs: each pixel's value is a label code, the palette only shows it."""

from __future__ import annotations

import contextlib
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from spml_core.classes import IGNORE, ClassTable, default_color
from spml_core.errors import MarkError
from spml_core.images.picture import MOST_PIXELS
from spml_core.io.atomic import write_atomic

_UNLABELED_COLOR = (96, 96, 96)
_IGNORE_COLOR = (255, 255, 255)


def read_index_png(path: Path | str, size: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
    """Codes of a palette, grey, 1-bit or 16-bit PNG: the values that are stored, of however many bits.

    Parameters
    ----------
    path : path
    size : tuple of int, optional
        Height and width that the file must have. What has another isn't unpacked: a small file may claim gigabytes.

    Returns
    -------
    ndarray (H, W), uint8
        The palette's indexes or the grey values; 0 and 1 for a 1-bit file, 0 to 15 for one of 4 bits.

    Raises
    ------
    MarkError
        If the file can't be read or is no PNG, has another size or more pixels than pictures may have, colours or
        transparency instead of codes, or a value over 255.
    """
    values = read_png_values(path, size)
    if values.size and int(values.max()) > 255:
        raise MarkError(
            f"{path} holds the value {int(values.max())}.", "Class indexes go up to 253; 255 is void."
        )
    return values.astype(np.uint8)


def read_png_values(path: Path | str, size: tuple[int, int] | None = None) -> npt.NDArray[Any]:
    """Whole numbers (H, W) of a palette or grey PNG of 1 to 16 bits, as they are stored. As for ``read_index_png``."""
    path = Path(path)
    with _opened(path) as image:
        found = (image.height, image.width)
        if size is not None and found != tuple(size):
            raise MarkError(
                f"{path} is {found[0]} x {found[1]} pixels, its picture {size[0]} x {size[1]}.",
                "Draw it on the picture at its full size.",
            )
        if found[0] * found[1] > MOST_PIXELS:
            raise MarkError(
                f"{path} has {found[0]} x {found[1]} pixels, more than {MOST_PIXELS / 1e9:.1f} billion.",
                "Cut it into smaller ones.",
            )
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            raise MarkError(
                f"{path} holds colours ({image.mode}), not class indexes.",
                "Save it as a palette or grey PNG of one value a class.",
            )
        values = stored_values(image)
    return values


def index_png_size(path: Path | str) -> tuple[int, int]:
    """Height and width of a PNG, without unpacking it.

    Raises
    ------
    MarkError
        If it can't be read or is no PNG.
    """
    with _opened(Path(path)) as image:
        return image.height, image.width


def stored_values(image: PngImagePlugin.PngImageFile) -> npt.NDArray[Any]:
    """Values (H, W) of an opened grey or palette PNG as they are stored: Pillow stretches 2 and 4 bits to 0..255."""
    # Its decoder is called after the bits: L;2 and L;4 are grey, of which it makes 85 and 17 times the value.
    packing = image.tile[0][3] if image.tile else None
    values = np.asarray(image)
    step = {"L;2": 85, "L;4": 17}.get(packing) if isinstance(packing, str) else None
    return values if step is None else values // step


def are_black_and_white(maps: Iterable[npt.NDArray[np.uint8]]) -> bool:
    """Whether maps hold both 0 and 255 and nothing else. No more of them are asked for than it takes to know."""
    seen = np.zeros(256, bool)
    for codes in maps:
        seen[codes] = True
        if seen[1:255].any():
            return False
    return bool(seen[0] and seen[255])


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[PngImagePlugin.PngImageFile]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # By its class, past Image.open's limit on the number of pixels: ours is that of pictures.
            with path.open("rb") as file, PngImagePlugin.PngImageFile(file) as image:
                yield image
    except MarkError:
        raise
    except OSError as error:
        raise MarkError(
            f"{path} can't be read: {error.strerror or error}.".replace("..", "."),
            "Save it anew as an index PNG.",
        ) from error
    # Pillow raises what its parsers raise on damaged chunks: SyntaxError, ValueError, struct.error and
    # others.
    except Exception as error:
        raise MarkError(f"{path} is no readable PNG: {error}.", "Save it anew as an index PNG.") from error


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
