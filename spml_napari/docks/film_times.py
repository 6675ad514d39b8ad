"""Films in words: times, lengths, how many there are. No Qt."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Return a time as ``mm:ss.ff``, with hundredths; from an hour on ``h:mm:ss.ff``."""
    hundredths = round(max(seconds, 0.0) * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    words = f"{minutes:02d}:{rest // 100:02d}.{rest % 100:02d}"
    return f"{hours}:{words}" if hours else words


def length_in_words(count: int, frame_rate: float | None) -> str:
    """Return how long a film is: ``300 frames · 12 s``, ``4500 frames · 3 min``; frames alone without a rate."""
    frames = "1 frame" if count == 1 else f"{count} frames"
    if not frame_rate:
        return frames
    seconds = count / frame_rate
    if seconds < 10:
        length = f"{seconds:.1f} s"
    elif seconds < 120:
        length = f"{seconds:.0f} s"
    elif seconds < 7200:
        length = f"{seconds / 60:.0f} min"
    else:
        length = f"{seconds / 3600:.1f} h"
    return f"{frames} \u00b7 {length}"


def contents_in_words(pictures: int, films: int, frames: int = 0) -> str:
    """Return what a project holds: ``12 pictures, 1 film, 60 frames``; what there is none of is left out."""
    parts = [f"{pictures} picture{'' if pictures == 1 else 's'}"] if pictures or not films else []
    if films:
        parts.append(f"{films} film{'' if films == 1 else 's'}")
    if frames:
        parts.append(f"{frames} frame{'' if frames == 1 else 's'}")
    return ", ".join(parts)
