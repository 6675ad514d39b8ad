"""Validation pictures predicted and scored, with and without CRF (METHODS.md 1.17, 1.18)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.errors import MarkError
from spml_core.metrics import ConfusionMatrix, InstanceIoU
from spml_core.paper.context import PaperContext
from spml_core.paper.run_folder import StageFolder
from spml_core.paper.trained import TrainedNetwork
from spml_core.paper.views import View, see, to_size, views_of
from spml_core.paper.walk_stage import sharpened
from spml_core.training.events import Event


def predict_stage(
    context: PaperContext, plain: StageFolder, crf: StageFolder, network: Callable[[], TrainedNetwork]
) -> Iterator[Event]:
    """Write the predictions of all validation pictures: the network's own, and those after a dense CRF.

    Parameters
    ----------
    context : PaperContext
    plain, crf : StageFolder
    network : callable
    """
    if crf.done:
        return

    def make(index: int) -> None:
        picture = context.data.validation[index]
        rgb = picture.rgb()
        probabilities = predicted(context, network(), rgb)
        plain.write_labels(picture.name, probabilities.argmax(0).cpu().numpy().astype(np.uint8))
        # Written last: a picture that has this one has both.
        crf.write_labels(picture.name, sharpened(context, rgb, probabilities))

    yield from crf.each_missing([p.name for p in context.data.validation], ".png", make)
    plain.finish()
    crf.finish()


def predicted(context: PaperContext, network: TrainedNetwork, rgb: NDArray[np.uint8]) -> Tensor:
    """Class probabilities (K, H, W) of a picture, the mean over the preset's views."""
    testing = context.preset.testing
    height, width = rgb.shape[:2]
    base = testing.long_side / max(height, width)
    total = torch.zeros(context.num_classes, height, width, device=context.device)
    views = views_of(testing.scales, testing.flip)
    for view in views:
        scaled = View(base * view.scale, view.flip)
        logits = see(network.classify, rgb, scaled, context.preset.crop, context.device)
        total += to_size(logits.softmax(0), height, width)
    return total / len(views)


def scores_of(context: PaperContext, stage: StageFolder) -> dict[str, Any]:
    """Scores of one stage's predictions, as JSON values.

    Returns
    -------
    dict
        ``miou`` is the paper's, in which an absent class counts as 0; ``miou_present`` leaves such classes out.
        ``iou`` holds every class by its name, None if absent; ``instance_iou`` too, where instances are known.

    Raises
    ------
    MarkError
        If a truth doesn't fit its picture or the classes; it names the picture.
    """
    names = context.data.training.class_names
    matrix, instances = ConfusionMatrix(len(names)), InstanceIoU(len(names))
    known = 0
    for picture in context.data.validation:
        truth, guess = picture.truth(), stage.read_labels(picture.name)
        try:
            matrix.update(truth, guess)
            if picture.instances is not None:
                instances.update(truth, guess, picture.instances())
                known += 1
        except MarkError as error:
            raise MarkError(f"The truth of {picture.name}: {error.problem}", error.remedy) from error
    scores = asdict(matrix.scores())
    result = {
        "miou": scores["miou_all"],
        "miou_present": _number(scores["miou"]),
        "accuracy": _number(scores["accuracy"]),
        "iou": dict(zip(names, map(_number, scores["iou"]), strict=True)),
    }
    if known:
        result["instance_iou"] = dict(zip(names, map(_number, instances.iou().tolist()), strict=True))
    return result


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
