"""Label maps cut into instances: the connected pieces of each class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Instance:
    """A connected piece of a class.

    Attributes
    ----------
    class_index : int
    top, left : int
        Where its bounding box begins in the picture.
    mask : ndarray, (h, w) bool
        Its pixels in the bounding box, which they touch on all four sides.
    area : int
        Number of its pixels.
    """

    class_index: int
    top: int
    left: int
    mask: NDArray[np.bool_]
    area: int


def find_instances(
    labels: NDArray[np.uint8], classes: Iterable[int], min_area: int = 1
) -> Iterator[Instance]:
    """Cut classes of a label map into pieces whose pixels touch by a side or a corner.

    Parameters
    ----------
    labels : ndarray, (H, W) uint8
    classes : iterable of int
        Codes to cut up; all others are left out.
    min_area : int
        Smaller pieces, in pixels, are left out.

    Yields
    ------
    Instance
        By class, then from top to bottom.
    """
    pixels = np.bincount(labels.ravel(), minlength=256)
    for code in classes:
        if pixels[code] < max(min_area, 1):
            continue
        of_class = (labels == code).view(np.uint8)
        _, pieces, boxes, _ = cv2.connectedComponentsWithStats(of_class, connectivity=8, ltype=cv2.CV_32S)
        for number, (left, top, width, height, area) in enumerate(boxes[1:].tolist(), 1):
            if area >= min_area:
                mask = pieces[top : top + height, left : left + width] == number
                yield Instance(code, top, left, mask, area)
