"""Regions of a picture of any size, from a shrunk copy of it, and hierarchies that are built once."""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.engine.background.answer_cache import SizedCache
from spml_core.errors import ConfigError
from spml_core.labeling.inference import Pixels
from spml_core.labeling.refinement import HierarchyBuilder, region_hierarchy
from spml_core.segments import Hierarchy

_BAND_BYTES = 2**25
Value = TypeVar("Value", bound=np.generic)


def remembering(cache: SizedCache[Hierarchy]) -> HierarchyBuilder:
    """A builder that gives the hierarchy of the same pixels again while it is remembered."""

    def build(rgb: NDArray[np.uint8]) -> Hierarchy:
        key = rgb.shape, blake2b(rgb.tobytes(), digest_size=16).digest()
        found = cache.get(key)
        if found is None:
            found = region_hierarchy(rgb)
            cache.put(key, found, found.basins.nbytes + found.merges.nbytes + found.levels.nbytes)
        return found

    return build


def every_middle(values: NDArray[Value], shrink: int) -> NDArray[Value]:
    """Of every ``shrink`` rows and columns of (H, W) values the one in the middle; of the last few the last.

    Raises
    ------
    ConfigError
        If ``shrink`` is below 1.
    """
    if shrink < 1:
        raise ConfigError(f"A picture can't be shrunk {shrink} times.", "Use 1 or more.")
    if shrink == 1:
        return values
    middles = (
        np.minimum(np.arange(-(-side // shrink)) * shrink + shrink // 2, side - 1) for side in values.shape
    )
    return values[np.ix_(*middles)]


def shrunk_rgb(pixels: Pixels, shrink: int) -> NDArray[np.uint8]:
    """A picture ``shrink`` times smaller, read in bands: (ceil(H / shrink), ceil(W / shrink), 3), means of its pixels.

    Raises
    ------
    ConfigError
        If ``shrink`` is below 1.
    """
    if shrink < 1:
        raise ConfigError(f"A picture can't be shrunk {shrink} times.", "Use 1 or more.")
    height, width = pixels.size
    if shrink == 1:
        return pixels.rgb_window(0, 0, height, width)
    columns = -(-width // shrink)
    small = np.empty((-(-height // shrink), columns, 3), np.uint8)
    band = max(1, _BAND_BYTES // (3 * width * shrink)) * shrink
    for top in range(0, height, band):
        rgb = pixels.rgb_window(top, 0, min(band, height - top), width)
        # Whole blocks, so that the last ones aren't squeezed.
        right, below = columns * shrink - width, -len(rgb) % shrink
        full = cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_REPLICATE)
        rows = len(full) // shrink
        start = top // shrink
        small[start : start + rows] = cv2.resize(full, (columns, rows), interpolation=cv2.INTER_AREA)
    return small
