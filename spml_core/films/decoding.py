"""A video file's decoded frames, from any packet on.

A packet is known by its number, counted from the start of the file. Before it goes to the decoder its time
stamp is replaced by that number, and the decoder hands it on to the frame: so a frame is known for certain, even
where the file's own time stamps are missing, negative or double.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av.error
import numpy as np

from spml_core.films.container import open_video, read_packets
from spml_core.films.packet_table import NO_STAMP, Numbers, PacketTable

if TYPE_CHECKING:
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame

    from spml_core.films.container import Packet

_SEEK_SLACK = 64


class LostPlaceError(Exception):
    """The packets that came aren't those of the table."""


class Decoder:
    """Decodes a film's frames from any packet on.

    Parameters
    ----------
    path : Path
        A video file; it is held open until ``close``.
    table : PacketTable
        Its packets.
    """

    def __init__(self, path: Path, table: PacketTable) -> None:
        self.path = path
        self.table = table
        self.seeks = 0
        """How often the place in the file was changed: nothing when reading in order."""
        self._container, self._stream = open_video(path)
        self._stamp = _stamp(path)
        self._untouched = True
        keys = np.flatnonzero(table.key)
        self._longest_gap = int(np.diff(keys, append=len(table)).max(initial=0))
        self._by_position = _Lookup(table.position[keys], keys)
        self._by_pts = _Lookup(table.pts[keys], keys)

    @property
    def pixel_format(self) -> VideoFormat | None:
        """How the stream's samples are laid out, as far as its header says."""
        return self._stream.codec_context.format

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def frames_from(self, start: int) -> Iterator[tuple[int, VideoFrame]]:
        """Decode from a packet on, which is a key frame or 0.

        Yields
        ------
        (int, VideoFrame)
            The packet's number and its picture, in the order of display. Packets that can't be decoded yield
            nothing, as in any player.

        Raises
        ------
        LostPlaceError
            If the packets aren't those of the table: from 0 that means another file lies there now.
        """
        for number, packet in self._packets_from(start):
            packet.pts, packet.dts = number, None
            yield from self._decoded(packet)
        yield from self._decoded(None)

    def _decoded(self, packet: Packet | None) -> list[tuple[int, VideoFrame]]:
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            return []
        return [(int(frame.pts), frame) for frame in frames if frame.pts is not None]

    def _packets_from(self, start: int) -> Iterator[tuple[int, Packet]]:
        if start > 0:
            for stamp in self._seek_stamps(start):
                begun = self._sought(start, stamp)
                if begun is not None:
                    yield from begun
                    return
        yield from self._numbered(0, self._from_the_start(), start)

    def _from_the_start(self) -> Iterator[Packet]:
        if not self._untouched:
            self.seeks += 1
            container, stream = open_video(self.path)
            self._container.close()
            self._container, self._stream = container, stream
            if _stamp(self.path) != self._stamp:
                raise LostPlaceError
        self._untouched = False
        return read_packets(self._container, self._stream, self.path)

    def _seek_stamps(self, start: int) -> list[int]:
        """Time stamps to seek to, nearest first: containers differ in whether they look at dts or pts."""
        keys = np.flatnonzero(self.table.key[: start + 1])[::-1][:3]
        stamps: list[int] = []
        for key in keys:
            known = [int(s) for s in (self.table.pts[key], self.table.dts[key]) if s != NO_STAMP]
            if known:
                stamps.append(min(known))
        return stamps

    def _sought(self, start: int, stamp: int) -> Iterator[tuple[int, Packet]] | None:
        """Packets from ``start`` on after seeking to a time stamp, or None if that led astray."""
        self.seeks += 1
        self._untouched = False
        try:
            self._container.seek(stamp, stream=self._stream, backward=True)
        except av.error.FFmpegError:
            return None
        packets = read_packets(self._container, self._stream, self.path)
        for skipped, packet in enumerate(packets):
            number = self._number_of(packet)
            if number is not None:
                if number > start:
                    return None
                return self._numbered(number, _chain(packet, packets), start)
            if skipped > self._longest_gap + _SEEK_SLACK:
                return None
        return None

    def _number_of(self, packet: Packet) -> int | None:
        """Number of a key packet; None for others, and where place and time don't tell."""
        placed = packet.pos is not None and packet.pos >= 0
        number = self._by_position.find(packet.pos) if placed else self._by_pts.find(packet.pts)
        return number if number is not None and packet.size == self.table.size[number] else None

    def _numbered(self, first: int, packets: Iterator[Packet], start: int) -> Iterator[tuple[int, Packet]]:
        for number, packet in enumerate(packets, first):
            if number >= len(self.table):
                return
            if packet.size != self.table.size[number]:
                raise LostPlaceError
            if number >= start:
                yield number, packet


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _chain(first: Packet, rest: Iterator[Packet]) -> Iterator[Packet]:
    yield first
    yield from rest


class _Lookup:
    """Packet numbers by a value that each should have to itself."""

    def __init__(self, values: Numbers, numbers: Numbers) -> None:
        order = np.argsort(values, kind="stable")
        self._values, self._numbers = values[order], numbers[order]

    def find(self, value: int | None) -> int | None:
        """Return the one packet of this value; None if there is none, or several."""
        if value is None:
            return None
        first, end = np.searchsorted(self._values, [value, value + 1])
        return int(self._numbers[first]) if end - first == 1 else None
