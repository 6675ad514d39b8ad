"""A video file as a film: exact frames, forward, backward and at random."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np

from spml_core.errors import FilmError
from spml_core.films.container import DAMAGED
from spml_core.films.decoding import Decoder, LostPlaceError
from spml_core.films.film import Film, Rgb
from spml_core.films.index_file import stored_index
from spml_core.films.steady_scaling import Pixels, SteadyScaling

if TYPE_CHECKING:
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame

KEPT_BYTES = 64 << 20
"""Frames kept for stepping backward take at most this much memory."""

_BACK_AT_ONCE = 8


class VideoFilm(Film):
    """A film in a video file (mp4, avi, mov, mkv, webm, mpg and their like).

    Frame i is the i-th picture that decoding from the start gives. Reading on from the last frame never seeks.
    A step backward decodes the group of pictures before, and keeps its last frames for the next steps.
    Grey and RGB of more than 8 bits, and YUV of 16, are measurements rather than films to look at: they are scaled by
    one range for all frames, as stacks are. Other YUV is shown as a player shows it.

    Parameters
    ----------
    path : Path
        The file, held open until ``close``.
    frame_rate : float, optional
        Used only where the file carries no times.
    index_folder : Path, optional
        Where the frame index may be kept, so that the film opens at once the next time.

    Raises
    ------
    FilmError
        If the file can't be opened or decoded.
    """

    def __init__(self, path: Path, frame_rate: float | None = None, index_folder: Path | None = None) -> None:
        index = stored_index(path, index_folder)
        times, rate = index.times, index.frame_rate
        if rate is None and frame_rate is not None:
            times, rate = times / frame_rate, frame_rate
        super().__init__(
            path,
            "video",
            index.orientation.turned_size(index.stored_size),
            times,
            frame_rate=rate,
            variable_rate=index.variable_rate,
            warnings=index.warnings,
        )
        self._index = index
        self._decoder = Decoder(path, index.table)
        self._rank = np.full(len(index.table), -1, np.int64)
        self._rank[index.order] = np.arange(len(index.order))
        self._running: Iterator[tuple[int, VideoFrame]] | None = None
        self._reached = -1  # the last frame that came from the decoder
        self._last_asked = -1
        self._kept: dict[int, Pixels] = {}
        self._deep = _deep_format(self._decoder.pixel_format)
        self._scaling: SteadyScaling | None = None
        if self._deep is not None:
            # Not the film itself: a film that is dropped lets go of its file at once.
            film = ref(self)

            def read(asked: int) -> Pixels:
                alive = film()
                assert alive is not None  # it is the one who asks
                return alive._samples(asked)

            joint = self._deep != "gray16le"
            self._scaling = SteadyScaling(str(path), read, self.count, np.dtype(np.uint16), joint)

    def close(self) -> None:
        """Close the file and let go of kept frames."""
        if not self._closed:
            self._running = None
            self._kept.clear()
            self._decoder.close()
        super().close()

    def _read(self, index: int) -> Rgb:
        return self._samples(index) if self._scaling is None else self._scaling.rgb(index)

    def _samples(self, index: int) -> Pixels:
        backward = 0 < self._last_asked - index <= self._room
        self._last_asked = index
        if index in self._kept:
            return self._kept[index].copy()
        keep_from = max(0, index - self._room + 1) if backward else index
        if self._running is not None and self._is_ahead(index):
            found = self._decode_to(index, keep_from)
            if found is not None:
                return found
        # Groups of pictures may be as short as one frame: going back, several are decoded at once.
        aim = max(keep_from, index - _BACK_AT_ONCE + 1)
        for start in self._places_to_start(aim):
            self._running = self._decoder.frames_from(start)
            self._reached = -1
            found = self._decode_to(index, keep_from)
            if found is not None:
                return found
        raise FilmError(
            f"Frame {index} of {self.path} (at {self.times[index]:.2f} s) can't be decoded.", DAMAGED
        )

    def _places_to_start(self, index: int) -> tuple[int, ...]:
        """Packets: the key frame before a frame, and the one before that, should damage have lost the frame."""
        starts = self._index.starts
        group = int(np.searchsorted(starts, starts[index]))
        return (int(starts[index]), int(starts[group - 1])) if group else (int(starts[index]),)

    @property
    def _room(self) -> int:
        """How many frames may be kept, at least one."""
        height, width = self.size
        return max(1, KEPT_BYTES // ((3 if self._deep is None else 6) * height * width))

    def _is_ahead(self, index: int) -> bool:
        """Whether going on decoding leads to a frame no slower than seeking."""
        if index == self._reached + 1:
            return True
        starts = self._index.starts
        return 0 <= self._reached < index and starts[index] <= self._index.order[self._reached]

    def _decode_to(self, index: int, keep_from: int) -> Pixels | None:
        """Decode on to a frame, keeping those from ``keep_from`` on; None if the decoder left it out."""
        assert self._running is not None
        self._kept.clear()
        try:
            for number, frame in self._running:
                rank = int(self._rank[number])
                if rank < 0:
                    continue
                self._reached = rank
                if keep_from <= rank < index:
                    self._kept[rank] = self._upright(rank, frame)
                elif rank == index:
                    return self._upright(rank, frame)
                elif rank > index:
                    break
        except LostPlaceError as error:
            self._running = None
            raise FilmError(
                f"{self.path} has changed since it was opened.", "Open the film again."
            ) from error
        self._running = None
        return None

    def _upright(self, index: int, frame: VideoFrame) -> Pixels:
        stored = (frame.height, frame.width)
        if stored != self._index.stored_size:
            height, width = self._index.stored_size
            raise FilmError(
                f"Frame {index} of {self.path} is {stored[0]} x {stored[1]} pixels, frame 0 is"
                f" {height} x {width}.",
                f"Cut the film before frame {index}, or convert it to one size.",
            )
        if self._deep is None:
            return self._index.orientation.upright(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
        samples: Pixels = frame.to_ndarray(format=self._deep)
        return self._index.orientation.upright(samples.reshape(*stored, -1))


def _deep_format(stored: VideoFormat | None) -> str | None:
    """How to decode samples that 8 bits can't hold; None where they are to be shown as they are."""
    if stored is None or not stored.components:
        return None
    bits = max(component.bits for component in stored.components)
    if bits <= 8:
        return None
    if sum(not component.is_alpha for component in stored.components) == 1:
        return "gray16le"
    return "rgb48le" if stored.is_rgb or bits >= 16 else None
