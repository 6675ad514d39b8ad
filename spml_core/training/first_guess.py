"""A quick classifier from the marked cells read so far, for previews while the features are still being read."""

from __future__ import annotations

import torch

from spml_core.training.cache import FeatureCache
from spml_core.training.classifier import LinearClassifier
from spml_core.training.linear_start import fit_logistic

_MOST_CELLS = 3000
_ITERATIONS = 12


class FirstGuess:
    """Learns from a growing cache, each time from where it was.

    Parameters
    ----------
    cache : FeatureCache
    num_classes : int
        K.
    """

    def __init__(self, cache: FeatureCache, num_classes: int) -> None:
        self._cache = cache
        self._num_classes = num_classes
        self._known = 0
        self._classifier: LinearClassifier | None = None

    def __call__(self) -> LinearClassifier | None:
        """Classifier on raw features; None before two classes were seen."""
        if len(self._cache) > self._known:
            self._known = len(self._cache)
            self._learn()
        return self._classifier

    def _learn(self) -> None:
        classes = self._num_classes
        pictures = self._cache.in_order
        marked = [(p.guesses < classes).nonzero()[:, 0] for p in pictures]
        # Every so many cells: each picture has its share, and no generator is touched.
        step = -(-sum(map(len, marked)) // _MOST_CELLS) or 1
        taken = [rows[::step] for rows in marked]
        labels = torch.cat([p.guesses[t] for p, t in zip(pictures, taken, strict=True)])
        if len(torch.unique(labels)) < 2:
            return
        rows = torch.cat([p.sample.features[t] for p, t in zip(pictures, taken, strict=True)]).float()
        mean, scale = rows.mean(0), rows.std(0).clamp_min(1e-4)
        initial = None
        if self._classifier is not None:
            start = self._classifier.on_standardised(mean, scale)
            # Classes that were absent so far get their chance.
            initial = start.weight, start.bias.clamp_min(start.bias.max() - 10)
        weight, bias = fit_logistic(
            (rows - mean) / scale, labels, classes, initial=initial, max_iterations=_ITERATIONS
        )
        self._classifier = LinearClassifier(weight, bias).on_raw(mean, scale)
