"""The second stage: the first model's sure answers, sharpened by regions and colours, teach the next (algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.labeling.colors import color_evidence, softmax
from spml_core.labeling.voting import region_means
from spml_core.training.samples import PictureSample

# Who marks two classes in a picture has mostly marked all that are in it. The paper rules out the others; here they
# only have to be much surer, since a correction too is a mark.
_CLASSES_TO_TELL = 2
_UNMARKED_FACTOR = 0.05
_LEAST_SHARE = 0.01  # of a picture's cells, for a class that is tagged or boxed in it


def add_pseudo_labels(
    samples: Sequence[PictureSample],
    probabilities: Callable[[PictureSample], Tensor],
    num_classes: int,
    *,
    color_strength: float,
    confidence: float,
) -> list[PictureSample]:
    """Samples in which fairly drawn cells without a mark carry the answer that the refinement is sure of.

    Parameters
    ----------
    samples : sequence of PictureSample
        Marked and unmarked pictures.
    probabilities : callable
        Gives the class probabilities (n, K) of a sample's cells.
    num_classes : int
        K.
    color_strength : float
        Of the colour model.
    confidence : float
        Least probability of an answer that counts, in 0..1.

    Returns
    -------
    list of PictureSample
        Marks are untouched; cells that stay open keep UNLABELED.

    References
    ----------
    SPML, algorithm 1, step 2; METHODS.md 1.17. Region vote and colour model stand in for random walk and dense CRF.
    """
    return [
        replace(
            sample,
            labels=_answer(sample, probabilities(sample), num_classes, color_strength, confidence),
        )
        for sample in samples
    ]


def _answer(
    sample: PictureSample, probabilities: Tensor, num_classes: int, strength: float, confidence: float
) -> Tensor:
    guess = probabilities.cpu().numpy()
    allowed = None if sample.allowed is None else sample.allowed.numpy()
    marked = np.isin(np.arange(num_classes), sample.labels.numpy())
    if allowed is not None:
        guess = _among(guess, allowed)
    elif marked.sum() >= _CLASSES_TO_TELL:
        guess = guess * np.where(marked, 1, _UNMARKED_FACTOR).astype(np.float32)
        guess /= guess.sum(1, keepdims=True)
    refined = refine_samples(sample, guess, strength)
    if allowed is not None:
        refined = _among(refined, allowed)
    drawn = sample.drawn.numpy()
    open_ = (sample.labels == num_classes).numpy()
    answer = np.where((refined.max(1) > confidence) & drawn, refined.argmax(1), num_classes)
    for missing in np.flatnonzero(sample.tags.numpy() & ~marked):
        _keep_some(answer, refined[:, missing], int(missing), drawn & open_)
    answer = np.where(open_, answer, sample.labels.numpy())
    return torch.from_numpy(answer.astype(np.int64))


def _among(guess: NDArray[np.floating], allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Probabilities (n, K) shared out among the allowed classes (n, K)."""
    kept = np.where(allowed, guess + 1e-9, 0)
    shared: NDArray[np.float32] = (kept / kept.sum(1, keepdims=True)).astype(np.float32)
    return shared


def _keep_some(
    answer: NDArray[np.int64], score: NDArray[np.floating], index: int, among: NDArray[np.bool_]
) -> None:
    """Give a class that is known to be there the few cells that speak most for it, if it has none."""
    cells = np.flatnonzero(among & (score > 0))
    few = math.ceil(_LEAST_SHARE * among.sum())
    if np.count_nonzero(answer[cells] == index) < few:
        answer[cells[np.argsort(-score[cells], kind="stable")[:few]]] = index


def refine_samples(
    sample: PictureSample, guess: NDArray[np.float32], color_strength: float
) -> NDArray[np.floating]:
    """Probabilities (n, K) of sampled cells after region vote and colours, as :mod:`refinement` does it for pixels."""
    voted = vote_among_samples(sample, guess)
    drawn = sample.drawn.numpy()
    evidence = color_evidence(sample.colors[drawn], voted[drawn], color_strength)
    return softmax(np.log(voted + 1e-4) + evidence[sample.colors])


def vote_among_samples(sample: PictureSample, guess: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each cell (n, K) takes the mean over its regions' fairly drawn cells; where there are none, its own guess."""
    drawn = sample.drawn.numpy()
    voted = np.zeros_like(guess)
    for regions in sample.levels.numpy().T:
        means = region_means(guess[drawn], regions[drawn])
        known = (np.bincount(regions[drawn], minlength=int(regions.max()) + 1) > 0)[regions]
        voted += np.where(known[:, None], means[np.minimum(regions, len(means) - 1)], guess)
    return voted / np.float32(sample.levels.shape[1])
