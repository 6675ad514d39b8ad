"""A TIFF stack as a film: one page, or one plane of an ImageJ or OME hyperstack, a frame."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from spml_core.errors import FilmError
from spml_core.films.arrays import ArrayFilm
from spml_core.films.film import check_size, checked_rate
from spml_core.films.steady_scaling import Pixels
from spml_core.images.sources import turned
from spml_core.images.tiff import Light, alike, colour_channels, orientation_of, others_note, rgb_note
from spml_core.images.tiff_pages import open_pages

_GREY_OR_RGB = ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE", "YCBCR")
_MOST_CHANNELS = 4
_CONVERT = "Save it as an ordinary grey or RGB stack."


def stack_pages(path: Path) -> int:
    """Number of frames a TIFF file would make; 0 where it is no TIFF that can be read."""
    try:
        with open_pages(path) as tiff:
            return _Layout(path, tiff).count
    # Damaged files make tifffile raise anything from KeyError to struct.error.
    except Exception:
        return 0


def open_stack(path: Path, frame_rate: float | None = None, *, as_stored: bool = False) -> ArrayFilm:
    """Open a TIFF stack; its pages are read when asked.

    The frames go along T, where there is one, else along Z or the unnamed axis of pages. Channels on pages of
    their own (ImageJ and OME composites) are gathered.

    Parameters
    ----------
    path : Path
        The file.
    frame_rate : float, optional
        Frames a second. Without it ImageJ's frame interval is taken, if the file has one.
    as_stored : bool
        Leave frames as they lie in the file, not upright as its tag says.

    Raises
    ------
    FilmError
        If the file isn't a TIFF, holds a single picture, or has several axes that could be time.
    """
    try:
        tiff = open_pages(path)
    except FileNotFoundError as error:
        raise FilmError(
            f"There is no film {path}.", "If it was moved or renamed, say where it is now."
        ) from error
    except Exception as error:
        raise _unreadable(path, error) from error
    try:
        return _film(path, tiff, frame_rate, as_stored)
    except FilmError:
        tiff.close()
        raise
    except Exception as error:
        tiff.close()
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> FilmError:
    reason = (str(error) or type(error).__name__).rstrip(".")
    return FilmError(
        f"{path} can't be read: {reason}.", "The file may be truncated or damaged: save it anew."
    )


def _film(path: Path, tiff: tifffile.TiffFile, frame_rate: float | None, as_stored: bool) -> ArrayFilm:
    layout = _Layout(path, tiff)
    if layout.count < 2:
        layout.take_channels_for_frames()
    if layout.count < 2:
        raise FilmError(f"{path} is a single picture, not a film.", "Add it to the project as a picture.")
    page = layout.page
    photometric = tifffile.PHOTOMETRIC(page.photometric).name
    if photometric not in _GREY_OR_RGB:
        raise FilmError(f"{path} is in the colour space {photometric}.", _CONVERT)
    check_size(str(path), (page.imagelength, page.imagewidth), layout.frame_bytes)
    frames = _StackFrames(layout, photometric, 1 if as_stored else orientation_of(page))
    sample = frames.read(0)
    notes = list(others_note(tiff))
    if frames.colours_left_out:
        notes.append(rgb_note(frames.colours_left_out))
    return ArrayFilm(
        path,
        "stack",
        frames.read,
        (layout.count, *sample.shape),
        sample.dtype,
        joint_range=photometric in ("RGB", "YCBCR", "PALETTE"),
        frame_rate=frame_rate if frame_rate is not None else _imagej_rate(tiff),
        close=tiff.close,
        notes=tuple(notes),
    )


class _Layout:
    """Where a file's frames lie: ``axes`` of its series, the one that counts frames, and how many there are."""

    def __init__(self, path: Path, tiff: tifffile.TiffFile) -> None:
        series = tiff.series[0]
        self.path = path
        self.byteorder = tiff.byteorder
        self.page: Any = series.keyframe
        self.all_series = alike(tiff)
        self.axes: str = series.axes
        self.shape: tuple[int, ...] = series.shape
        long = [
            (axis, place)
            for place, (axis, length) in enumerate(zip(self.axes, self.shape, strict=True))
            if length > 1 and axis not in "YXS" and axis != "C"
        ]
        if len(long) + (len(self.all_series) > 1) > 1:
            lengths = ", ".join(f"{axis} = {self.shape[place]}" for axis, place in long)
            raise FilmError(
                f"{path} has more than one axis that could be time: {lengths}.",
                "Save one plane (or a projection) of each time point.",
            )
        self.frame_axis = long[0][1] if long else None
        self.count = self.shape[long[0][1]] if long else len(self.all_series)
        # What is decoded at once of a compressed page: all of it, or a strip or tile of more than that.
        rows, columns = (
            (self.page.tilelength, self.page.tilewidth)
            if self.page.is_tiled
            else (self.page.imagelength, self.page.imagewidth)
        )
        one = max(math.prod(self.shape) // max(1, self.count if long else 1), rows * columns)
        self.frame_bytes = one * series.dtype.itemsize

    def take_channels_for_frames(self) -> None:
        """Let more than four channels be frames, now that a film was asked for: ImageJ's plain stacks say C."""
        place = self.axes.find("C")
        if place >= 0 and self.shape[place] > _MOST_CHANNELS:
            self.frame_axis, self.count = place, self.shape[place]


class _StackFrames:
    """Samples of single frames, growing with brightness."""

    def __init__(self, layout: _Layout, photometric: str, orientation: int) -> None:
        self._layout = layout
        self._orientation = orientation
        self._photometric = photometric
        self.colours_left_out = 0
        """How many channels a colour film has, if there are more than red, green and blue."""
        self._light = Light(layout.page, photometric)
        self._stored: Any = None
        if layout.frame_axis is not None:
            self._stored = _lazy(layout)

    def read(self, index: int) -> Pixels:
        """Return frame ``index``, (H, W, C)."""
        layout = self._layout
        axes = layout.axes
        if layout.frame_axis is None:
            samples = np.asarray(layout.all_series[index].asarray())
        else:
            place = tuple(index if a == layout.frame_axis else slice(None) for a in range(len(axes)))
            samples = np.array(self._stored[place])
            axes = axes[: layout.frame_axis] + axes[layout.frame_axis + 1 :]
        return turned(self._channels_of(self._light.of(_channels_last(samples, axes))), self._orientation)

    def _channels_of(self, samples: Pixels) -> Pixels:
        """Samples without transparency and, of a colour film, without what is behind red, green and blue."""
        count = colour_channels(self._layout.page, self._photometric, samples.shape[2])
        if self._photometric in ("RGB", "YCBCR") and count > 3:
            self.colours_left_out, count = count, 3
        return samples[..., :count]


class _Mapped:
    """Samples that lie plainly in the file; mapped anew for each frame, so that none stays in memory."""

    def __init__(self, path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> None:
        self._facts = (path, dtype, "r", offset, shape)

    def __getitem__(self, place: Any) -> Pixels:
        path, dtype, mode, offset, shape = self._facts
        mapped: Pixels = np.memmap(path, dtype, mode, offset, shape)  # type: ignore[call-overload]
        return np.array(mapped[place], dtype.newbyteorder("="))


def _lazy(layout: _Layout) -> Any:
    """Return the series as an array whose parts are read when asked."""
    series = layout.all_series[0]
    if series.dataoffset is not None and layout.page.is_memmappable:
        dtype = series.dtype.newbyteorder(layout.byteorder)
        return _Mapped(layout.path, dtype, series.dataoffset, series.shape)
    import zarr  # heavy, and needed for compressed stacks only

    return zarr.open_array(series.aszarr(level=0), mode="r")


def _channels_last(samples: Pixels, axes: str) -> Pixels:
    """Return (H, W, C): axes of length one dropped, channels (C on pages, S in pixels) at the end."""
    order = [axes.index("Y"), axes.index("X")]
    colours = [place for place, axis in enumerate(axes) if axis in "CS" and samples.shape[place] > 1]
    rest = [place for place in range(len(axes)) if place not in order + colours]
    height, width = samples.shape[order[0]], samples.shape[order[1]]
    return samples.transpose(*order, *colours, *rest).reshape(height, width, -1)


def _imagej_rate(tiff: tifffile.TiffFile) -> float | None:
    """Frames a second by ImageJ's frame interval (seconds), where the file has one."""
    interval = (tiff.imagej_metadata or {}).get("finterval") if tiff.is_imagej else None
    if not isinstance(interval, int | float) or not 0 < interval < float("inf"):
        return None
    return checked_rate(1 / interval)
