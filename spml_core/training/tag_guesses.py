"""First guesses where the classes are that nothing but tags tells of.

A classifier learns from the tags which cells make the difference between pictures that hold a class and those that
don't (:mod:`spml_core.seeds.tag_classifier`). What counts then is rank, not value: the few cells of a picture that
speak most for its class get the class, the many that speak least become background, and what lies between stays
open. On photos these guesses are right far more often than thresholded activation maps, and the stages that follow
need few guesses, but right ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from spml_core.annotations.sufficiency import BACKGROUND
from spml_core.seeds.tag_classifier import Bag, TagClassifier, fit_tag_classifier
from spml_core.training.cache import CachedPicture, FeatureCache
from spml_core.training.pseudo_labels import vote_among_samples
from spml_core.training.samples import PictureSample

_SURE = 0.03  # share of a picture's cells that get the class they speak most for
_OTHER = 0.6  # share that becomes background
_FEW = 8  # cells with a label: a class that has fewer is known by its tags alone


def guess_from_tags(
    cache: FeatureCache, num_classes: int, keep_going: Callable[[], bool] = lambda: True
) -> bool:
    """Let cells of tagged pictures carry first guesses of the classes that have no labels anywhere.

    Parameters
    ----------
    cache : FeatureCache
        Its samples' ``guesses`` are filled in.
    num_classes : int
        K.
    keep_going : callable
        Asked now and then; once it says no, the tags are taken as far as they have been understood.

    Returns
    -------
    bool
        Whether there was such a class.
    """
    wanted = _known_by_tags(cache.in_order, num_classes)
    if not wanted.any():
        return False
    mean, scale = _scale(cache.in_order)
    bags = [
        Bag(
            (sample.features[sample.drawn].float() - mean) / scale,
            sample.tags[1:],
            (~sample.tags[1:]) if _is_complete(cached) else torch.zeros_like(sample.tags[1:]),
        )
        for cached in cache.in_order
        if (sample := cached.sample).tags.any()
    ]
    classifier = fit_tag_classifier(bags, keep_going=keep_going).on_raw(mean, scale)
    for place, cached in enumerate(list(cache.in_order)):
        sample = cached.sample
        mine = wanted & sample.tags
        if mine.any():
            alone = _is_complete(cached) and not (sample.tags & ~wanted)[BACKGROUND + 1 :].any()
            guesses = _guesses(sample, classifier, mine, alone)
            made = replace(sample, guesses=guesses)
            cache.set(place, CachedPicture(cached.picture, made, made).with_labels(guesses))
    return True


def _known_by_tags(pictures: Sequence[CachedPicture], num_classes: int) -> Tensor:
    """Classes (K,) bool that are tagged somewhere but hardly labelled anywhere."""
    counts = torch.zeros(num_classes, dtype=torch.int64)
    tagged = torch.zeros(num_classes, dtype=torch.bool)
    for cached in pictures:
        guesses = cached.sample.guesses
        counts += torch.bincount(guesses[guesses < num_classes], minlength=num_classes)
        tagged |= cached.sample.tags
    tagged[BACKGROUND] = False
    return tagged & (counts < _FEW)


def _is_complete(cached: CachedPicture) -> bool:
    """Whether a class that isn't among the picture's tags is known to be absent."""
    return cached.sample.allowed is not None


def _scale(pictures: Sequence[CachedPicture]) -> tuple[Tensor, Tensor]:
    rows = torch.cat([cached.sample.features[cached.sample.drawn][::4] for cached in pictures]).float()
    return rows.mean(0), rows.std(0).clamp_min(1e-4)


def _guesses(sample: PictureSample, classifier: TagClassifier, mine: Tensor, alone: bool) -> Tensor:
    """A sample's guesses with those of the classes ``mine``; background too if they are ``alone`` in the picture."""
    unlabeled = len(mine)
    classes = mine.nonzero()[:, 0]
    scores = sample.features.float() @ classifier.weight[classes - 1].T
    smooth = torch.from_numpy(vote_among_samples(sample, scores.numpy()))
    fair = smooth[sample.drawn]
    smooth = (smooth - fair.mean(0)) / fair.std(0).clamp_min(1e-6)
    fair = smooth[sample.drawn]
    best, which = smooth.max(1)
    guesses = torch.full_like(sample.guesses, unlabeled)
    if alone:
        guesses[best <= torch.quantile(fair.amax(1), _OTHER)] = BACKGROUND
    sure = smooth >= torch.quantile(fair, 1 - _SURE, dim=0)
    own = sure[torch.arange(len(which)), which]
    guesses[own] = classes[which[own]]
    open_ = (sample.guesses == unlabeled) & sample.drawn
    return torch.where(open_, guesses, sample.guesses)
