"""Turning frames upright as the file's display matrix asks (phones store films lying on their side)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Sample = TypeVar("Sample", bound=np.generic)


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to turn and mirror a picture: transpose first, then mirror."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    def upright(self, rgb: npt.NDArray[Sample]) -> npt.NDArray[Sample]:
        """Return the picture (H, W, C) upright, contiguous."""
        if self.transposed:
            rgb = rgb.transpose(1, 0, 2)
        if self.mirrored_x:
            rgb = rgb[:, ::-1]
        if self.mirrored_y:
            rgb = rgb[::-1]
        return np.ascontiguousarray(rgb)

    def turned_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width after turning."""
        return (size[1], size[0]) if self.transposed else size


def orientation_of(frame: VideoFrame) -> Orientation:
    """Orientation from the display matrix of a decoded frame.

    The matrix (a, b, u, c, d, v, x, y, w) maps a stored (x, y) to (a x + c y, b x + d y), ISO/IEC 14496-12 6.2.2.
    Angles other than multiples of 90 degrees become the nearest of them.
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)
