"""Large pictures for the screen: a small version at once, then levels of halved size in files that are mapped."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ImageOps, JpegImagePlugin

from spml_core.images import Picture
from spml_core.images.tiff import orientation_of
from spml_core.io import storage_errors
from spml_core.io.own_files import own_folder

Pixels = NDArray[np.uint8]

LARGE = 16_000_000
"""Pictures of more pixels are shown by levels."""

_COARSEST = 1024
_QUICK_SIDE = 2048
_ROWS = 512


def is_large(height: int, width: int) -> bool:
    """Whether a picture of this size is shown by levels."""
    return height * width > LARGE


def quick_version(picture: Picture) -> Pixels | None:
    """Return the whole picture at a lower resolution, if its file gives that much sooner than the whole.

    JPEG is decoded at a fraction of its size; of a TIFF that lies in strips only some rows are read.

    Parameters
    ----------
    picture : Picture

    Returns
    -------
    ndarray (h, w, 3), uint8, or None
        None where the file must be decoded whole anyway, or can't be read.
    """
    step = max(1, max(picture.size) // _QUICK_SIDE)
    # Whatever is wrong with the file, reading all of it tells better.
    with contextlib.suppress(Exception):
        with picture.path.open("rb") as file:
            start = file.read(4)
        if start.startswith(b"\xff\xd8\xff"):
            return _quick_jpeg(picture.path, step)
        if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and _is_in_thin_strips(picture.path):
            rows = [picture.rgb_window(row, 0, 1, picture.size[1]) for row in range(0, picture.size[0], step)]
            return np.concatenate([row[:, ::step] for row in rows])
    return None


def _quick_jpeg(path: Path, step: int) -> Pixels:
    # Opened by its class: Image.open refuses very large pictures, but these are the user's own.
    with path.open("rb") as file, JpegImagePlugin.JpegImageFile(file) as image:
        image.draft("RGB", (image.width // step, image.height // step))
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright.convert("RGB"))


def _is_in_thin_strips(path: Path) -> bool:
    """Whether single rows of a TIFF can be read without decoding all the others."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if orientation_of(page) >= 5:  # a row of the picture is a column of the file
            return False
        return not page.is_tiled and (page.is_memmappable or page.rowsperstrip <= 64)


def open_levels(folder: Path, picture: Picture) -> list[Pixels] | None:
    """Map the levels that :func:`build_levels` wrote; None if they aren't there, or not whole.

    Parameters
    ----------
    folder : Path
        The picture's own folder of levels.
    picture : Picture

    Returns
    -------
    list of ndarray (h, w, 3), uint8, or None
        The picture itself first, then each about half the size of the one before. Read-only.
    """
    shapes = _level_shapes(*picture.size)
    levels = []
    try:
        for number, shape in enumerate(shapes):
            level = np.load(_level_file(folder, number), mmap_mode="r")
            if level.shape != (*shape, 3) or level.dtype != np.uint8:
                return None
            levels.append(level)
    except (OSError, ValueError, EOFError):
        return None
    return levels


def build_levels(
    folder: Path, picture: Picture, is_wanted: Callable[[], bool] = lambda: True
) -> list[Pixels] | None:
    """Write the levels of a picture into a folder that appears whole or not at all, and map them.

    Parameters
    ----------
    folder : Path
        Replaced if it is there but damaged; its parents are made.
    picture : Picture
    is_wanted : callable
        Asked now and then; once it says no, nothing is left behind and None returned.

    Returns
    -------
    list of ndarray (h, w, 3), uint8, or None

    Raises
    ------
    PictureError
        If the picture can't be read.
    StorageError
        If the disk is full or the folder can't be written to.
    """
    with storage_errors(folder):
        own_folder(folder.parent)
        # What a kill left behind; one project has one writer, so nobody else is building.
        for leftover in folder.parent.glob(f".{folder.name}.*"):
            shutil.rmtree(leftover, ignore_errors=True)
        building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with storage_errors(folder):
            if not _write_levels(building, picture, is_wanted):
                return None
            if folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(FileExistsError):
                building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return open_levels(folder, picture)


def levels_in_memory(picture: Picture) -> list[Pixels]:
    """Return the levels of a picture without any file, where none can be written.

    Raises
    ------
    PictureError
        If the picture can't be read or doesn't fit into memory.
    """
    return levels_of(picture.rgb())


def levels_of(pixels: Pixels) -> list[Pixels]:
    """Return pixels (H, W, 3) and, one after the other, their levels of halved size."""
    levels = [pixels]
    for height, width in _level_shapes(*pixels.shape[:2])[1:]:
        levels.append(_halved(levels[-1][: 2 * height, : 2 * width]))
    return levels


def _write_levels(folder: Path, picture: Picture, is_wanted: Callable[[], bool]) -> bool:
    shapes = _level_shapes(*picture.size)
    finer: Pixels | None = None
    for number, (height, width) in enumerate(shapes):
        path = _level_file(folder, number)
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(height, width, 3))
        for top in range(0, height, _ROWS):
            if not is_wanted():
                return False
            rows = min(_ROWS, height - top)
            if finer is None:
                out[top : top + rows] = picture.rgb_window(top, 0, rows, width)
            else:
                out[top : top + rows] = _halved(finer[2 * top : 2 * (top + rows), : 2 * width])
        out.flush()
        finer = out
    return True


def _halved(pixels: Pixels) -> Pixels:
    """Mean of each 2 x 2 pixels; height and width are even."""
    wide = pixels[::2].astype(np.uint16)
    wide += pixels[1::2]
    halved: Pixels = ((wide[:, ::2] + wide[:, 1::2] + 2) >> 2).astype(np.uint8)
    return halved


def _level_shapes(height: int, width: int) -> list[tuple[int, int]]:
    shapes = [(height, width)]
    while max(shapes[-1]) > _COARSEST and min(shapes[-1]) >= 2:
        shapes.append((shapes[-1][0] // 2, shapes[-1][1] // 2))
    return shapes


def _level_file(folder: Path, number: int) -> Path:
    return folder / f"level-{number}.npy"
