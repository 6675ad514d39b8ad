"""How far to trust each picture's colours: settled on marks that the judged classifier has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spml_core.metrics import ConfusionMatrix
from spml_core.training.linear_start import fit_logistic
from spml_core.training.pseudo_labels import refine_samples
from spml_core.training.samples import PictureSample

_FOLDS = 3
_FEWEST_PICTURES = 4  # with fewer marked pictures than this a held-back score means little
_MOST_CELLS = 25_000  # that a fold learns from
_STRENGTH_FOR_FEW = 1.0
_STRENGTH_IN_HASTE = 0.5  # where no fold could be judged in time: the one that costs least where it is wrong
# People mark the inside of things, where colours can only lose; what they gain at borders no mark shows. So the
# strongest candidate is taken that loses no more than this times the square of the best score: marks that are told
# nearly perfectly say little about strength, marks that are confused say much.
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    color_strength : float
    score : float or None
        Mean IoU (0..1) on held-back marks with that strength; None if there were too few pictures to hold any back.
    scores : dict of float to float
        The same for every candidate.
    """

    color_strength: float
    score: float | None
    scores: dict[float, float]


def choose_color_strength(
    samples: Sequence[PictureSample],
    standardised: Callable[[PictureSample], torch.Tensor],
    num_classes: int,
    strengths: Sequence[float],
    *,
    seed: int,
    keep_going: Callable[[], bool] = lambda: True,
    beat: Callable[[], object] = lambda: None,
) -> Choice:
    """Choose the colour model's strength by cross-validation over pictures.

    Each fold's pictures are labelled by a logistic regression that learned from the other folds, as :mod:`refinement`
    does it but on the sampled cells; what counts is mean IoU on their marked cells.

    Parameters
    ----------
    samples : sequence of PictureSample
        The marked pictures.
    standardised : callable
        Gives the standardised features (n, C) of a sample.
    num_classes : int
    strengths : sequence of float
        Candidates.
    seed : int
        Deals the pictures to the folds.
    keep_going : callable
        Asked between fits and pictures; once it says no, what was scored so far decides.
    beat : callable
        Called now and then while it lasts.
    """
    if len(samples) < _FEWEST_PICTURES:
        return _unjudged(strengths, _STRENGTH_FOR_FEW)
    rng = np.random.default_rng(seed)
    fold_of = rng.permutation(len(samples)) % _FOLDS
    counts = {s: ConfusionMatrix(num_classes) for s in strengths}
    judged = False
    for fold in range(_FOLDS):
        learned = [s for s, f in zip(samples, fold_of, strict=True) if f != fold]
        held = [s for s, f in zip(samples, fold_of, strict=True) if f == fold]
        taken = [_some_labelled(s, num_classes, _MOST_CELLS // len(learned), rng) for s in learned]
        rows = torch.cat([standardised(s)[t] for s, t in zip(learned, taken, strict=True)])
        labels = torch.cat([s.labels[t] for s, t in zip(learned, taken, strict=True)]).to(rows.device)
        if not keep_going():
            break
        weight, bias = fit_logistic(rows, labels, num_classes, max_iterations=30, keep_going=keep_going)
        del rows
        for done, sample in enumerate(held):
            if done and not keep_going():
                break
            logits = standardised(sample) @ weight.T + bias
            guess = torch.softmax(logits, 1).cpu().numpy()
            for strength in strengths:
                beat()
                _judge(sample, guess, strength, counts[strength])
        judged = True
    if not judged:
        return choice_in_haste(strengths)
    scores = {s: float(c.scores().miou) for s, c in counts.items()}
    top = max(scores.values())
    chosen = max(s for s in scores if scores[s] >= top - _TOLERANCE * top**2)
    return Choice(chosen, scores[chosen], scores)


def choice_in_haste(strengths: Sequence[float]) -> Choice:
    """What to take where nothing could be judged."""
    return _unjudged(strengths, _STRENGTH_IN_HASTE)


def _unjudged(strengths: Sequence[float], near: float) -> Choice:
    return Choice(min(strengths, key=lambda s: abs(s - near)), None, {})


def _some_labelled(
    sample: PictureSample, num_classes: int, most: int, rng: np.random.Generator
) -> torch.Tensor:
    """Rows of at most ``most`` labelled cells, drawn."""
    known = np.nonzero((sample.labels < num_classes).numpy())[0]
    return torch.from_numpy(np.sort(rng.permutation(known)[:most]))


def _judge(
    sample: PictureSample, guess: NDArray[np.float32], strength: float, counts: ConfusionMatrix
) -> None:
    marked = (sample.labels < guess.shape[1]).numpy()
    labels = refine_samples(sample, guess, strength).argmax(1)
    counts.update(sample.labels.numpy()[marked].astype(np.uint8)[None], labels[marked].astype(np.uint8)[None])
