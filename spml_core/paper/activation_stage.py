"""Activation maps of our own, where boxes or tags need them and nobody gave any (METHODS.md 1.10.1).

A classifier of tags reads features of the default backbone; its maps, at several scales and mirrored, are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from spml_core.errors import TrainingError
from spml_core.models import Backbone, Pyramid, build_backbone, rgb_tensor
from spml_core.paper.context import PaperContext
from spml_core.paper.iterating import derived_seed
from spml_core.paper.run_folder import StageFolder
from spml_core.paper.seed_stage import Activation
from spml_core.paper.tensors import load_tensors, save_tensors
from spml_core.seeds.activation import normalise_psa
from spml_core.seeds.cam_files import ActivationMaps, read_activation_maps, write_activation_maps
from spml_core.seeds.picture_activation import picture_activation
from spml_core.seeds.tag_classifier import Bag, TagClassifier, fit_tag_classifier
from spml_core.training.events import Event
from spml_core.training.training_set import TrainingPicture

_CELLS = 400  # of a picture, at the most
_ALL_CELLS = 400_000  # of all pictures together
_CLASSIFIER = "classifier.safetensors"
_FEATURES = ".safetensors"
_MAPS = ".npz"


def activation_stages(context: PaperContext) -> Generator[Event, None, Activation]:
    """Make activation maps if marks need them and the data brings none; gives what reads them.

    Parameters
    ----------
    context : PaperContext

    Raises
    ------
    TrainingError
        If no picture has a class to learn from.
    """
    given = context.data.activation
    if given is not None:
        return lambda index: given(context.pictures[index].name)
    if not any(picture.coarse.boxes or picture.coarse.tags for picture in context.pictures):
        return _nothing
    features, classifier = context.stage("tag_features"), context.stage("tag_classifier")
    maps = context.stage("activation")
    if not maps.done:
        backbone = cache(lambda: build_backbone().to(context.device))
        yield from _feature_stage(context, features, backbone)
        if not classifier.done:
            fitted = _fit(context, features)
            save_tensors(classifier.path / _CLASSIFIER, {"weight": fitted.weight, "bias": fitted.bias})
            classifier.finish()
        yield from _map_stage(context, maps, classifier, backbone)
    count = context.num_classes
    return lambda index: read_activation_maps(maps.file(context.pictures[index].name, _MAPS), count).maps


def _nothing(index: int) -> NDArray[np.float32]:
    raise TrainingError(f"Picture {index} has no activation maps.", "Give them with the data.")


def _feature_stage(
    context: PaperContext, stage: StageFolder, backbone: Callable[[], Backbone]
) -> Iterator[Event]:
    """Write features of some cells of every picture, drawn fairly."""
    if stage.done:
        return
    most = max(1, min(_CELLS, _ALL_CELLS // len(context.pictures)))

    @torch.no_grad()
    def make(index: int) -> None:
        picture = context.pictures[index]
        rgb = rgb_tensor(picture.rgb()).to(context.device)
        cells = Pyramid().features(backbone(), rgb)[0].flatten(1).T
        rng = np.random.default_rng(derived_seed(context.seed, stage.name, index))
        chosen = rng.permutation(len(cells))[:most]
        save_tensors(
            stage.file(picture.name, _FEATURES), {"features": cells[torch.from_numpy(chosen)].half()}
        )

    yield from stage.each_missing(context.data.names, _FEATURES, make)
    stage.finish()


def _fit(context: PaperContext, features: StageFolder) -> TagClassifier:
    """The classifier of raw features."""
    read = [
        load_tensors(features.file(name, _FEATURES), ["features"])[0]["features"].float().to(context.device)
        for name in context.data.names
    ]
    every = torch.cat(read)
    mean, scale = every.mean(0), every.std(0).clamp_min(1e-4)
    bags = [
        Bag((cells - mean) / scale, *_known(picture))
        for cells, picture in zip(read, context.pictures, strict=True)
    ]
    return fit_tag_classifier(bags).on_raw(mean, scale)


def _known(picture: TrainingPicture) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes but the background that are in a picture, and that are known not to be (K - 1,)."""
    present = torch.from_numpy(picture.tags[1:].copy())
    coarse = picture.coarse
    # Boxes are drawn around all objects there are, or else what lies outside them couldn't be background.
    complete = coarse.complete or (bool(coarse.boxes) and not coarse.tags)
    return present, ~present if complete else torch.zeros_like(present)


def _map_stage(
    context: PaperContext, stage: StageFolder, classifier: StageFolder, backbone: Callable[[], Backbone]
) -> Iterator[Event]:
    """Write every picture's activation maps, on the features' grid."""
    parts = ("weight", "bias")
    tensors, _ = load_tensors(classifier.path / _CLASSIFIER, parts)
    fitted = TagClassifier(*(tensors[name].to(context.device) for name in parts))
    pyramid = Pyramid()

    def make(index: int) -> None:
        picture = context.pictures[index]
        rgb = picture.rgb()
        present = picture.tags.copy()
        present[0] = False
        maps = picture_activation(
            rgb_tensor(rgb).to(context.device),
            lambda view: fitted.maps(pyramid.features(backbone(), view)[0]),
            present=present,
            shape=pyramid.grid(rgb.shape[0], rgb.shape[1]),
        )
        file = stage.file(picture.name, _MAPS)
        write_activation_maps(file, ActivationMaps(normalise_psa(maps), present))

    yield from stage.each_missing(context.data.names, _MAPS, make)
    stage.finish()
