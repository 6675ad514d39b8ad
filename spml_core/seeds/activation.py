"""Class activation maps (CAM): views added up, scaled to 0..1, background made from them.

Maps are arrays (K-1, h, w): map ``c - 1`` is that of class ``c``; the background (class 0) has none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import MarkError
from spml_core.seeds.grid import Real, resize_bilinear

VIEW_SCALES = (1.0, 0.5, 1.5, 2.0)
"""Scales of the views of a picture (PSA); each comes plain, then mirrored."""

_SMALL = 1e-5
_ROUNDING = 1e-4


def aggregate_views(
    maps: Sequence[NDArray[Real]], shape: tuple[int, int], present: NDArray[np.bool_] | None = None
) -> NDArray[Real]:
    """Add up the maps of several views of one picture.

    Parameters
    ----------
    maps : sequence of ndarray, each (K-1, h_i, w_i)
        Views in order: those with an even number are plain, those with an odd number were computed from the
        mirrored picture and are mirrored back here.
    shape : tuple of int
        Height and width of the result.
    present : ndarray (K,) bool, optional
        Classes in the picture; the maps of the others become 0. The background's entry doesn't count.

    Returns
    -------
    ndarray (K-1, H, W)
        Not yet rectified and not normalised.

    Raises
    ------
    MarkError
        If there is no view, or the views and ``present`` disagree in the number of classes.

    References
    ----------
    Ahn and Kwak, Learning pixel-level semantic affinity with image-level supervision (PSA), CVPR 2018;
    METHODS.md 1.10.1 step 1.
    """
    counts = {len(view) for view in maps} | ({len(present) - 1} if present is not None else set())
    if not maps or len(counts) > 1:
        raise MarkError(
            f"{len(maps)} activation maps speak of {sorted(counts)} classes (without the background).",
            "Give at least one, all of the same classes.",
        )
    sized = (
        resize_bilinear(view[..., ::-1] if number % 2 else view, shape) for number, view in enumerate(maps)
    )
    total: NDArray[Real] = next(sized).copy()
    for view in sized:
        np.add(total, view, out=total)
    if present is not None:
        total[~present[1:]] = 0
    return total


def normalise_psa(maps: NDArray[Real]) -> NDArray[Real]:
    """Rectified maps (K-1, h, w) divided by ``their maximum + 1e-5``, class by class (METHODS.md 1.10.1)."""
    positive = np.maximum(maps, 0)
    result: NDArray[Real] = (positive / (_highest(positive) + _SMALL)).astype(maps.dtype)
    return result


def normalise_seam(maps: NDArray[Real]) -> NDArray[Real]:
    """Rectified maps (K-1, h, w) stretched from minimum to maximum, class by class, as SEAM publishes them.

    Values below ``min + 1e-5`` are set to 0, then all become ``(M - min - 1e-5) / (max - min + 1e-5)``. So a
    value that was set to 0 ends a little below 0, further below the greater the minimum was.

    References
    ----------
    Wang et al., Self-supervised equivariant attention mechanism for weakly supervised semantic segmentation
    (SEAM), CVPR 2020; METHODS.md 1.10.1 step 2.
    """
    positive = np.maximum(maps, 0)
    low, high = -_highest(-positive), _highest(positive)
    kept = np.where(positive < low + _SMALL, 0, positive)
    result: NDArray[Real] = ((kept - low - _SMALL) / (high - low + _SMALL)).astype(maps.dtype)
    return result


def with_background(maps: NDArray[Real], alpha: float = 6.0) -> NDArray[Real]:
    """Normalised maps (K-1, h, w) with the background's put before them, (K, h, w).

    ``M_bg = (1 - max_c M_c) ** alpha``; a greater ``alpha`` gives less background (METHODS.md 1.10.1 step 3).

    Raises
    ------
    MarkError
        If a value isn't finite or is over 1: then the maps aren't normalised.
    """
    check_finite(maps)
    highest = maps.max(axis=0) if len(maps) else np.zeros(maps.shape[1:], maps.dtype)
    if highest.size and highest.max() > 1 + _ROUNDING:
        raise MarkError(
            f"An activation map holds {highest.max():.4g}, but maps to take seeds from end at 1.",
            "Normalise it first.",
        )
    background = (1 - np.minimum(highest, 1)) ** maps.dtype.type(alpha)
    return np.concatenate([background[None], maps])


def check_finite(maps: NDArray[Real]) -> None:
    """Refuse maps with NaN or infinite values.

    Raises
    ------
    MarkError
        If there are any.
    """
    if maps.ndim != 3:
        raise MarkError(
            f"Activation maps have shape {maps.shape}.", "Give one map (height, width) for each class."
        )
    broken = maps.size - int(np.count_nonzero(np.isfinite(maps)))
    if broken:
        raise MarkError(
            f"{broken} values of an activation map of shape {maps.shape} aren't finite.", "Compute it anew."
        )


def _highest(maps: NDArray[Real]) -> NDArray[Real]:
    """Maximum of each map, (K-1, 1, 1)."""
    result: NDArray[Real] = maps.max(axis=(1, 2), keepdims=True, initial=-np.inf)
    return result
