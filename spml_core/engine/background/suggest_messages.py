"""Messages about suggestions, and about which picture to mark next. As in ``messages``; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Suggest:
    """Label a picture from its marks, which are on the disk; answered by :class:`Suggested`.

    A new one takes the place of any that isn't answered yet, whatever picture it is about.

    Attributes
    ----------
    request, picture_id : int
    shrink : int
        The answer is this many times smaller than the picture.
    quality : str
        ``"pixels"``, ``"regions"`` or ``"crf"``.
    level : int
        How many regions to click on, about.
    regions : bool
        Whether the regions are wanted, too. They are the same for all marks.
    """

    request: int
    picture_id: int
    shrink: int = 1
    quality: str = "pixels"
    level: int = 150
    regions: bool = True


@dataclass(frozen=True)
class Suggested:
    """Answer to :class:`Suggest`; a second one may follow once more is known, of other pictures' marks for instance.

    Attributes
    ----------
    request, picture_id : int
    shrink : int
    labels : ndarray, (h, w) uint8
        A class of today, K where nothing can be said, 255 where void was painted.
    uncertainty : ndarray, (h, w) uint8
        255 for all classes alike; 0 under marks.
    regions : ndarray, (h, w) int32, or None
        Regions to click on, numbered from 0; None if they weren't asked for.
    next_region : int or None
        The region whose answer would teach most.
    """

    request: int
    picture_id: int
    shrink: int
    labels: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
    regions: NDArray[np.int32] | None
    next_region: int | None


@dataclass(frozen=True)
class RankPictures:
    """Which pictures' marks would teach most? In the background, one picture after the other.

    Answered by a :class:`Ranked` for each. Other questions are answered in between. A new one replaces it.
    """

    request: int


@dataclass(frozen=True)
class Ranked:
    """A picture was looked at: part of the answer to :class:`RankPictures`.

    Attributes
    ----------
    request : int
    best : tuple of str
        Names of all pictures that aren't reviewed, best first, as far as is known now.
    done, total : int
        Pictures looked at, and all to look at.
    """

    request: int
    best: tuple[str, ...]
    done: int
    total: int
