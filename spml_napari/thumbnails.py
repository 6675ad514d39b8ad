"""Small pictures of pictures: made once, kept beside the project's other caches. No Qt: this runs in any thread."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spml_core.errors import SpmlError
from spml_core.films import open_film
from spml_core.images import Picture
from spml_core.io.own_files import own_folder
from spml_core.project import FilmRecord, PictureRecord, Project

SIDE = 128
"""Longer side of a thumbnail in pixels."""

_WHOLE_PIXELS = 1 << 24
_ROWS_TOGETHER = 1 << 23


@dataclass(frozen=True)
class ThumbnailSource:
    """What a thumbnail is made of.

    Attributes
    ----------
    path : Path
        The picture.
    content_hash : str
        Of the picture's file: the thumbnail's name.
    folder : Path
        Holds the thumbnails that were made before.
    is_film : bool
        Whether ``path`` is a film, of which the first frame is shown.
    as_stored : bool
        Whether the project knows it as it lies in the file, not turned upright.
    """

    path: Path
    content_hash: str
    folder: Path
    is_film: bool = False
    as_stored: bool = False


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """What became of it.

    Attributes
    ----------
    pixels : ndarray, (h, w, 3) uint8, or None
        Longer side at most ``SIDE``; None if there is nothing to show.
    problem : str
        Why the picture can't be worked on; empty if it can.
    """

    pixels: npt.NDArray[np.uint8] | None
    problem: str = ""


def thumbnail_source(project: Project, record: PictureRecord | FilmRecord) -> ThumbnailSource:
    """Where the thumbnail of a project's picture or film comes from."""
    folder, is_film = project.cache_folder / "thumbnails", isinstance(record, FilmRecord)
    return ThumbnailSource(record.path, record.content_hash, folder, is_film, record.as_stored)


def load_thumbnail(source: ThumbnailSource) -> Thumbnail:
    """Read a thumbnail from the cache, or make it and put it there; never raises for a bad picture or disk."""
    kept = _read(_cached_path(source))
    if not (os.path.exists if source.is_film else os.path.isfile)(source.path):
        return Thumbnail(
            kept, f"The {'film' if source.is_film else 'picture'} isn't at {source.path} any more."
        )
    if kept is not None:
        return Thumbnail(kept)
    try:
        if source.is_film:
            # Beside the thumbnails: the index of a video's frames, which takes long to make.
            pixels = film_thumbnail(source.path, source.folder.parent / "films", as_stored=source.as_stored)
        else:
            pixels = make_thumbnail(Picture(source.path, as_stored=True) if source.as_stored else source.path)
    except SpmlError as error:
        return Thumbnail(None, str(error))
    _write(_cached_path(source), pixels)
    return Thumbnail(pixels)


def make_thumbnail(picture: Picture | Path, side: int = SIDE) -> npt.NDArray[np.uint8]:
    """Shrink a picture to ``side`` pixels at most; smaller ones stay as they are.

    Large pictures are read a band at a time, so that memory holds no more of them than their format demands.

    Returns
    -------
    ndarray, (h, w, 3) uint8

    Raises
    ------
    PictureError
        If the picture can't be read.
    """
    if not isinstance(picture, Picture):
        picture = Picture(picture)
    height, width = picture.size
    scale = min(1.0, side / max(height, width))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    if height * width <= _WHOLE_PIXELS:
        return _shrunk(picture.rgb(), rows, columns)
    bands = min(rows, -(-height * width // _ROWS_TOGETHER))
    edges = np.linspace(0, rows, bands + 1).round().astype(int)
    parts = []
    for first, last in pairwise(edges):
        top, bottom = first * height // rows, last * height // rows
        parts.append(_shrunk(picture.rgb_window(top, 0, bottom - top, width), last - first, columns))
    return np.concatenate(parts)


def film_thumbnail(
    path: Path, index_folder: Path | None = None, side: int = SIDE, *, as_stored: bool = False
) -> npt.NDArray[np.uint8]:
    """Shrink the first frame of a film to ``side`` pixels at most.

    Parameters
    ----------
    path : Path
    index_folder : Path, optional
        Where a video's frame index may be kept.
    side : int

    Returns
    -------
    ndarray, (h, w, 3) uint8

    Raises
    ------
    FilmError
        If the film can't be opened or read.
    """
    with open_film(path, index_folder=index_folder, as_stored=as_stored) as film:
        pixels = film.frame(0)
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    return _shrunk(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def _shrunk(pixels: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.resize(pixels, (columns, int(rows)), interpolation=cv2.INTER_AREA), np.uint8)


def _cached_path(source: ThumbnailSource) -> Path:
    return source.folder / f"{source.content_hash}-{SIDE}.jpg"


def _read(path: Path) -> npt.NDArray[np.uint8] | None:
    """Return the kept thumbnail; None if there is none, or none that can be read."""
    try:
        coded = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    if not coded.size:
        return None
    pixels = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return None if pixels is None else np.ascontiguousarray(pixels[..., ::-1], np.uint8)


def _write(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Keep a thumbnail. Without waiting for the disk: after a power cut it is simply made again."""
    _, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with contextlib.suppress(OSError, SpmlError):  # a full or read-only disk: no cache then
        own_folder(path.parent)
        temporary.write_bytes(coded.tobytes())
        temporary.replace(path)
