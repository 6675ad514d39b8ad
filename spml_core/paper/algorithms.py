"""The paper's algorithms, stage by stage (METHODS.md 1.17). Read :func:`algorithm_1` and :func:`algorithm_2` first.

Every stage is skipped if it is finished, and goes on where it was if it is half done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from torch import Tensor

from spml_core.labeling.random_walk import activation_scores
from spml_core.paper.activation_stage import activation_stages
from spml_core.paper.batches import Batches
from spml_core.paper.context import Labels, PaperContext
from spml_core.paper.embedding_stage import EmbeddingLearner
from spml_core.paper.head_stage import HeadLearner
from spml_core.paper.iterating import learn
from spml_core.paper.predict_stage import predict_stage, scores_of
from spml_core.paper.region_stage import region_stage, regions_of
from spml_core.paper.retrieval_stage import bank_stage, vote_stage
from spml_core.paper.run_folder import StageFolder, write_json
from spml_core.paper.scores import neighbour_scores, network_scores
from spml_core.paper.seed_stage import Activation, seed_stage, weak_label_maps
from spml_core.paper.trained import TrainedNetwork
from spml_core.paper.views import views_of
from spml_core.paper.walk_stage import Scene, walk_stage
from spml_core.seeds.grid import to_picture
from spml_core.training.augmentation import Augmentation
from spml_core.training.events import Event

RESULTS = "results.json"

_Result = TypeVar("_Result")
_Made: TypeAlias = Generator[Event, None, _Result]
"""Tells events on the way to what it makes."""


@dataclass(frozen=True)
class Scored(Event):
    """The run is finished; the same stands in ``results.json``.

    Attributes
    ----------
    without_crf, with_crf : dict
        Scores of the validation pictures, see :func:`scores_of`; empty without any.
    """

    kind: ClassVar[str] = "scores"
    without_crf: dict[str, Any]
    with_crf: dict[str, Any]


def run_algorithm(context: PaperContext) -> Generator[Event, None, None]:
    """Run the preset's algorithm from wherever it stands to the scores.

    Parameters
    ----------
    context : PaperContext

    Yields
    ------
    Event
        :class:`StageProgress`, :class:`StepDone`, :class:`CheckpointSaved` and at last :class:`Scored`.

    Raises
    ------
    SpmlError
        If the data is wrong, a file in the run's folder is damaged or the disk is full.
    """
    yield from (algorithm_1 if context.preset.algorithm == 1 else algorithm_2)(context)
    done: dict[str, dict[str, Any]] = {"without_crf": {}, "with_crf": {}}
    if context.data.validation:
        done["without_crf"] = scores_of(context, context.stage("predictions"))
        done["with_crf"] = scores_of(context, context.stage("predictions_crf"))
    write_json(
        context.folder.path / RESULTS,
        {"preset": context.preset.name, "variant": context.preset.variant, "seed": context.seed, **done},
    )
    yield Scored(**done)


def algorithm_1(context: PaperContext) -> Iterator[Event]:
    """Scribbles, points, boxes, key points: embedding, pseudo labels by random walk, a new head, predictions."""
    weak, _ = yield from _weak_labels(context)
    embedding = yield from _learn_embedding(context, weak)
    joint = _network(context, embedding)
    views = views_of((1.0,), context.preset.walk.flip)

    def scores(scene: Scene) -> Tensor:
        if context.preset.annotation == "keypoints":
            return neighbour_scores(context, joint(), scene.rgb, scene.marks, scene.grid)
        present = context.present(scene.index, scene.marks)
        return network_scores(context, joint(), scene.rgb, scene.grid, views, present)

    pseudo = context.stage("pseudo_labels")
    yield from walk_stage(context, pseudo, joint, weak, scores, crf=True)
    head = yield from _learn_head(context, "head", embedding, pseudo)
    yield from _predict(context, embedding, head)


def algorithm_2(context: PaperContext) -> Iterator[Event]:
    """Tags: pseudo labels by random walk, then by retrieval, teach a head; its scores make better ones, twice over."""
    weak, activation = yield from _weak_labels(context)
    embedding = yield from _learn_embedding(context, weak)
    network = _network(context, embedding)
    scales, flip = context.preset.head_views

    def from_activation(scene: Scene) -> Tensor:
        size = scene.rgb.shape[0], scene.rgb.shape[1]
        present = context.present(scene.index, scene.marks)
        maps = to_picture(activation(scene.index), size) * present[1:, None, None]
        scores = activation_scores(maps.clip(0, 1).astype(np.float32), scene.grid, scene.stride)
        return scores.to(context.device)

    walked = context.stage("walk_1")
    yield from walk_stage(context, walked, network, weak, from_activation, crf=True)
    voted = yield from _vote(context, "1", network, walked, weak)
    head = yield from _learn_head(context, "head_1", embedding, voted)
    first = _network(context, embedding, head)

    def from_head(scene: Scene) -> Tensor:
        present = context.present(scene.index, scene.marks)
        views = views_of(scales, flip)
        return network_scores(context, first(), scene.rgb, scene.grid, views, present, mean_of_logits=True)

    walked = context.stage("walk_2")
    yield from walk_stage(context, walked, first, weak, from_head, crf=False)
    voted = yield from _vote(context, "2", network, walked, weak)
    head = yield from _learn_head(context, "head_2", embedding, voted)
    yield from _predict(context, embedding, head)


def _weak_labels(context: PaperContext) -> _Made[tuple[Labels, Activation]]:
    """Weak label maps of all training pictures, and activation maps where they were needed."""
    coarse = any(picture.coarse for picture in context.pictures)
    activation = yield from activation_stages(context)
    if not coarse:
        return weak_label_maps(context, None), activation
    stage = context.stage("weak_labels")
    yield from seed_stage(context, stage, activation)
    return weak_label_maps(context, stage), activation


def _learn_embedding(context: PaperContext, weak: Labels) -> _Made[StageFolder]:
    regions, stage = context.stage("regions"), context.stage("embedding")
    if not stage.done:
        yield from region_stage(context, regions)
        settings = context.preset.embedding
        batches = Batches(
            context,
            weak,
            stage.name,
            settings.optimisation,
            Augmentation(context.preset.crop, settings.scales, flipped_labels=context.mirrored_classes),
            regions_of(context, regions),
        )
        with batches:
            yield from learn(
                stage,
                lambda: EmbeddingLearner(context, batches),
                settings.optimisation.iterations,
                context.seed,
                context.device,
            )
    return stage


def _learn_head(
    context: PaperContext, name: str, embedding: StageFolder, pseudo: StageFolder
) -> _Made[StageFolder]:
    stage = context.stage(name)
    if not stage.done:
        settings = context.preset.classifier
        labels = weak_label_maps(context, pseudo)
        batches = Batches(
            context,
            labels,
            name,
            settings.optimisation,
            Augmentation(
                context.preset.crop,
                settings.scales,
                gray=settings.gray,
                blur=settings.blur,
                flipped_labels=context.mirrored_classes,
            ),
        )
        frozen = TrainedNetwork.load(context, embedding).network
        with batches:
            yield from learn(
                stage,
                lambda: HeadLearner(context, frozen, batches, name),
                settings.optimisation.iterations,
                context.seed,
                context.device,
            )
    return stage


def _vote(
    context: PaperContext,
    number: str,
    network: Callable[[], TrainedNetwork],
    labels: StageFolder,
    weak: Labels,
) -> _Made[StageFolder]:
    """Pseudo labels by retrieval from a bank that other pseudo labels name."""
    bank, votes = context.stage(f"bank_{number}"), context.stage(f"votes_{number}")
    yield from bank_stage(context, bank, network, weak_label_maps(context, labels))
    yield from vote_stage(context, votes, network, bank, weak)
    return votes


def _predict(context: PaperContext, embedding: StageFolder, head: StageFolder) -> Iterator[Event]:
    if context.data.validation:
        plain, crf = context.stage("predictions"), context.stage("predictions_crf")
        yield from predict_stage(context, plain, crf, _network(context, embedding, head))


def _network(
    context: PaperContext, embedding: StageFolder, head: StageFolder | None = None
) -> Callable[[], TrainedNetwork]:
    """The network of a stage, perhaps with another's head, loaded when it is first asked for."""
    return cache(lambda: TrainedNetwork.load(context, embedding, head))
