"""First guesses where the classes are that nothing but tags tells of.

A classifier learns from the tags which cells make the difference between pictures that hold a class and those that
don't (:mod:`spml_core.seeds.tag_classifier`). What counts then is rank, not value: the few cells of a picture that
speak most for its class get the class, the many that speak least become background, and what lies between stays
open. On photos these guesses are right far more often than thresholded activation maps, and the stages that follow
need few guesses, but right ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.annotations.sufficiency import BACKGROUND
from spml_core.classes import IGNORE
from spml_core.seeds.tag_classifier import Bag, TagClassifier, fit_tag_classifier
from spml_core.training.cache import CachedPicture, FeatureCache
from spml_core.training.pseudo_labels import vote_among_samples
from spml_core.training.samples import PictureSample

_SURE = 0.03  # share of a picture's cells that get the class they speak most for
_OTHER = 0.6  # share that becomes background
_STANDING_OUT = (
    1.5  # weight of what sets a cell apart from the border, against what sets it apart from other pictures
)
_BORDER = 0.08  # of height and width: cells nearer to the picture's border than that
_NEIGHBORS = 5  # border cells that a cell is compared with
_FEW = 8  # cells with a label: a class that has fewer is known by its tags alone


def guess_from_tags(
    cache: FeatureCache, num_classes: int, keep_going: Callable[[], bool] = lambda: True
) -> None:
    """Give pictures first guesses of the classes that are tagged but have no labels anywhere.

    Parameters
    ----------
    cache : FeatureCache
        Its pictures' ``guesses`` are filled in.
    num_classes : int
        K.
    keep_going : callable
        Asked now and then; once it says no, the tags are taken as far as they have been understood.
    """
    wanted = known_by_tags(cache, num_classes)
    if not wanted.any():
        return
    pictures = [cached for cached in cache.in_order if _is_seen(cached.sample)]
    mean, scale = _scale(pictures)
    bags = [
        Bag(
            (sample.features[sample.drawn].float() - mean) / scale,
            sample.tags[1:],
            (~sample.tags[1:]) if _is_complete(sample) else torch.zeros_like(sample.tags[1:]),
        )
        for sample in (cached.sample for cached in pictures)
        if sample.tags.any()
    ]
    classifier = fit_tag_classifier(bags, keep_going=keep_going).on_raw(mean, scale)
    for cached in pictures:
        sample = cached.sample
        # Where a class has a box or key point, that tells more than its tag.
        mine = wanted & sample.tags & (_counts([cached.guesses], num_classes) == 0)
        if mine.any():
            alone = _is_complete(sample) and not (sample.tags & ~wanted)[BACKGROUND + 1 :].any()
            guesses = _under(cached, _sure_cells(sample, classifier, mine, alone, mean, scale), num_classes)
            cache.set(cache.place(cached.picture.name), replace(cached, guesses=guesses))


def recall_guesses(cache: FeatureCache, learned: Tensor) -> None:
    """Let the pseudo labels of classes that only tags tell of, and of background beside them, be their guesses.

    A model that goes on learning has understood the tags better than the first guesses did. A class whose last mark is
    gone isn't recalled, or it would never be forgotten.

    Parameters
    ----------
    cache : FeatureCache
    learned : Tensor, (K,) bool
        Classes that the model which gave the pseudo labels has learned.
    """
    classes = len(learned)
    few = _counts([cached.sample.guesses for cached in cache.in_order], classes) < _FEW
    scarce = few & _tagged(cache, classes)
    scarce[BACKGROUND] = (
        few[BACKGROUND] & scarce[BACKGROUND + 1 :].any()
    )  # no tag names it: it is around what one names
    scarce &= learned.cpu()
    for place, cached in enumerate(list(cache.in_order)):
        given, first = cached.taught.labels, cached.sample.guesses
        recalled = (first == classes) & (given < classes) & scarce[given.clamp_max(classes - 1)]
        cache.set(place, replace(cached, guesses=torch.where(recalled, given, first)))


def known_by_tags(cache: FeatureCache, num_classes: int) -> Tensor:
    """Classes (K,) bool that are tagged somewhere but hardly labelled or guessed anywhere."""
    tagged = _tagged(cache, num_classes)
    tagged[BACKGROUND] = False
    return tagged & (_counts([cached.guesses for cached in cache.in_order], num_classes) < _FEW)


def _tagged(cache: FeatureCache, num_classes: int) -> Tensor:
    """Classes (K,) bool that some picture is known to hold."""
    tagged = torch.zeros(num_classes, dtype=torch.bool)
    for cached in cache.in_order:
        if _is_seen(cached.sample):
            tagged |= cached.sample.tags
    return tagged


def _counts(labels: Sequence[Tensor], num_classes: int) -> Tensor:
    """How many cells have each class, (K,)."""
    known = torch.cat([part[part < num_classes] for part in labels])
    return torch.bincount(known, minlength=num_classes)


def _is_seen(sample: PictureSample) -> bool:
    """Whether the picture isn't void all over."""
    return bool((sample.labels != IGNORE).any())


def _is_complete(sample: PictureSample) -> bool:
    """Whether a class that isn't among the picture's tags is known to be absent."""
    return sample.allowed is not None


def _scale(pictures: Sequence[CachedPicture]) -> tuple[Tensor, Tensor]:
    rows = torch.cat([cached.sample.features[cached.sample.drawn][::4] for cached in pictures]).float()
    return rows.mean(0), rows.std(0, correction=0).clamp_min(1e-4)


def standing_out(sample: PictureSample, mean: Tensor, scale: Tensor) -> Tensor:
    """How unlike the picture's border each cell is, (n,): 1 less the mean cosine to the most similar border cells.

    A class that lives in one kind of scene can't be told from the scene by tags. But scenes reach to the picture's
    border, things mostly don't.

    Parameters
    ----------
    sample : PictureSample
    mean, scale : Tensor, (C,)
        Of the features.
    """
    rows, columns = sample.positions.T
    height, width = sample.grid
    inwards = torch.minimum(
        torch.minimum(rows, height - 1 - rows) / height, torch.minimum(columns, width - 1 - columns) / width
    )
    border = ((inwards < _BORDER) & sample.drawn).nonzero()[:, 0]
    if len(border) <= _NEIGHBORS:
        return torch.zeros(len(sample))
    unit = F.normalize((sample.features.float() - mean) / scale, dim=1)
    similar = unit @ unit[border].T
    similar[border, torch.arange(len(border))] = -1.0  # not to itself
    return 1 - similar.topk(_NEIGHBORS, dim=1).values.mean(1)


def _standardised(scores: Tensor, drawn: Tensor) -> Tensor:
    """Scores (n, c) with mean 0 and deviation 1 over the fairly drawn cells."""
    fair = scores[drawn]
    return (scores - fair.mean(0)) / fair.std(0, correction=0).clamp_min(1e-6)


def _sure_cells(
    sample: PictureSample,
    classifier: TagClassifier,
    mine: Tensor,
    alone: bool,
    mean: Tensor,
    scale: Tensor,
) -> Tensor:
    """Guesses (n,) of the classes ``mine``, K elsewhere; background too if they are ``alone`` in the picture."""
    unlabeled = len(mine)
    classes = mine.nonzero()[:, 0]
    scores = _standardised(sample.features.float() @ classifier.weight[classes - 1].T, sample.drawn)
    scores += _STANDING_OUT * _standardised(standing_out(sample, mean, scale)[:, None], sample.drawn)
    smooth = torch.from_numpy(vote_among_samples(sample, scores.numpy()))
    smooth = _standardised(smooth, sample.drawn)
    fair = smooth[sample.drawn]
    guesses = torch.full_like(sample.labels, unlabeled)
    if alone:
        guesses[smooth.amax(1) <= torch.quantile(fair.amax(1), _OTHER)] = BACKGROUND
    ruled_out = torch.zeros_like(smooth, dtype=torch.bool)
    if sample.allowed is not None:
        ruled_out = ~sample.allowed[:, classes]
    fair = fair.masked_fill(ruled_out[sample.drawn], math.nan)
    smooth = smooth.masked_fill(ruled_out, -math.inf)
    sure = smooth >= torch.nanquantile(fair, 1 - _SURE, dim=0)
    which = smooth.argmax(1)
    own = sure[torch.arange(len(which)), which]
    guesses[own] = classes[which[own]]
    return guesses


def _under(cached: CachedPicture, guesses: Tensor, num_classes: int) -> Tensor:
    """A picture's guesses, with others where there are none, or where background is no more than a guess."""
    sample, first = cached.sample, cached.guesses
    vague = (first == num_classes) | ((first == BACKGROUND) & (sample.labels == num_classes))
    return torch.where(vague & sample.drawn & (guesses < num_classes), guesses, first)
