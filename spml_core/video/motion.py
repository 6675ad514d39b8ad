"""What moves differently from the camera, as evidence of what belongs together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spml_core.suggesting.region_graph import Floats
from spml_core.video.warp import Flow

_GRID = 8  # every so many pixels' flow tells the camera's motion
_ROUNDS = 10
_LEAST_SPREAD = 0.15  # pixels: flow is no better than that
_BANDWIDTH = 0.3  # pixels, at the least
_FLOOR = 0.02


def motion_of_its_own(flow: Flow) -> tuple[NDArray[np.float32], float]:
    """Flow without what an affine motion of the whole frame explains, and how far that spreads.

    The affine motion is fitted by iteratively reweighted least squares with Cauchy weights, so that objects in front
    of the background count little.

    Parameters
    ----------
    flow : ndarray, (H, W, 2) float32

    Returns
    -------
    ndarray (H, W, 2) float32, and float
        In pixels; the second is the median length of what is left.
    """
    height, width = flow.shape[:2]
    step_y, step_x = (max(1, min(_GRID, side // 8)) for side in (height, width))
    y, x = np.mgrid[step_y // 2 : height : step_y, step_x // 2 : width : step_x]
    known = _affine(y, x, (height, width))
    seen = flow[y, x].reshape(-1, 2).astype(np.float64)
    weight = np.ones(len(known))
    spread = _LEAST_SPREAD
    motion = np.zeros((3, 2))
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)[:, None]
        motion = np.linalg.lstsq(known * root, seen * root, rcond=None)[0]
        missed = np.linalg.norm(seen - known @ motion, axis=1)
        spread = max(float(np.median(missed)), _LEAST_SPREAD)
        weight = 1 / (1 + np.square(missed / spread))
    rows = motion[0] + (np.arange(height) / height - 0.5)[:, None] * motion[1]
    columns = (np.arange(width) / width - 0.5)[:, None] * motion[2]
    camera = (rows[:, None] + columns[None]).astype(np.float32)
    return flow - camera, spread


def _affine(y: NDArray[np.integer], x: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.float64]:
    ones = np.ones(y.size)
    return np.stack([ones, y.ravel() / shape[0] - 0.5, x.ravel() / shape[1] - 0.5], 1)


def motion_evidence(motion: Floats, spread: float, area: Floats, probabilities: Floats) -> Floats:
    """How much each region's motion speaks for each class: the motions of its regions against those of all others.

    ``log((p(m | c) + floor) / (p(m | not c) + floor))`` with densities estimated by Gaussian kernels.

    Parameters
    ----------
    motion : ndarray, (R, 2) float32
        Mean motion of each region, in pixels, without the camera's.
    spread : float
        See :func:`motion_of_its_own`; twice that is the kernels' bandwidth.
    area : ndarray, (R,) float32
        Pixels of each region.
    probabilities : ndarray, (R, K) float32
        What is thought of the regions; rows may sum to less than 1 where little is known.

    Returns
    -------
    ndarray, (R, K) float32
    """
    bandwidth = max(_BANDWIDTH, 2 * spread)
    scaled = (motion / np.float32(bandwidth)).astype(np.float32)
    square = np.square(scaled).sum(1)
    kernel = np.exp(np.minimum(scaled @ scaled.T - (square[:, None] + square) / 2, 0))
    mine = probabilities * area[:, None]
    others = (1 - probabilities) * area[:, None]
    for_it = kernel @ mine / np.maximum(mine.sum(0), 1e-6)
    against = kernel @ others / np.maximum(others.sum(0), 1e-6)
    evidence: Floats = np.log((for_it + _FLOOR) / (against + _FLOOR)).astype(np.float32)
    return evidence
