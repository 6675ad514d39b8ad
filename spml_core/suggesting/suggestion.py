"""From marks and cached features to a segmentation of the picture, within milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError
from spml_core.labeling.colors import softmax
from spml_core.labeling.dense_crf import dense_crf
from spml_core.suggesting.classifier import class_scores
from spml_core.suggesting.color_model import region_color_evidence
from spml_core.suggesting.evidence import Evidence, Samples
from spml_core.suggesting.next_click import most_telling
from spml_core.suggesting.picture_features import PictureFeatures
from spml_core.suggesting.region_graph import Floats, border_affinity
from spml_core.suggesting.smoothing import best_cut, walk
from spml_core.suggesting.spreading import spread_marks

QUALITIES = ("pixels", "regions", "crf")
Value = TypeVar("Value", bound=np.generic)
KeepGoing: TypeAlias = Callable[[], bool]

LEVEL = 150
"""Regions to click on, unless another level is asked for."""

_FEW_REGIONS = 15  # about five clicks
_REST_WEIGHT = 0.02  # of a region that nobody marked, taken for background
_ELSEWHERE = 0.3  # weight of the marks of other pictures against those of this one


@dataclass(frozen=True)
class Strengths:
    """How the parts of a suggestion are weighed; in words of log-probabilities.

    Attributes
    ----------
    deep : float
        The classifier on deep features.
    spread : float
        How near the marks are along similar regions.
    color : float
        The picture's own colours.
    smooth : float
        Borders between regions.
    features_in_borders : float
        How much unlike features weaken a border.
    rounds : int
        How often colours and borders are gone through.
    """

    deep: float
    spread: float
    color: float
    smooth: float
    features_in_borders: float
    rounds: int


OBJECT = Strengths(0.35, 1.0, 1.75, 5.0, 1.0, 2)
"""For two classes, where colours tell much: an object and its background."""

PARTS = Strengths(1.0, 0.5, 0.5, 4.0, 2.0, 1)
"""For more classes, where deep features tell more and colours less: the parts of a scene."""


@dataclass(frozen=True)
class OtherMarks:
    """Regions marked in other pictures, with descriptors that can be compared.

    Attributes
    ----------
    descriptors : ndarray, (n, C) float32
    classes : ndarray, (n,) int64
    weights : ndarray, (n,) float32
    """

    descriptors: Floats
    classes: NDArray[np.int64]
    weights: Floats


@dataclass(frozen=True)
class Suggestion:
    """A segmentation that was made of marks.

    Attributes
    ----------
    labels : ndarray, (H, W) uint8
        A class, K (UNLABELED) where nothing can be said, 255 where void was painted. Marks are always kept.
    uncertainty : ndarray, (H, W) uint8
        0 for certain, 255 for all classes alike or where nothing can be said; 0 under marks.
    regions : ndarray, (H, W) int32
        Regions to click on, compact from 0.
    next_region : int or None
        The region whose answer would teach most; None where everything is marked, or nothing can be said yet.
    """

    labels: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
    regions: NDArray[np.int32]
    next_region: int | None


@dataclass(frozen=True)
class RegionScores:
    """What the marks come to, region by region.

    Attributes
    ----------
    classes : ndarray, (k,) int64
        Classes that take part, in ascending order; K stands for "none of the marked ones".
    labels : ndarray, (R,) int64
        Index into ``classes``.
    probabilities : ndarray, (R, k) float32
        All 0 where nothing can be said.
    """

    classes: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: Floats

    @property
    def uncertainty(self) -> Floats:
        """Normalised entropy of each region, (R,), 1 where the label isn't the most probable class."""
        count = len(self.classes)
        if count < 2:
            return 1 - self.probabilities[:, 0]
        entropy = -(self.probabilities * np.log(self.probabilities + 1e-9)).sum(1) / np.log(count)
        unsure = self.probabilities.argmax(1) != self.labels
        result: Floats = np.where(unsure, 1, np.clip(entropy, 0, 1)).astype(np.float32)
        return result


def suggest(
    features: PictureFeatures,
    evidence: Evidence,
    num_classes: int,
    *,
    others: OtherMarks | None = None,
    prior: Floats | None = None,
    quality: str = "pixels",
    level: int = LEVEL,
    keep_going: KeepGoing = lambda: True,
) -> Suggestion | None:
    """Suggest labels of a picture. The same input gives the same answer, whatever was asked before.

    Parameters
    ----------
    features : PictureFeatures
    evidence : Evidence
    num_classes : int
        K.
    others : OtherMarks, optional
        Marks of other pictures; they weigh less than those of this one.
    prior : ndarray, (R, K) float32, optional
        Probabilities of the small regions by a trained model.
    quality : str
        ``"pixels"``: labels along the finest borders; ``"regions"``: one label for each region that can be clicked;
        ``"crf"``: smoothed by a dense CRF, which takes several times as long.
    level : int
        How many regions to click on.
    keep_going : callable
        Asked between the steps; once it says False, the answer is None.

    Returns
    -------
    Suggestion or None
        Without any mark all is K. With marks of one class only, that class where the picture is alike, K elsewhere;
        and all is K if that class is marked in other pictures alone. A class that a complete list of tags leaves out
        is nowhere; where the list names the background alone, all is background.

    Raises
    ------
    ConfigError
        If the quality is unknown or the level is below 1.
    """
    if quality not in QUALITIES:
        raise ConfigError(f"Unknown quality {quality!r}.", f"Use one of: {', '.join(QUALITIES)}.")
    scores = region_scores(features, evidence, num_classes, others=others, prior=prior, keep_going=keep_going)
    if scores is None:
        return None
    parents = features.cut(level)
    if quality == "regions":
        scores = _voted(scores, parents, features.graph.area)
    fine = scores.uncertainty
    names = np.array([*scores.classes, num_classes]).astype(np.uint8)
    if quality == "crf" and len(scores.classes) > 1:
        dense = scores.probabilities[features.regions].transpose(2, 0, 1)
        small = names[dense_crf(features.rgb, dense, iterations=5).argmax(0)]
    else:
        small = names[scores.labels].take(features.regions)
    if not keep_going():
        return None
    told = np.unique(evidence.sure.regions)
    best = None
    if scores.probabilities.any():
        best = most_telling(parents, features.graph.area, fine, features.features, told)
    doubt = np.rint(fine * 255).astype(np.uint8).take(features.regions)
    labels, doubt = _full(small, features.shape), _full(doubt, features.shape)
    marked = evidence.painted != num_classes
    np.copyto(labels, evidence.painted, where=marked)
    doubt[marked] = 0
    return Suggestion(labels, doubt, _full(parents[features.regions], features.shape), best)


def region_scores(
    features: PictureFeatures,
    evidence: Evidence,
    num_classes: int,
    *,
    others: OtherMarks | None = None,
    prior: Floats | None = None,
    keep_going: KeepGoing = lambda: True,
) -> RegionScores | None:
    """Classes and probabilities of the small regions; None once ``keep_going`` says False.

    Parameters
    ----------
    features, evidence, num_classes, others, prior, keep_going
        As for :func:`suggest`.
    """
    sure, likely = evidence.sure, evidence.likely
    if evidence.ruled_out:
        others, prior = _without(evidence.ruled_out, others, prior)
    known = [sure.classes, likely.classes]
    if others is not None:
        known.append(others.classes)
    if prior is not None:
        known.append(np.flatnonzero(prior.max(0) > 0))
    classes = np.unique(np.concatenate(known)).astype(np.int64)
    region = np.concatenate([sure.regions, likely.regions])
    label = np.concatenate([sure.classes, likely.classes])
    weight = np.concatenate([sure.weights, likely.weights])
    if len(evidence.ruled_out) == num_classes - 1:
        return _all_of(0, features.count, 1)
    if len(classes) == 0 or (len(classes) == 1 and not len(region) and prior is None):
        # One class that is marked elsewhere: with nothing to tell it from, it would be everywhere.
        return _all_of(num_classes, features.count, 0)
    if len(classes) == 1:
        other = _other_class(evidence, int(classes[0]), num_classes)
        if len(region):
            rest = _unlike(features, region)
            region = np.concatenate([region, rest])
            label = np.concatenate([label, np.full(len(rest), other)])
            weight = np.concatenate([weight, np.full(len(rest), _REST_WEIGHT, np.float32)])
        if prior is not None and other < num_classes:
            prior = prior.copy()
            prior[:, other] = np.clip(1 - prior.sum(1), 0, 1)
        classes = np.sort(np.append(classes, other))
    elif len(classes) == 2 and classes[0] == 0 and _few(sure):
        # Background is all else: a few clicks on it can't tell what it is like.
        rest = np.setdiff1d(_unlike(features, region[label != 0]), region)
        region = np.concatenate([region, rest])
        label = np.concatenate([label, np.zeros(len(rest), np.int64)])
        weight = np.concatenate([weight, np.full(len(rest), _REST_WEIGHT, np.float32)])
    index = np.searchsorted(classes, label)
    scores = np.zeros((features.count, len(classes)), np.float32)
    strengths = OBJECT if len(classes) == 2 else PARTS
    x, y, w = [features.features[region]], [index], [weight]
    if others is not None and len(others.classes):
        x.append(features.project(others.descriptors))
        y.append(np.searchsorted(classes, others.classes))
        w.append(others.weights * _ELSEWHERE * (weight.sum() or 1) / others.weights.sum())
    learned = np.concatenate(y)
    seen = np.unique(learned)
    if len(seen) > 1:
        deep = class_scores(
            np.concatenate(x),
            np.searchsorted(seen, learned),
            np.concatenate(w),
            len(seen),
            features.features,
        )
        scores[:, seen] += strengths.deep * np.log(softmax(deep) + 1e-3)
        absent = np.setdiff1d(np.arange(len(classes)), seen)
        scores[:, absent] += strengths.deep * np.log(1 / len(classes))
    if not keep_going():
        return None
    if len(region):
        scores += strengths.spread * np.log(_nearness(features, region, index, weight, len(classes)) + 1e-3)
    if prior is not None:
        # Where K takes part there is one known class: what the model doesn't give to it is K's.
        rest = np.clip(1 - prior.sum(1, keepdims=True), 0, 1)
        scores += np.log(np.concatenate([prior, rest], 1)[:, classes] + 1e-3)
    if not keep_going():
        return None
    return _decide(features, classes, scores, strengths, sure.regions, index[: len(sure.regions)], keep_going)


def _other_class(evidence: Evidence, known: int, num_classes: int) -> int:
    """What isn't of the only known class: K, or the one class that a complete list of tags leaves for it."""
    left = set(range(num_classes)) - {known, *evidence.ruled_out}
    return left.pop() if evidence.ruled_out and len(left) == 1 else num_classes


def _all_of(code: int, count: int, probability: float) -> RegionScores:
    """One code for all regions."""
    probabilities = np.full((count, 1), probability, np.float32)
    return RegionScores(np.array([code]), np.zeros(count, np.int64), probabilities)


def _without(
    ruled_out: tuple[int, ...], others: OtherMarks | None, prior: Floats | None
) -> tuple[OtherMarks | None, Floats | None]:
    """Other pictures' marks and a model's probabilities without classes that aren't in the picture."""
    if others is not None:
        kept = ~np.isin(others.classes, ruled_out)
        others = OtherMarks(others.descriptors[kept], others.classes[kept], others.weights[kept])
        others = others if len(others.classes) else None
    if prior is not None:
        prior = prior.copy()
        prior[:, list(ruled_out)] = 0
        there = prior.max(0) > 0
        if there.sum() == 1:  # what isn't of it isn't of any class that the model knows
            return others, prior
        total = prior.sum(1, keepdims=True)
        # Where the model knew of nothing else, it has nothing to say.
        prior = np.where(total > 0, prior / np.maximum(total, 1e-9), there / max(int(there.sum()), 1))
        prior = prior.astype(np.float32) if there.any() else None
    return others, prior


def _nearness(
    features: PictureFeatures,
    region: NDArray[np.int64],
    index: NDArray[np.int64],
    weight: Floats,
    count: int,
) -> Floats:
    """Probabilities (R, count) of meeting a mark of each class first; what leaks goes to classes without a mark."""
    seeds, which = np.unique(region, return_inverse=True)
    votes = np.zeros((len(seeds), count))
    np.add.at(votes, (which.ravel(), index), weight)
    votes /= votes.sum(1, keepdims=True)
    near = spread_marks(features.spread, seeds, votes)
    absent = np.setdiff1d(np.arange(count), index)
    if len(absent):
        near[:, absent] = (np.clip(1 - near.sum(1), 0, 1) / len(absent))[:, None]
    near += 1e-6
    result: Floats = near / near.sum(1, keepdims=True)
    return result


def _decide(
    features: PictureFeatures,
    classes: NDArray[np.int64],
    scores: Floats,
    strengths: Strengths,
    sure: NDArray[np.int64],
    index: NDArray[np.int64],
    keep_going: KeepGoing,
) -> RegionScores | None:
    """Colours, then borders; as often as the strengths say. Marked regions keep their class."""
    graph, count = features.graph, len(classes)
    size = np.sqrt(graph.area)[:, None]
    borders = strengths.smooth * border_affinity(graph, features.features, strengths.features_in_borders)
    pull = np.zeros_like(scores)
    np.add.at(pull, (sure, index), 1e4)
    probabilities = softmax(scores)
    labels = probabilities.argmax(1)
    for _ in range(strengths.rounds):
        judged = scores + strengths.color * region_color_evidence(features.colors, graph.area, probabilities)
        if count == 2:
            second = best_cut(-(judged * size) - pull, graph.pairs, borders)
            labels = second.astype(np.int64)
            probabilities = np.eye(2, dtype=np.float32)[labels] * 0.9 + 0.05
        else:
            trust = 0.3 * size[:, 0]
            fixed = pull.sum(1) > 0
            target = np.where(
                fixed[:, None], pull / np.maximum(pull.sum(1, keepdims=True), 1), softmax(judged)
            )
            probabilities = walk(target, np.where(fixed, 1e4, trust), graph.pairs, borders)
            labels = probabilities.argmax(1)
        if not keep_going():
            return None
    if count == 2:
        # The cut says which, not how surely: that is what the scores say, smoothed along the same borders.
        soft = softmax(judged + np.minimum(pull, 20))
        probabilities = walk(soft, 0.3 * size[:, 0], graph.pairs, borders)
    return RegionScores(classes, labels, probabilities.astype(np.float32))


def _few(sure: Samples) -> bool:
    """Whether both classes are painted, the background so little that it can only be clicks."""
    background = np.unique(sure.regions[sure.classes == 0])
    return 0 < len(background) <= _FEW_REGIONS and bool((sure.classes != 0).any())


def _unlike(features: PictureFeatures, region: NDArray[np.int64]) -> NDArray[np.int64]:
    """The quarter of a picture least like the marked regions: what stands for all else while one class is marked."""
    unit = features.features / np.maximum(np.linalg.norm(features.features, axis=1, keepdims=True), 1e-9)
    likeness = (unit @ unit[np.unique(region)].T).max(1)
    order = np.argsort(likeness, kind="stable")
    covered = np.cumsum(features.graph.area[order]) <= features.graph.area.sum() / 4
    return np.setdiff1d(order[covered], region)


def _voted(scores: RegionScores, parents: NDArray[np.int32], area: Floats) -> RegionScores:
    """Every region takes the mean of the small regions in it."""
    total = np.bincount(parents, area)
    mean = np.stack(
        [np.bincount(parents, area * column) / total for column in scores.probabilities.T], 1
    ).astype(np.float32)
    voted = mean[parents]
    return RegionScores(scores.classes, voted.argmax(1), voted)


def _full(small: NDArray[Value], shape: tuple[int, int]) -> NDArray[Value]:
    """A map of the picture at working size, at full size: every pixel takes the nearest one."""
    if small.shape == shape:
        return small
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, small.shape, strict=True))
    full: NDArray[Value] = small[rows].take(columns, axis=1)
    return full
