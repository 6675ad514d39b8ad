"""A film with its classes blended in, for people to look at."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from spml_core.classes import ClassTable
from spml_core.errors import FilmError
from spml_core.io.atomic import storage_errors
from spml_core.io.exports.exporter import ExportOptions
from spml_core.io.exports.films.exporter import FilmExporter, FilmHead, LabelledFrame, PendingFile
from spml_core.io.exports.overlay import blend, overlay_colors

_TICKS = 60_000
"""Ticks a second: MPEG-4 part 2 allows up to 65,535; frames of 24, 25, 30, 50, 60 and 29.97 a second are whole."""

_BT601 = 6

# Constant quality: hardly to be told from the original.
_ENCODERS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libopenh264": {"rc_mode": "quality"},
    "mpeg4": {"flags": "+qscale", "global_quality": "354"},
}


class OverlayMp4Exporter(FilmExporter):
    """``NAME.mp4``: the film, each class but the background in its colour with a contour, frames shown when they were.

    H.264 if the encoder is there, else MPEG-4 part 2; 4:2:0, BT.601. Sides of an odd length get one pixel more, like
    the last. Frames without labels are as they were. No sound.
    """

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions, film: FilmHead) -> None:
        super().__init__(out, classes, options, film)
        self._colors, self._tinted = overlay_colors(classes, options)
        rate = film.frame_rate
        self._rate = options.frame_rate if rate is None else rate
        self._ticks = ticks_of(np.arange(film.count) / self._rate if rate is None else film.times)
        self._pending = PendingFile(out / f"{film.name}.mp4")
        self._container: Any = None
        try:
            self._container = av.open(self._pending.file, "w", format="mp4")
            self._stream = self._new_stream()
        except BaseException:
            self.close()
            raise

    @property
    def needs_pictures(self) -> bool:  # noqa: D102
        return True

    def add(self, frame: LabelledFrame) -> Path:  # noqa: D102
        rgb = frame.read_rgb()
        if frame.labels is not None:
            rgb = blend(rgb, frame.labels, self._colors, self._tinted, self.options.opacity)
        height, width = rgb.shape[:2]
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        shown.pts = int(self._ticks[frame.index])
        shown.time_base = Fraction(1, _TICKS)
        shown.duration = int(self._ticks[frame.index + 1] - self._ticks[frame.index])
        self._encode(shown)
        return self._pending.path

    def finish(self) -> None:  # noqa: D102
        self._encode(None)
        container, self._container = self._container, None
        with self._errors():
            container.close()
        self._pending.keep()

    def close(self) -> None:  # noqa: D102
        container, self._container = self._container, None
        if container is not None:
            # It writes an end to a file that is dropped; on a full disk it can't.
            with contextlib.suppress(OSError, ValueError, av.FFmpegError):
                container.close()
        self._pending.drop()

    def _new_stream(self) -> Any:
        height, width = self.film.size
        name = encoder_name()
        with self._errors():
            rate = Fraction(self._rate).limit_denominator(1001)
            stream: Any = self._container.add_stream(name, rate=max(rate, Fraction(1, 1001)))
            stream.width, stream.height = width + width % 2, height + height % 2
            stream.pix_fmt = "yuv420p"
            stream.options = _ENCODERS[name]
            context = stream.codec_context
            context.time_base = stream.time_base = Fraction(1, _TICKS)
            context.colorspace = context.color_primaries = context.color_trc = _BT601
        return stream

    def _encode(self, frame: av.VideoFrame | None) -> None:
        with self._errors():
            for packet in self._stream.encode(frame):
                self._container.mux(packet)

    @contextlib.contextmanager
    def _errors(self) -> Any:
        path = self._pending.path
        with storage_errors(path):
            try:
                yield
            except OSError:
                raise
            except (av.FFmpegError, ValueError) as error:
                height, width = self.film.size
                raise FilmError(
                    f"{path} can't be encoded ({encoder_name()}, {width} x {height} pixels): {error}.",
                    "Export as tiff or ome-zarr, which take any size.",
                ) from error


def encoder_name() -> str:
    """Name of the best video encoder that is there: H.264, else MPEG-4 part 2.

    Raises
    ------
    FilmError
        If there is none.
    """
    for name in _ENCODERS:
        with contextlib.suppress(av.codec.codec.UnknownCodecError):
            return str(av.codec.Codec(name, "w").name)
    raise FilmError(
        f"None of the video encoders {', '.join(_ENCODERS)} is there.", "Install the package av from a wheel."
    )


def ticks_of(times: NDArray[np.float64]) -> NDArray[np.int64]:
    """When frames are shown, and when the last one ends.

    Parameters
    ----------
    times : ndarray, (count,) float64
        Seconds.

    Returns
    -------
    ndarray, (count + 1,) int64
        In 1/60,000 s, strictly ascending; the last frame is shown as long as the one before, or a second.
    """
    ticks = np.rint(np.asarray(times) * _TICKS).astype(np.int64)
    last = ticks[-1] - ticks[-2] if len(ticks) > 1 else _TICKS
    ticks = np.append(ticks, ticks[-1] + max(int(last), 1))
    steps = np.arange(len(ticks))
    # Frames closer than a tick are pushed on, each at least one behind the last.
    ascending: NDArray[np.int64] = np.maximum.accumulate(ticks - steps) + steps
    return ascending
