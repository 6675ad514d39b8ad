"""Zarr arrays and OME-Zarr images as films, and films or lazy layers kept as zarr arrays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spml_core.errors import FilmError
from spml_core.films.arrays import (
    TRANSPARENCY_NOTE,
    ArrayFilm,
    ArrayLike,
    FrameReader,
    array_film,
    chunk_bytes,
)
from spml_core.films.film import Film, check_count, checked_rate
from spml_core.films.steady_scaling import Pixels
from spml_core.io.atomic import storage_errors
from spml_core.io.own_files import own_folder
from spml_core.io.temporary import clear_leftovers, temporary_folder

_MARKERS = ("zarr.json", ".zarray", ".zgroup")
_SECONDS = {"second": 1.0, "s": 1.0, "millisecond": 1e-3, "minute": 60.0, "hour": 3600.0}
_DAMAGED = "The folder may be incomplete: copy or save it again."


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group (format 2 or 3)."""
    return path.is_dir() and any((path / name).is_file() for name in _MARKERS)


def open_zarr(path: Path, frame_rate: float | None = None) -> ArrayFilm:
    """Open a zarr array (T, Y, X[, C]), or the full-size array of an OME-Zarr image.

    Of a group's array, axes of length one are dropped, and channels moved to the end.

    Parameters
    ----------
    path : Path
        The folder.
    frame_rate : float, optional
        Frames a second. Without it the array's attribute ``frame_rate``, or OME-Zarr's time scale, is taken.

    Raises
    ------
    FilmError
        If the folder isn't zarr, or its axes make no film.
    """
    import zarr  # heavy: only for those who have zarr films

    try:
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            given = node.attrs.get("frame_rate")
            rate = frame_rate if frame_rate is not None or not isinstance(given, int | float) else given
            return array_film(node, path, frame_rate=rate)
        axes, array, ome_rate = _ome_image(path, node)
        return _planes(path, array, axes, ome_rate if frame_rate is None else frame_rate)
    except FilmError:
        raise
    # Damaged metadata make zarr raise anything from KeyError to JSONDecodeError.
    except Exception as error:
        reason = (str(error) or type(error).__name__).rstrip(".")
        raise FilmError(f"{path} can't be read as zarr: {reason}.", _DAMAGED) from error


def _ome_image(path: Path, group: Any) -> tuple[str, Any, float | None]:
    """Axes (one letter each), full-size array and frame rate of a group."""
    import zarr

    attributes = dict(group.attrs)
    images = attributes.get("ome", attributes).get("multiscales") or [{}]
    datasets = images[0].get("datasets") or [{"path": "0"}]
    name = datasets[0]["path"]
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise FilmError(
            f"{path} is a zarr group without the array {name!r}.",
            "Choose the folder of the array itself, or an OME-Zarr image.",
        )
    named = images[0].get("axes")
    if named is None:
        return "tczyx"[-array.ndim :] if array.ndim == 5 else "tyxc"[: array.ndim], array, None
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in named]
    letters = "".join(str(axis["name"])[:1] for axis in axes)
    rate = None
    for change in datasets[0].get("coordinateTransformations", ()):
        if change.get("type") == "scale" and "t" in letters:
            place = letters.index("t")
            seconds = _SECONDS.get(axes[place].get("unit", ""), 0.0) * float(change["scale"][place])
            rate = 1 / seconds if seconds > 0 else None
    return letters, array, rate


def _planes(path: Path, array: Any, axes: str, frame_rate: float | None) -> ArrayFilm:
    """A film along t, or along z where there is no t."""
    lengths = dict(zip(axes, array.shape, strict=True))
    along = "t" if lengths.get("t", 1) > 1 or lengths.get("z", 1) == 1 else "z"
    odd = [f"{a} = {n}" for a, n in lengths.items() if a not in ("y", "x", "c", along) and n > 1]
    if odd or "y" not in axes or "x" not in axes or along not in axes:
        found = ", ".join(f"{axis} = {length}" for axis, length in lengths.items())
        raise FilmError(
            f"{path} has the axes {found}, which make no film.",
            "Save time, height and width, with one plane of each time point.",
        )

    check_count(str(path), lengths[along])
    frames = FrameReader(array, axes.index(along))

    def read(index: int) -> Pixels:
        part = frames.frame(index)
        left = axes.replace(along, "")
        order = [left.index("y"), left.index("x")]
        order += [place for place in range(len(left)) if place not in order]
        height, width = part.shape[order[0]], part.shape[order[1]]
        return part.transpose(order).reshape(height, width, -1)

    channels = lengths.get("c", 1)
    shape = (lengths[along], lengths["y"], lengths["x"], channels)
    is_rgba = channels == 4 and array.dtype == np.uint8
    colours = axes.endswith("c") and (channels == 3 or is_rgba)
    return ArrayFilm(
        path,
        "array",
        read,
        shape,
        array.dtype,
        joint_range=colours,
        frame_rate=checked_rate(frame_rate),
        notes=(TRANSPARENCY_NOTE,) if colours and is_rgba else (),
        piece=chunk_bytes(array),
    )


def write_zarr_film(
    array_or_film: ArrayLike | Film,
    path: Path,
    frame_rate: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Keep an array or a film as a zarr array, one chunk a frame; ``open_film`` opens it.

    An array keeps its samples; a film is stored as it is seen, 8-bit RGB. Only one frame is in memory at a time.

    Parameters
    ----------
    array_or_film : array (T, Y, X[, C]) or Film
        Such as a lazy layer of the window.
    path : Path
        The folder to make, which must not exist. It appears when it is whole.
    frame_rate : float, optional
        Kept with the array; a film's own by default.
    progress : callable, optional
        Called after each frame with the number of frames done, and of all.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    FilmError
        If the array makes no film, a frame can't be read, or something is at ``path`` already.
    StorageError
        If it can't be written.
    """
    import zarr

    path = Path(path)
    if path.exists():
        raise FilmError(f"{path} is already there.", "Choose another name.")
    shape: tuple[int, ...]
    frame: Callable[[int], Any]
    if isinstance(array_or_film, Film):
        shape, dtype = (array_or_film.count, *array_or_film.size, 3), np.dtype(np.uint8)
        frame = array_or_film.frame
        if frame_rate is None:
            frame_rate = array_or_film.frame_rate
    else:
        film = array_film(array_or_film, None, frame_rate=frame_rate, name="The array")
        shape, dtype = tuple(array_or_film.shape), np.dtype(array_or_film.dtype)

        def frame(index: int) -> Any:
            return film.samples(index).reshape(shape[1:])

    rate = checked_rate(frame_rate)
    with storage_errors(path):
        own_folder(path.parent)
        clear_leftovers(path.parent)
        whole = temporary_folder(path)
        try:
            array = zarr.create_array(
                whole,
                shape=shape,
                dtype=dtype,
                chunks=(1, *shape[1:]),
                overwrite=True,
                attributes=None if rate is None else {"frame_rate": rate},
            )
            for index in range(shape[0]):
                array[index] = frame(index)
                if progress is not None:
                    progress(index + 1, shape[0])
            whole.rename(path)
        except BaseException:
            shutil.rmtree(whole, ignore_errors=True)
            raise
    return path
