"""Arrays as films: in memory, lazy (dask) or on disk (zarr)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from spml_core.errors import FilmError
from spml_core.films.film import Film, Kind, Rgb, check_count, check_size, checked_rate, even_times
from spml_core.films.steady_scaling import Pixels, SteadyScaling
from spml_core.images.scaling import channels_note

_MOST_CHANNELS = 4
_KEPT_BYTES = 64 << 20

TRANSPARENCY_NOTE = "has 4 channels: the fourth is taken for transparency and left out"


@runtime_checkable
class ArrayLike(Protocol):
    """What numpy, dask and zarr arrays have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    @property
    def dtype(self) -> Any:
        """Type of the samples."""
        ...

    def __getitem__(self, index: Any, /) -> Any:
        """Return a part; perhaps lazy, too."""
        ...


class ArrayFilm(Film):
    """A film whose frames are read by a function, scaled steadily if they aren't 8-bit.

    Parameters
    ----------
    path : Path or None
        Where the film lies.
    kind : {"stack", "array"}
        What it is.
    read : callable
        Gives the samples of a frame, (H, W, C).
    shape : tuple of int
        Frames, height, width, channels.
    dtype : numpy dtype
        Of the samples.
    joint_range : bool
        Whether the channels are colours.
    frame_rate : float, optional
        Frames a second.
    name : str
        What messages call a film without a path.
    close : callable, optional
        Lets go of the file.
    notes : tuple of str
        What isn't shown of it, each the end of a sentence about the film.
    piece : int
        Bytes that have to be decoded at once to get a frame.

    Raises
    ------
    FilmError
        If there is no frame, the frames are too small, or the samples are of a strange type.
    """

    def __init__(
        self,
        path: Path | None,
        kind: Kind,
        read: Callable[[int], Pixels],
        shape: tuple[int, int, int, int],
        dtype: np.dtype[Any],
        *,
        joint_range: bool,
        frame_rate: float | None = None,
        name: str = "array",
        close: Callable[[], object] | None = None,
        notes: tuple[str, ...] = (),
        piece: int = 0,
    ) -> None:
        self._name = str(path) if path is not None else name
        count, size = shape[0], shape[1:3]
        check_count(self._name, count)
        check_size(self._name, size, max(piece, math.prod(shape[1:]) * np.dtype(dtype).itemsize))
        rate = checked_rate(frame_rate)
        # Neither holds the film itself: a film that is dropped lets go of its file at once.
        self._read_samples = partial(_checked_samples, read, self._name, size)
        self._scaling = SteadyScaling(self._name, self._read_samples, count, np.dtype(dtype), joint_range)
        self._let_go = close
        note = None if joint_range else channels_note(shape[3])
        warnings = tuple(f"{self._name} {each}." for each in (note, *notes) if each is not None)
        super().__init__(path, kind, size, even_times(count, rate), frame_rate=rate, warnings=warnings)

    @property
    def label(self) -> str:
        """What messages call the film."""
        return self._name

    def close(self) -> None:
        """Let go of the file."""
        if not self._closed and self._let_go is not None:
            self._let_go()
        super().close()

    def samples(self, index: int) -> Pixels:
        """Return a frame as it is stored, (H, W, C).

        Raises
        ------
        FilmError
            If it can't be read.
        """
        return self._read_samples(index)

    def _read(self, index: int) -> Rgb:
        return self._scaling.rgb(index)


def _checked_samples(read: Callable[[int], Pixels], name: str, size: tuple[int, int], index: int) -> Pixels:
    try:
        samples = read(index)
    except FilmError:
        raise
    # Lazy arrays run anyone's code, and damaged files make decoders raise anything.
    except Exception as error:
        reason = (str(error) or type(error).__name__).rstrip(".")
        raise FilmError(
            f"Frame {index} of {name} can't be read: {reason}.",
            "Check that the film is still there and whole; it may have to be saved anew.",
        ) from error
    if samples.shape[:2] != size:
        raise FilmError(
            f"Frame {index} of {name} is {samples.shape[0]} x {samples.shape[1]} pixels,"
            f" the film {size[0]} x {size[1]}.",
            "Save the film anew.",
        )
    return samples


class FrameReader:
    """Frames of an array along one axis. Where a chunk holds several, the last chunk read is kept.

    Parameters
    ----------
    array : ArrayLike
        Its ``chunks``, if it has any, are lengths (zarr) or tuples of lengths (dask).
    axis : int
        The axis of time.
    """

    def __init__(self, array: ArrayLike, axis: int = 0) -> None:
        self._array = array
        self._axis = axis
        self._bounds = _chunk_bounds(array, axis)
        self._first = 0
        self._kept: Pixels | None = None

    def frame(self, index: int) -> Pixels:
        """Return frame ``index``: the array's shape without the axis of time."""
        end = int(np.searchsorted(self._bounds, index, side="right"))
        first, last = int(self._bounds[end - 1]), int(self._bounds[end])
        if last - first == 1:
            return np.asarray(self._array[self._place(index)])
        if self._kept is None or self._first != first:
            self._kept = None  # so that two chunks are never held at once
            self._kept = np.asarray(self._array[self._place(slice(first, last))])
            self._first = first
        return self._kept[self._place(index - first)]

    def _place(self, where: int | slice) -> tuple[int | slice, ...]:
        return (slice(None),) * self._axis + (where,)


def _chunk_bounds(array: ArrayLike, axis: int) -> npt.NDArray[np.int64]:
    """Where chunks begin along an axis, and the end; single frames where a chunk's frames are too large to keep."""
    count = int(array.shape[axis])
    chunks = getattr(array, "chunks", None)
    frame_bytes = np.dtype(array.dtype).itemsize * math.prod(array.shape) // max(1, count)
    lengths: npt.NDArray[np.int64]
    if not chunks:
        lengths = np.ones(count, np.int64)
    elif isinstance(chunks[axis], int):
        length = min(max(1, chunks[axis]), max(1, count))
        lengths = np.full(-(-count // length), length, np.int64)
    else:
        lengths = np.array(chunks[axis], np.int64)
    if int(lengths.max(initial=1)) * frame_bytes > _KEPT_BYTES:
        lengths = np.ones(count, np.int64)
    bounds: npt.NDArray[np.int64] = np.minimum(np.concatenate([[0], np.cumsum(lengths)]), count)
    return bounds


def chunk_bytes(array: ArrayLike) -> int:
    """Bytes of a chunk of a stored array, which is decoded whole whatever part is asked for; 0 for other arrays."""
    chunks = getattr(array, "chunks", None)
    if not chunks or not all(isinstance(length, int) for length in chunks):
        return 0
    return int(math.prod(chunks) * np.dtype(array.dtype).itemsize)


def film_from_array(array: ArrayLike, *, frame_rate: float | None = None, name: str = "array") -> Film:
    """Return an array as a film; each frame is computed or read when asked.

    Parameters
    ----------
    array : numpy, dask or zarr array (T, Y, X) or (T, Y, X, C)
        C is 1 (grey), 2, 3 (RGB) or 4 (RGBA, whose alpha is dropped; integers of more than 8 bits are channels, of
        which the three brightest are shown). Anything with ``shape``, ``dtype`` and indexing.
    frame_rate : float, optional
        Frames a second.
    name : str
        What messages call it.

    Raises
    ------
    FilmError
        If the array's shape or type makes no film.
    """
    return array_film(array, None, frame_rate=frame_rate, name=name)


def array_film(
    array: ArrayLike, path: Path | None, *, frame_rate: float | None = None, name: str = "array"
) -> ArrayFilm:
    """As ``film_from_array``, for an array that lies at ``path``."""
    name = str(path) if path is not None else name
    if not isinstance(array, ArrayLike):
        raise FilmError(f"{name} is a {type(array).__name__}, not an array.", "Give a (T, Y, X[, C]) array.")
    shape = tuple(int(length) for length in array.shape)
    channels = shape[3] if len(shape) == 4 else 1
    if len(shape) not in (3, 4) or not 1 <= channels <= _MOST_CHANNELS:
        raise FilmError(
            f"{name} has the shape {shape}, which makes no film.",
            "Give (time, height, width), or (time, height, width, colour) with 1 to 4 colours.",
        )

    check_count(name, shape[0])
    source = FrameReader(array)
    # Four of 8 bits, or of real numbers, are red, green, blue and transparency; of wider integers they are channels.
    colours = channels == 3 or (channels == 4 and np.dtype(array.dtype).kind in "bf")
    colours |= channels == 4 and np.dtype(array.dtype) == np.uint8

    def read(index: int) -> Pixels:
        samples = source.frame(index)
        return samples.reshape(*samples.shape[:2], -1)

    return ArrayFilm(
        path,
        "array",
        read,
        (shape[0], shape[1], shape[2], channels),
        np.dtype(array.dtype),
        joint_range=colours,
        frame_rate=frame_rate,
        name=name,
        notes=(TRANSPARENCY_NOTE,) if colours and channels == 4 and path is not None else (),
        piece=chunk_bytes(array),
    )
