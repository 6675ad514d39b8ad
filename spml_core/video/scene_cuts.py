"""Where a film jumps to another scene, so that nothing may be carried over.

Two signs must agree. What the frames hold differs: their joint histogram of colour and edge strength, which motion
hardly changes. And the one can't be moved onto the other: after the flow between both, brightness doesn't go together.
The first alone would take a lamp switched on for a cut, the second a fast pan. Both are taken from thumbnails, the
second only where the first sees a change.

The limits lie between the frames that follow one another in real films and pairs of frames from different ones
(tests/bench/bench_flow.py prints both). A cut to a view with the same colours and edges, another field of one grey
specimen for instance, can't be told from motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError
from spml_core.video.flow import gray, solved
from spml_core.video.warp import warp_array

_SIDE = 96  # pixels of a thumbnail's longer side; the shorter has at least _LEAST
_LEAST = 32  # below this OpenCV's quickest flow crashes on long frames
_COLOR_BINS = 8
_GRAY_BINS = 16
# Edge strength in grey values a pixel, about twice as much from bin to bin.
_EDGES = np.array([0, 1.5, 3, 6, 12, 24, np.inf], np.float32)
# Channels this near to each other in both frames: a film without colour, which brightness alone must tell.
_COLORLESS = 2.0
_COLOR_LIMIT = 0.30
_GRAY_LIMIT = 0.20
_MISMATCH_LIMIT = 0.15


@dataclass(frozen=True)
class SceneChange:
    """How much the scene differs between two frames.

    Attributes
    ----------
    content : float
        Share 0..1 of pixels whose colour and edge strength the other frame doesn't have.
    limit : float
        From which ``content`` is a cut's; lower for frames without colour.
    mismatch : float
        1 minus the correlation of brightness after the flow between both, 0..2; NaN if ``content`` is below its limit.
    """

    content: float
    limit: float
    mismatch: float

    @property
    def is_cut(self) -> bool:
        """Whether both signs say so."""
        return self.content >= self.limit and self.mismatch >= _MISMATCH_LIMIT


def scene_change(rgb_t: NDArray[np.uint8], rgb_next: NDArray[np.uint8]) -> SceneChange:
    """Compare two consecutive frames.

    Parameters
    ----------
    rgb_t, rgb_next : ndarray, (H, W, 3) uint8

    Raises
    ------
    ConfigError
        If the frames aren't two RGB pictures of one size.
    """
    if rgb_t.shape != rgb_next.shape or rgb_t.ndim != 3 or rgb_t.shape[2] != 3:
        raise ConfigError(
            f"A cut can't be looked for between frames {rgb_t.shape} and {rgb_next.shape}.",
            "Give two frames (H, W, 3) of one size.",
        )
    pair = _thumbnail(rgb_t), _thumbnail(rgb_next)
    brightness = gray(pair[0]), gray(pair[1])
    colorless = all(float(np.ptp(small.astype(np.int16), axis=2).mean()) < _COLORLESS for small in pair)
    limit = _GRAY_LIMIT if colorless else _COLOR_LIMIT
    before, after = (
        _histogram(light[..., None], light, _GRAY_BINS)
        if colorless
        else _histogram(small, light, _COLOR_BINS)
        for small, light in zip(pair, brightness, strict=True)
    )
    content = float(np.abs(before - after).sum() / 2)
    mismatch = _mismatch(*brightness) if content >= limit else float("nan")
    return SceneChange(content, limit, mismatch)


def is_cut(rgb_t: NDArray[np.uint8], rgb_next: NDArray[np.uint8]) -> bool:
    """Whether another scene begins with the second frame; see :func:`scene_change`."""
    return scene_change(rgb_t, rgb_next).is_cut


def _thumbnail(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    factor = min(1.0, _SIDE / max(height, width))
    size = max(_LEAST, round(width * factor)), max(_LEAST, round(height * factor))
    return np.asarray(cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA), np.uint8)


def _histogram(channels: NDArray[np.uint8], light: NDArray[np.uint8], bins: int) -> NDArray[np.float64]:
    """Shares of pixels by each channel, in so many equal bins, and by edge strength."""
    across = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=1 / 8)
    code = np.searchsorted(_EDGES, np.hypot(across, down), side="right") - 1
    for channel in range(channels.shape[2]):
        code = code * bins + channels[..., channel] // (256 // bins)
    counts = np.bincount(code.ravel(), minlength=(len(_EDGES) - 1) * bins ** channels.shape[2])
    shares: NDArray[np.float64] = counts / code.size
    return shares


def _mismatch(gray_t: NDArray[np.uint8], gray_next: NDArray[np.uint8]) -> float:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    moved = warp_array(gray_next, solved(search, gray_t, gray_next)).ravel().astype(np.float64)
    own = gray_t.ravel().astype(np.float64)
    spread = float(own.std() * moved.std())
    if spread == 0:  # an empty frame goes together with nothing
        return 1.0
    return 1 - float(((own - own.mean()) * (moved - moved.mean())).mean()) / spread
