"""From packets to frames: order of display, times, and where decoding must begin. Plain functions on arrays."""

from __future__ import annotations

import numpy as np

from spml_core.films.film import Times, even_times
from spml_core.films.packet_table import NO_STAMP, Numbers, PacketTable

_MOST_REORDERED = 32
_RATE_SPREAD = 0.2
_RATE_ROUNDING = 0.02


def display_order(table: PacketTable) -> Numbers | None:
    """Packets in order of display, by their time stamps; None where these don't tell it.

    They don't where one is missing or double, or out of place by more than a decoder can reorder.
    """
    shown = np.flatnonzero(table.shown)
    stamps = table.pts[shown]
    if not len(stamps) or (stamps == NO_STAMP).any():
        return None
    by_time = np.argsort(stamps, kind="stable")
    if (np.diff(stamps[by_time]) == 0).any():
        return None
    if np.abs(by_time - np.arange(len(by_time))).max() > _MOST_REORDERED:
        return None
    ordered: Numbers = shown[by_time]
    return ordered


def agreeing(order: Numbers, decoded: list[int]) -> Numbers | None:
    """Order from the first frame that was decoded from the start; None if the two don't agree."""
    if not decoded:
        return None
    begin = np.flatnonzero(order == decoded[0])
    if not len(begin):
        return None
    order = order[int(begin[0]) :]
    return order if np.array_equal(order[: len(decoded)], decoded) else None


def start_packets(table: PacketTable, order: Numbers) -> Numbers:
    """Packet from which to decode to get each frame exactly: (count,), int64.

    It is the last key frame stored and shown no later than the frame. Frames stored after a key frame but shown
    before it (open groups of pictures) also need the group before.
    """
    rank = np.full(len(table), -1, np.int64)
    rank[order] = np.arange(len(order))
    keys = np.flatnonzero(table.key)
    # A key frame that isn't shown itself counts where the next shown packet stands.
    following = np.flatnonzero(rank >= 0)
    at = np.searchsorted(following, keys)
    keys, at = keys[at < len(following)], at[at < len(following)]
    shown_at = np.maximum.accumulate(rank[following[at]]) if len(keys) else rank[:0]
    stored = np.searchsorted(keys, order, side="right")
    shown = np.searchsorted(shown_at, np.arange(len(order)), side="right")
    chosen = np.minimum(stored, shown) - 1
    starts = np.zeros(len(order), np.int64)
    inside = chosen > 0  # before the second key frame one begins at the very start
    starts[inside] = keys[chosen[inside]]
    return starts


def frame_times(table: PacketTable, order: Numbers, rate: float | None) -> tuple[Times, bool]:
    """Seconds of each frame from the first, (count,), and whether they are the file's own.

    Where time stamps jump back (streams glued together) the usual gap stands in.
    """
    stamps = table.pts[order]
    if (stamps == NO_STAMP).any():
        return even_times(len(order), rate), False
    gaps = np.diff(stamps)
    forward = gaps > 0
    if forward.all():
        return (stamps - stamps[0]) * table.time_base, True
    if not forward.any():
        return even_times(len(order), rate), False
    gaps = np.where(forward, gaps, np.median(gaps[forward]))
    return np.concatenate([[0.0], np.cumsum(gaps * table.time_base)]), True


def mean_rate(
    times: Times, time_base: float, promised: float | None, has_times: bool
) -> tuple[float | None, bool]:
    """Mean frames a second, and whether the gaps spread by more than the container's rounding."""
    if len(times) < 2 or not has_times:
        return promised, False
    measured = float((len(times) - 1) / times[-1])
    gaps = np.diff(times)
    usual = float(np.median(gaps))
    variable = bool(np.abs(gaps - usual).max() > _RATE_SPREAD * usual + 2 * time_base)
    if not variable and promised and abs(measured / promised - 1) < _RATE_ROUNDING:
        return promised, False  # the exact one: Matroska rounds times to milliseconds
    return measured, variable
