"""A softmax classifier fitted from scratch to a few hundred samples within milliseconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from spml_core.suggesting.region_graph import Floats

_PENALTY = 0.01
_ITERATIONS = 40


def class_scores(
    samples: NDArray[np.floating],
    classes: NDArray[np.integer],
    weights: NDArray[np.floating],
    num_classes: int,
    queries: NDArray[np.floating],
    *,
    penalty: float = _PENALTY,
) -> Floats:
    """Logits of queries from a logistic regression in which every class weighs the same.

    Minimises ``sum_i w_i -log softmax(W x_i + b)_{c_i} + penalty / 2 |W|^2`` with the weights of each class scaled to a
    sum of ``1 / K``. It always starts at zero, never at the last solution: the answer depends on the samples alone.

    Parameters
    ----------
    samples : ndarray, (n, D) float
    classes : ndarray, (n,) int
        0..K-1, every one there.
    weights : ndarray, (n,) float
        Above 0.
    num_classes : int
        K.
    queries : ndarray, (m, D) float
    penalty : float

    Returns
    -------
    ndarray, (m, K) float32
    """
    dims = samples.shape[1]
    x = samples.astype(np.float64)
    target = np.eye(num_classes)[classes]
    share = weights / np.bincount(classes, weights, num_classes)[classes] / num_classes

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight = parameters[: num_classes * dims].reshape(num_classes, dims)
        scores = x @ weight.T + parameters[num_classes * dims :]
        scores -= scores.max(1, keepdims=True)
        raised = np.exp(scores)
        total = raised.sum(1, keepdims=True)
        fit = -(share * ((scores * target).sum(1) - np.log(total[:, 0]))).sum()
        slope = (raised / total - target) * share[:, None]
        gradient = np.concatenate([(slope.T @ x + penalty * weight).ravel(), slope.sum(0)])
        return float(fit + penalty / 2 * (weight**2).sum()), gradient

    start = np.zeros(num_classes * (dims + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}).x
    weight = found[: num_classes * dims].reshape(num_classes, dims).astype(np.float32)
    scores: Floats = (queries @ weight.T + found[num_classes * dims :].astype(np.float32)).astype(np.float32)
    return scores
