"""Facts of every packet in a video file, read once without decoding a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spml_core.films.container import open_video, read_packets

NO_STAMP = np.iinfo(np.int64).min
"""Stands for a time stamp or a place in the file that the container doesn't give."""

_UNFRAMED = ("mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc")

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PacketTable:
    """Facts of each packet of a film's video stream, in the file's order; every array is (P,).

    ``pts``, ``dts`` (in ticks of ``time_base`` seconds) and ``position`` (bytes) hold NO_STAMP where unknown;
    ``shown`` is False for packets whose picture is never displayed.
    """

    pts: Numbers
    dts: Numbers
    position: Numbers
    size: Numbers
    key: Flags
    shown: Flags
    time_base: float

    def __len__(self) -> int:
        return len(self.pts)


@dataclass(frozen=True)
class Promise:
    """What a file's header says: frames (0: nothing said), mean rate, seconds; and what its end is like.

    ``damaged_end``: the last packet is cut off. ``open_end``: a format in which that can't be seen.
    """

    frames: int
    rate: float | None
    seconds: float | None
    damaged_end: bool
    open_end: bool


def read_table(path: Path) -> tuple[PacketTable, Promise]:
    """Read every packet of a video file, decoding none.

    Raises
    ------
    FilmError
        If the file can't be opened or read.
    """
    container, stream = open_video(path)
    rows: list[tuple[int, int, int, int]] = []
    key: list[bool] = []
    shown: list[bool] = []
    damaged_end = False
    try:
        hides = stream.codec_context.name in ("vp8", "libvpx")
        for packet in read_packets(container, stream, path):
            pts = NO_STAMP if packet.pts is None else packet.pts
            dts = NO_STAMP if packet.dts is None else packet.dts
            position = NO_STAMP if packet.pos is None or packet.pos < 0 else packet.pos
            rows.append((pts, dts, position, packet.size))
            key.append(packet.is_keyframe)
            # VP8 stores pictures to predict from as packets of their own; RFC 6386 9.1: show_frame is bit 4.
            hidden = hides and not bytes(packet)[0] & 0x10
            shown.append(not (packet.is_discard or hidden))
            damaged_end = packet.is_corrupt
        promise = Promise(
            int(stream.frames),
            float(stream.average_rate) if stream.average_rate else None,
            _seconds(stream.metadata.get("DURATION", "")),
            damaged_end,
            container.format.name in _UNFRAMED,
        )
        time_base = float(stream.time_base or 1)
    finally:
        container.close()
    columns = np.array(rows, np.int64).reshape(-1, 4).T.copy()
    flags = np.array(key, bool), np.array(shown, bool)
    table = PacketTable(columns[0], columns[1], columns[2], columns[3], *flags, time_base=time_base)
    if damaged_end:
        # Half a picture: the decoder would fill the rest with grey, and say nothing.
        table.shown[-1] = False
    return table, promise


def _seconds(clock: str) -> float | None:
    """Seconds of Matroska's "01:02:03.5"; None for anything else."""
    try:
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return None
