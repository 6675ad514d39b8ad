"""Seeds from key points: the part around each, the unknown around that, background far from all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import KeyPoint
from spml_core.errors import ConfigError
from spml_core.seeds.checks import check_foreground
from spml_core.seeds.grid import cell_centres


def key_point_seeds(
    points: Sequence[KeyPoint],
    shape: tuple[int, int],
    num_classes: int,
    *,
    grid: tuple[int, int] | None = None,
    sigma: float = 0.1,
    labelled: float = 0.8,
    background: float = 0.05,
) -> NDArray[np.uint8]:
    """Label the surroundings of key points.

    Around each point p with centre c_p lies ``g_p(x) = exp(-|x - c_p|^2 / (2 s^2))``, ``s = sigma * size``. Where
    the highest ``g_p`` reaches ``labelled``, a cell has that point's class; where it is less than
    ``background``, it is background; between the two it is UNLABELED.

    Parameters
    ----------
    points : sequence of KeyPoint
        Those outside the picture are ignored.
    shape : tuple of int
        Height and width of the picture.
    num_classes : int
        K.
    grid : tuple of int, optional
        Rows and columns of the result, if it isn't to be the picture's size.
    sigma : float
        Standard deviation as a share of the object's size (the square root of its area). The paper publishes neither
        this nor the two thresholds.
    labelled, background : float
        Thresholds, ``0 < background < labelled <= 1``.

    Returns
    -------
    ndarray (h, w), uint8
        A class 0..K-1, or K (UNLABELED): everywhere if there is no point in the picture. Of equal values the
        earlier point's wins.

    Raises
    ------
    MarkError
        If a point's class is the background or none of the K.
    ConfigError
        If the thresholds are out of order or ``sigma`` isn't positive.

    References
    ----------
    SPML, section on DensePose key points; METHODS.md 1.10.5.
    """
    if not (0 < background < labelled <= 1 and sigma > 0):
        raise ConfigError(
            f"Key points with sigma {sigma} and thresholds {background} and {labelled} make no regions.",
            "Give sigma > 0 and 0 < background < labelled <= 1.",
        )
    for point in points:
        check_foreground(point, num_classes)
    rows, columns = grid or shape
    y, x = cell_centres(rows, shape[0]), cell_centres(columns, shape[1])
    highest = np.zeros((rows, columns))
    winner = np.full((rows, columns), num_classes, np.uint8)
    inside = [p for p in points if -0.5 <= p.y < shape[0] - 0.5 and -0.5 <= p.x < shape[1] - 0.5]
    reach = math.sqrt(-2 * math.log(background)) + 1e-6  # in standard deviations; beyond it lies background
    for point in inside:
        spread = sigma * point.size
        near = (_near(y, point.y, reach * spread), _near(x, point.x, reach * spread))
        squared = (y[near[0], None] - point.y) ** 2 + (x[None, near[1]] - point.x) ** 2
        height = np.exp(-squared / (2 * spread**2))
        wins = height > highest[near]
        highest[near][wins] = height[wins]
        winner[near][wins] = point.class_index
    winner[highest < labelled] = num_classes
    if inside:
        winner[highest < background] = 0
    return winner


def _near(places: NDArray[np.float64], centre: float, reach: float) -> slice:
    first, end = np.searchsorted(places, [centre - reach, centre + reach])
    return slice(int(first), int(end))
