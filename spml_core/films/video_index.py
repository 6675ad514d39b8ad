"""Which frames a video file holds, when each is shown, and where decoding must begin to get each exactly.

The packets are read once without decoding; the order of display is that of their time stamps. Decoding the
first and the last group of pictures then proves the table. Where it proves wrong (damaged files, files without
time stamps, streams glued together), the whole film is decoded once, and the decoder's own order is taken.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.video.frame import PictureType

from spml_core.errors import FilmError
from spml_core.films.container import DAMAGED
from spml_core.films.decoding import Decoder, LostPlaceError
from spml_core.films.film import Times, check_size
from spml_core.films.orientation import Orientation, orientation_of
from spml_core.films.packet_table import Numbers, PacketTable, Promise, read_table
from spml_core.films.timeline import agreeing, display_order, frame_times, mean_rate, start_packets

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

HEAD_PACKETS = 300
"""At most so many packets from the start are decoded to prove the table: one group of pictures and a bit."""

_AFTER_SECOND_KEY = 24
_PREDICTED = (PictureType.P, PictureType.B)


@dataclass(frozen=True)
class VideoIndex:
    """A video's frames in order of display.

    Attributes
    ----------
    table : PacketTable
        The packets, in the file's order.
    order, starts : ndarray (count,), int64
        The packet that holds each frame, and the packet from which decoding leads to it exactly.
    times : ndarray (count,), float64
        Seconds from the first frame.
    stored_size : (int, int)
        Height and width before turning upright.
    orientation : Orientation
        How to turn frames upright.
    frame_rate : float or None
        Mean frames a second.
    variable_rate : bool
        Whether the gaps between frames differ.
    warnings : tuple of str
        What a user should know.
    """

    table: PacketTable
    order: Numbers
    starts: Numbers
    times: Times
    stored_size: tuple[int, int]
    orientation: Orientation
    frame_rate: float | None
    variable_rate: bool
    warnings: tuple[str, ...]


def build_index(path: Path) -> VideoIndex:
    """Read a video file's packets, prove their order, and return its index.

    Raises
    ------
    FilmError
        If the file isn't a film that can be decoded here, or not one frame of it can.
    """
    table, promise = read_table(path)
    decoder = Decoder(path, table)
    try:
        return _Survey(path, table, decoder, promise).index()
    except LostPlaceError as error:
        raise FilmError(f"{path} changed while it was read.", "Wait until it is copied.") from error
    finally:
        decoder.close()


@dataclass
class _Survey:
    """The steps from packets to an index."""

    path: Path
    table: PacketTable
    decoder: Decoder
    promise: Promise
    notes: list[str] = field(default_factory=list)

    def index(self) -> VideoIndex:
        """Take the steps, quick ones first."""
        table = self.table
        head = self._decode_head()
        first = head.first
        if first is None:
            raise FilmError(f"{self.path} holds no frame that can be decoded.", DAMAGED)
        order = display_order(table)
        if order is not None:
            order = agreeing(order, head.numbers)
        if order is not None:
            self._check_keys(order, head)
            order = self._cut_tail(order)
        if order is None:
            order = self._decode_all()
        if self.promise.open_end and not self.promise.damaged_end:
            order = self._drop_half_a_frame(order)
        times, has_times = frame_times(table, order, self.promise.rate)
        losses = self._losses(times)
        stored_size = (first.height, first.width)
        order, size_warning = self._cut_at_new_size(order, stored_size)
        times = times[: len(order)]
        orientation = orientation_of(first)
        check_size(str(self.path), orientation.turned_size(stored_size))
        rate, variable = mean_rate(times, table.time_base, self.promise.rate, has_times)
        starts = start_packets(table, order)
        warnings = (*losses, *size_warning, *self.notes)
        return VideoIndex(table, order, starts, times, stored_size, orientation, rate, variable, warnings)

    def _decode_head(self) -> _Head:
        """Decode from the start to a bit after the second key frame."""
        table = self.table
        keys = np.flatnonzero(table.key)
        stop = min(int(keys[1]) + _AFTER_SECOND_KEY if len(keys) > 1 else len(table), HEAD_PACKETS)
        head = _Head([], {}, None)
        for number, frame in self.decoder.frames_from(0):
            if head.first is None:
                head.first = frame
            if number >= stop:
                break
            if table.shown[number]:
                head.numbers.append(number)
                if len(keys) > 1 and number >= keys[1]:
                    head.sums[number] = checksum(frame)
        return head

    def _check_keys(self, order: Numbers, head: _Head) -> None:
        """See whether decoding from the second key frame gives the pixels that decoding from the start gives.

        It doesn't where key frames are only points from which a decoder recovers little by little
        (intra refresh).
        """
        known = len(head.numbers)
        starts = start_packets(self.table, order)[:known]
        start = int(starts[-1])
        left = {int(number) for number in order[:known][starts == start]}
        if self.promise.open_end:
            left.discard(len(self.table) - 1)  # perhaps half a frame, which is another matter
        if start == 0 or not left:
            return
        for number, frame in self.decoder.frames_from(start):
            if number == start and frame.pict_type in _PREDICTED:
                break
            if number in left:
                left.remove(number)
                if checksum(frame) != head.sums[number]:
                    break
            if not left:
                return
        self._distrust_keys()

    def _distrust_keys(self) -> None:
        self.table.key[1:] = False
        self.notes.append(
            f"{self.path} has no key frames to start from: going back is slow."
            " Convert it to mp4 (H.264) with a video converter to make it quick."
        )

    def _cut_tail(self, order: Numbers) -> Numbers | None:
        """Order without the last frames that can't be decoded; None if frames lack before the last ones."""
        end = len(order)
        starts = start_packets(self.table, order)
        while end:
            start = int(starts[end - 1])
            delivered = {number: frame.pict_type for number, frame in self.decoder.frames_from(start)}
            if start and delivered.get(start) in _PREDICTED:
                self._distrust_keys()
                return None
            group = np.flatnonzero(starts[:end] == start)
            there = np.isin(order[group], list(delivered))
            if there.any():
                kept = int(np.argmin(there)) if not there.all() else len(group)
                if there[kept:].any():
                    return None
                return order[: int(group[0]) + kept]
            end = int(group[0])
        return None

    def _drop_half_a_frame(self, order: Numbers) -> Numbers:
        """Order without the last packet's frame, if the decoder makes something else of it each time.

        It fills what is missing of a cut-off frame from whatever it decoded before.
        """
        last = int(order.max())
        starts = start_packets(self.table, order)
        start = int(starts[int(np.flatnonzero(order == last)[0])])
        before = starts[starts < start]
        sums = {self._sum_of(last, begin) for begin in (start, int(before[-1]) if len(before) else 0)}
        if len(sums) == 1 or len(order) == 1:
            return order
        self.table.shown[last] = False
        self.promise = replace(self.promise, damaged_end=True)
        whole: Numbers = order[order != last]
        return whole

    def _sum_of(self, number: int, start: int) -> int | None:
        found = (checksum(frame) for decoded, frame in self.decoder.frames_from(start) if decoded == number)
        return next(found, None)

    def _decode_all(self) -> Numbers:
        """Order in which the decoder itself hands out the whole film."""
        numbers = [n for n, _ in self.decoder.frames_from(0) if self.table.shown[n]]
        if not numbers:
            raise FilmError(f"{self.path} holds no frame that can be decoded.", DAMAGED)
        return np.array(list(dict.fromkeys(numbers)), np.int64)

    def _cut_at_new_size(
        self, order: Numbers, stored_size: tuple[int, int]
    ) -> tuple[Numbers, tuple[str, ...]]:
        """End the film where its frames take another size for good; found by halving the key frames."""
        starts = start_packets(self.table, order)
        # The first frame after each place where decoding can begin.
        places = np.flatnonzero(np.diff(starts, prepend=-1))
        if self._size_of(order, starts, int(places[-1])) in (stored_size, None):
            return order, ()
        low, high = 0, len(places) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._size_of(order, starts, int(places[middle])) in (stored_size, None):
                low = middle
            else:
                high = middle
        cut = int(places[high])
        size = self._size_of(order, starts, cut)
        assert size is not None
        was = f"{stored_size[0]} x {stored_size[1]}"
        return order[:cut], (
            f"Frame {cut} of {self.path} is {size[0]} x {size[1]} pixels, those before it {was}:"
            f" the film ends before it. Save the rest as a film of its own.",
        )

    def _size_of(self, order: Numbers, starts: Numbers, index: int) -> tuple[int, int] | None:
        for number, frame in self.decoder.frames_from(int(starts[index])):
            if number == order[index]:
                return frame.height, frame.width
        return None

    def _losses(self, times: Times) -> tuple[str, ...]:
        """A warning if fewer frames can be read than the file should hold."""
        shown, promise, readable = self.table.shown, self.promise, len(times)
        meant = max(promise.frames - int(np.count_nonzero(~shown)), int(np.count_nonzero(shown)))
        meant += promise.damaged_end
        if readable < meant:
            return (
                f"{self.path} is damaged or cut off: {meant - readable} of its {meant} frames can't be read;"
                f" {readable} can. Copy it again if there is a whole one.",
            )
        gap = float(np.diff(times).max(initial=0))
        if promise.seconds is not None and times[-1] + 2 * gap < promise.seconds:
            return (
                f"{self.path} is cut off: it ends after {times[-1] + gap:.2f} of {promise.seconds:.2f} seconds."
                " Copy it again if there is a whole one.",
            )
        return ()


@dataclass
class _Head:
    """The first frames decoded from the start: packets, checksums from the second key frame on, first picture."""

    numbers: list[int]
    sums: dict[int, int]
    first: VideoFrame | None


def checksum(frame: VideoFrame) -> int:
    """Checksum of a decoded frame's samples."""
    return zlib.crc32(frame.to_ndarray(format="rgb24").tobytes())
