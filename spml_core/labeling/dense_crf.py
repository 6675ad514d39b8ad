"""Fully connected CRF: labels that follow a picture's own colours and edges (METHODS.md 1.16).

Every pixel talks to every other: near ones of any colour, and ones of like colour from further away. Torch-free.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError
from spml_core.labeling.permutohedral import PermutohedralLattice

Backend: TypeAlias = Literal["auto", "own", "pydensecrf"]
Box: TypeAlias = tuple[slice, slice]
MessagePassing: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From marginals (n, K) to what all other pixels say of each, (n, K)."""

GAUSSIAN = (1.0, 3.0)
BILATERAL = (67.0, 3.0, 4.0)

_EXACT_PIXELS = 32 * 32  # up to here every pair of pixels is looked at
_WINDOW_PIXELS = 2**20  # a larger picture is gone through in windows
_LEAST = 1e-5  # least probability of a class


def dense_crf(
    rgb: NDArray[np.uint8],
    probabilities: NDArray[np.floating],
    *,
    iterations: int = 10,
    gaussian: tuple[float, float] = GAUSSIAN,
    bilateral: tuple[float, float, float] = BILATERAL,
    backend: Backend = "auto",
) -> NDArray[np.float32]:
    """Marginals after mean-field inference in a fully connected CRF with Potts compatibility.

    With ``U = -log(clip(p, 1e-5, 1))`` and symmetrically normalised kernels
    ``k'(i, j) = k(i, j) / sqrt(sum_m k(i, m) sum_m k(j, m))``, every iteration sets

        Q_i(l) ~ exp(-U_i(l) + sum_j [w_g k'_g(i, j) + w_b k'_b(i, j)] Q_j(l)),

        k_g = exp(-|x_i - x_j|^2 / 2 s_g^2),    k_b = exp(-|x_i - x_j|^2 / 2 s_b^2 - |c_i - c_j|^2 / 2 s_c^2).

    As in the public implementation a pixel counts among its own neighbours. Sums run over all pairs in a picture of
    1,024 pixels at the most; above that over the permutohedral lattice.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
    probabilities : ndarray, (K, H, W) float
        Of each class, in 0..1; they need not sum to 1 over the classes.
    iterations : int
        Rounds of mean field; 0 only normalises the probabilities.
    gaussian : (float, float)
        Deviation in pixels, weight of the smoothness kernel. A weight of 0 leaves the kernel out.
    bilateral : (float, float, float)
        Deviation in pixels, deviation in grey levels, weight of the appearance kernel.
    backend : {"auto", "own", "pydensecrf"}
        Who does the sums in a picture of more than 1,024 pixels: this module, or pydensecrf if it is installed. The two
        agree to 1e-3.

    Returns
    -------
    ndarray, (K, H, W) float32
        Sum 1 over the classes. A picture of more than 2^20 pixels is done in windows that overlap by two deviations
        or more, as far as they have room, so memory stays bounded.

    Raises
    ------
    ConfigError
        If shapes, types or values don't fit, or pydensecrf is asked for and missing.

    References
    ----------
    Krähenbühl and Koltun: Efficient inference in fully connected CRFs with Gaussian edge potentials, 2011.
    """
    _check(rgb, probabilities, iterations, gaussian, bilateral, backend)
    marginals = np.empty(probabilities.shape, np.float32)
    margin = math.ceil(2 * max(gaussian[0] * (gaussian[1] > 0), bilateral[0] * (bilateral[2] > 0)))
    for outer, inside, core in _windows(rgb.shape[0], rgb.shape[1], margin):
        unary = -np.log(np.clip(probabilities[:, *outer], _LEAST, 1)).astype(np.float32)
        done = _infer(rgb[outer], unary, iterations, gaussian, bilateral, backend)
        marginals[:, *core] = done[:, *inside]
    return marginals


def crf_labels(
    rgb: NDArray[np.uint8],
    probabilities: NDArray[np.floating],
    *,
    iterations: int = 5,
    gaussian: tuple[float, float] = GAUSSIAN,
    bilateral: tuple[float, float, float] = BILATERAL,
    backend: Backend = "auto",
) -> NDArray[np.uint8]:
    """Most probable class (H, W) after :func:`dense_crf`; of equals, the first.

    Five iterations, not ten: on photos about two pixels in a thousand change their label after that.
    """
    marginals = dense_crf(
        rgb, probabilities, iterations=iterations, gaussian=gaussian, bilateral=bilateral, backend=backend
    )
    best: NDArray[np.uint8] = marginals.argmax(0).astype(np.uint8)
    return best


def _infer(
    rgb: NDArray[np.uint8],
    unary: NDArray[np.float32],
    iterations: int,
    gaussian: tuple[float, float],
    bilateral: tuple[float, float, float],
    backend: Backend,
) -> NDArray[np.float32]:
    """Marginals (K, H, W) of one window."""
    exact = rgb.shape[0] * rgb.shape[1] <= _EXACT_PIXELS
    if not exact and backend != "own" and _installed():
        return _pydensecrf(rgb, unary, iterations, gaussian, bilateral)
    messages = (exact_messages if exact else lattice_messages)(rgb, gaussian, bilateral)
    flat = np.ascontiguousarray(unary.reshape(len(unary), -1).T)
    return mean_field(flat, messages, iterations).T.reshape(unary.shape)


def mean_field(unary: NDArray[np.float32], messages: MessagePassing, iterations: int) -> NDArray[np.float32]:
    """Marginals (n, K) from energies (n, K) and what pixels tell each other."""
    marginals = _softmax(-unary)
    for _ in range(iterations):
        marginals = _softmax(messages(marginals) - unary)
    return marginals


def exact_messages(
    rgb: NDArray[np.uint8], gaussian: tuple[float, float], bilateral: tuple[float, float, float]
) -> MessagePassing:
    """Messages over all n^2 pairs of a picture's pixels."""
    total = np.zeros((rgb.shape[0] * rgb.shape[1],) * 2)
    for positions, weight in _kernels(rgb, gaussian, bilateral):
        features = positions.astype(np.float64)
        squares = (features**2).sum(1)
        distances = squares[:, None] + squares[None] - 2 * features @ features.T
        kernel = np.exp(-np.maximum(distances, 0) / 2)
        norm = 1 / np.sqrt(kernel.sum(1))
        total += weight * norm[:, None] * kernel * norm[None]
    together = total.astype(np.float32)
    return lambda marginals: together @ marginals


def lattice_messages(
    rgb: NDArray[np.uint8], gaussian: tuple[float, float], bilateral: tuple[float, float, float]
) -> MessagePassing:
    """Messages over a permutohedral lattice for each kernel."""
    filters = []
    for features, weight in _kernels(rgb, gaussian, bilateral):
        lattice = PermutohedralLattice(features)
        norm = 1 / np.sqrt(lattice.filter(np.ones((len(features), 1), np.float32)) + np.float32(1e-20))
        filters.append((lattice, norm, np.float32(weight) * norm))

    def messages(marginals: NDArray[np.float32]) -> NDArray[np.float32]:
        total = np.zeros_like(marginals)
        for lattice, before, after in filters:
            message = lattice.filter(before * marginals)
            message *= after
            total += message
        return total

    return messages


def _kernels(
    rgb: NDArray[np.uint8], gaussian: tuple[float, float], bilateral: tuple[float, float, float]
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Features (n, d) in deviations, in the order x, y, red, green, blue, and weight of each kernel in use."""
    height, width = rgb.shape[:2]
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    place = np.stack([x, y], 1).astype(np.float32)
    if gaussian[1]:
        yield place / np.float32(gaussian[0]), gaussian[1]
    if bilateral[2]:
        colors = rgb.reshape(-1, 3) / np.float32(bilateral[1])
        yield np.hstack([place / np.float32(bilateral[0]), colors]), bilateral[2]


def _pydensecrf(
    rgb: NDArray[np.uint8],
    unary: NDArray[np.float32],
    iterations: int,
    gaussian: tuple[float, float],
    bilateral: tuple[float, float, float],
) -> NDArray[np.float32]:
    crf_class = importlib.import_module("pydensecrf.densecrf").DenseCRF2D
    count, height, width = unary.shape
    crf = crf_class(width, height, count)
    crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(count, -1)))
    if gaussian[1]:
        crf.addPairwiseGaussian(sxy=gaussian[0], compat=gaussian[1])
    if bilateral[2]:
        crf.addPairwiseBilateral(
            sxy=bilateral[0], srgb=bilateral[1], rgbim=np.ascontiguousarray(rgb), compat=bilateral[2]
        )
    return np.array(crf.inference(iterations), np.float32).reshape(count, height, width)


def _installed() -> bool:
    return importlib.util.find_spec("pydensecrf") is not None


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    # Column by column, and the sum as a product: numpy is slow along a short last axis.
    likelihood: NDArray[np.float32] = scores - functools.reduce(np.maximum, scores.T)[:, None]
    np.exp(likelihood, out=likelihood)
    likelihood /= likelihood @ np.ones((scores.shape[1], 1), np.float32)
    return likelihood


def _windows(height: int, width: int, margin: int) -> Iterator[tuple[Box, Box, Box]]:
    """Windows of a picture: what is looked at, the part of that which is kept, and its place in the picture."""
    side = math.isqrt(_WINDOW_PIXELS)
    if height * width <= _WINDOW_PIXELS:
        side = max(height, width)
    margin = min(margin, side // 4)
    rows, columns = (_cuts(length, side, margin) for length in (height, width))
    for outer_y, inside_y, core_y in rows:
        for outer_x, inside_x, core_x in columns:
            yield (outer_y, outer_x), (inside_y, inside_x), (core_y, core_x)


def _cuts(length: int, side: int, margin: int) -> list[tuple[slice, slice, slice]]:
    """Outer, inner-in-outer and core slices along one axis; one window if it fits."""
    count = 1 if length <= side else math.ceil(length / (side - 2 * margin))
    edges = [round(i * length / count) for i in range(count + 1)]
    cuts = []
    for start, stop in itertools.pairwise(edges):
        low, high = max(0, start - margin), min(length, stop + margin)
        cuts.append((slice(low, high), slice(start - low, stop - low), slice(start, stop)))
    return cuts


def _check(
    rgb: NDArray[np.uint8],
    probabilities: NDArray[np.floating],
    iterations: int,
    gaussian: tuple[float, float],
    bilateral: tuple[float, float, float],
    backend: str,
) -> None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise ConfigError(
            f"The CRF got a picture of shape {rgb.shape} and type {rgb.dtype}.",
            "Give colours (H, W, 3) in 0..255 as uint8.",
        )
    if probabilities.ndim != 3 or len(probabilities) == 0 or probabilities.shape[1:] != rgb.shape[:2]:
        raise ConfigError(
            f"The CRF got probabilities of shape {probabilities.shape} for a picture of {rgb.shape[:2]}.",
            "Give (classes, H, W) of the picture's size.",
        )
    low, high = float(probabilities.min()), float(probabilities.max())
    if not (low >= -1e-4 and high <= 1 + 1e-4):
        raise ConfigError(
            f"The CRF got probabilities from {low:g} to {high:g}.", "Give values in 0..1, not logits."
        )
    if iterations < 0:
        raise ConfigError(f"A CRF of {iterations} iterations was asked for.", "Use 0 or more.")
    finite = all(map(math.isfinite, (*gaussian, *bilateral)))
    if not finite or min(gaussian[0], *bilateral[:2]) <= 0 or min(gaussian[1], bilateral[2]) < 0:
        raise ConfigError(
            f"A CRF can't have the kernels gaussian {gaussian} and bilateral {bilateral}.",
            "Deviations must be above 0, weights 0 or more.",
        )
    if backend not in ("auto", "own", "pydensecrf"):
        raise ConfigError(f"Unknown CRF backend {backend!r}.", "Use one of: auto, own, pydensecrf.")
    if backend == "pydensecrf" and not _installed():
        raise ConfigError(
            "The CRF backend pydensecrf isn't installed.", "Use backend own, or install pydensecrf2."
        )
