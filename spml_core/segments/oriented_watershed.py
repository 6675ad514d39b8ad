"""Oriented watershed transform: arcs between basins, weighed where the edge map runs along them (METHODS.md 1.9).

After Arbelaez, Maire, Fowlkes and Malik, "Contour detection and hierarchical image segmentation", TPAMI 2011, section
4.1: a watershed alone closes contours where there are none, because a strong edge that crosses an arc lends it its
strength. Counting only what has the arc's own direction takes such arcs away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.segments.border_pieces import straight_pieces
from spml_core.segments.watershed import (
    Floats,
    IntImage,
    Ints,
    Singles,
    border_cracks,
    crack_pairs,
    crack_strengths,
    require_edge_map,
    watershed_basins,
)

# Standard deviations, in pixels, of the blur before the gradient and of the window of the second moments.
_GRADIENT_SCALE = 1.0
_WINDOW_SCALE = 1.5
# Pixels that an arc may stray from its straight pieces: more than the half pixel by which stairs do.
_TOLERANCE = 1.0


@dataclass(frozen=True)
class Arcs:
    """The borders between adjacent basins.

    Attributes
    ----------
    basins : ndarray, (H, W) int32
        ``0..B-1`` in raster order.
    pairs : ndarray, (E, 2) int64
        The basins on both sides, smaller first, each pair once.
    strength : ndarray, (E,) float64
        Mean oriented edge strength over the arc's cracks.
    length : ndarray, (E,) float64
        Cracks of the arc.
    """

    basins: IntImage
    pairs: Ints
    strength: Floats
    length: Floats


def second_moments(edges: Singles) -> tuple[Singles, Singles]:
    """Direction in which edge strength changes most, as the double-angle vector of its second moments.

    Parameters
    ----------
    edges : ndarray, (H, W) float32

    Returns
    -------
    along, across : ndarray, (H, W) float32
        ``J_xx - J_yy`` and ``2 J_xy`` of the windowed second moments of the blurred map's gradient: the cosine and
        sine of twice the angle of the contour's normal from the x axis, times how distinct that angle is.
    """
    smooth = cv2.GaussianBlur(edges, (0, 0), _GRADIENT_SCALE, borderType=cv2.BORDER_REFLECT)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REFLECT)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8, borderType=cv2.BORDER_REFLECT)
    return _windowed(gx * gx - gy * gy), _windowed(2 * gx * gy)


def _windowed(moment: NDArray[Any]) -> Singles:
    return np.asarray(
        cv2.GaussianBlur(moment, (0, 0), _WINDOW_SCALE, borderType=cv2.BORDER_REFLECT), np.float32
    )


def oriented_watershed(edges: NDArray[np.floating], tolerance: float = _TOLERANCE) -> Arcs:
    """Basins of an edge map and the strength of the arcs between them.

    Each arc is approximated by straight pieces. A crack counts with the strength of its two pixels' mean, times
    ``|cos|`` of the angle between the contour's normal there and the normal of its piece; where the contour has no
    direction, or the piece closes on itself, it counts whole.

    Parameters
    ----------
    edges : ndarray, (H, W) float
        Edge strength, 0 or more.
    tolerance : float
        Pixels that an arc may stray from its straight pieces.

    Returns
    -------
    Arcs

    Raises
    ------
    PictureError
        If the map isn't two-dimensional, is empty, or holds a value that isn't finite.
    ConfigError
        If higra isn't installed.
    """
    strength = require_edge_map(edges)
    basins = watershed_basins(strength)
    where = border_cracks(basins)
    along, across, weight = (_on_cracks(values, where) for values in (*second_moments(strength), strength))
    pieces = straight_pieces(basins, tolerance)
    weight = weight * _agreement(along, across, pieces.direction[pieces.piece])
    pairs, arc = np.unique(crack_pairs(basins, *where), axis=0, return_inverse=True)
    length = np.bincount(arc.ravel(), minlength=len(pairs)).astype(np.float64)
    total = np.bincount(arc.ravel(), weights=weight, minlength=len(pairs))
    return Arcs(basins, pairs, total / length, length)


def _agreement(along: Floats, across: Floats, direction: Floats) -> Floats:
    """``|cos|`` of the angle between contours' and pieces' (C, 2) normals, by ``2 cos^2 a = 1 + cos 2a``."""
    dy, dx = direction.T
    moment = np.hypot(along, across)
    squared = dx * dx + dy * dy
    # The normal of (dx, dy) is (-dy, dx); its double angle has this cosine and sine, times the squared length.
    cosine = along * (dy * dy - dx * dx) - across * 2 * dx * dy
    known = (moment > 0) & (squared > 0)
    double = np.divide(cosine, moment * squared, out=np.ones_like(cosine), where=known)
    agreement: Floats = np.sqrt(np.clip((1 + double) / 2, 0, 1))
    return agreement


def _on_cracks(values: Singles, where: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> Floats:
    """Mean of the two pixels of each border crack, those to the right first."""
    right, below = crack_strengths(values)
    return np.concatenate([right[where[0]], below[where[1]]]).astype(np.float64)
