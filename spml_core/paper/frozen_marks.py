"""The marks that a run began with. They are kept in its folder: a run that goes on learns from nothing else.

So every stage of a run sees the same marks, however often it was broken off, and reads them fast.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import CoarseMarks, Mark, Tag
from spml_core.annotations.codec import mark_from_json, mark_to_json
from spml_core.errors import TrainingError
from spml_core.paper.run_folder import StageFolder
from spml_core.training.events import Event, Warned
from spml_core.training.training_set import TrainingPicture, TrainingSet


def marked_part(training_set: TrainingSet) -> TrainingSet:
    """The set without pictures of which nothing is known: the published methods have marks on all of theirs."""
    return replace(training_set, pictures=training_set.marked)


def freeze_marks(stage: StageFolder, training_set: TrainingSet) -> Generator[Event, None, None]:
    """Keep the marks of a set; if they are kept already, see whether they have changed since.

    Parameters
    ----------
    stage : StageFolder
    training_set : TrainingSet

    Raises
    ------
    TrainingError
        If a picture of a run that goes on is gone, or painted marks haven't their picture's size.
    StorageError
        If they can't be written.
    """
    if stage.done:
        kept = frozen_set(stage, training_set)
        now = {p.name: p for p in marked_part(training_set).pictures}
        if now.keys() != {p.name for p in kept.pictures} or any(
            _differs(now[p.name], p, training_set.num_classes) for p in kept.pictures
        ):
            yield Warned(
                "Marks have changed since this training began; it goes on with those of then. Train anew to learn"
                " from all."
            )
        return
    marked = marked_part(training_set)

    def make(index: int) -> None:
        picture = marked.pictures[index]
        stage.write_labels(picture.name, _painted(picture, training_set.num_classes))

    yield from stage.each_missing([p.name for p in marked.pictures], ".png", make)
    stage.finish({"classes": list(marked.class_names), "pictures": [_to_json(p) for p in marked.pictures]})


def frozen_set(stage: StageFolder, training_set: TrainingSet) -> TrainingSet:
    """The pictures of a set with the marks that were kept, and the classes' names of then.

    Raises
    ------
    TrainingError
        If a picture is gone or a file damaged.
    """
    figures = stage.figures()
    by_name = {p.name: p for p in training_set.pictures}
    try:
        kept = [_from_json(values, by_name, stage) for values in figures["pictures"]]
        names = tuple(figures["classes"])
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{stage.path} is damaged ({error!r}).", "Train anew.") from error
    return TrainingSet(tuple(kept), names)


def _painted(picture: TrainingPicture, num_classes: int) -> NDArray[np.uint8]:
    if picture.labels is None:
        return np.full(picture.rgb().shape[:2], num_classes, np.uint8)
    return picture.labels()


def _differs(now: TrainingPicture, kept: TrainingPicture, num_classes: int) -> bool:
    if now.coarse != kept.coarse or not np.array_equal(now.tags, kept.tags):
        return True
    return not np.array_equal(_painted(now, num_classes), _painted(kept, num_classes))


def _to_json(picture: TrainingPicture) -> dict[str, Any]:
    coarse = picture.coarse
    marks: list[Mark] = [
        *coarse.boxes,
        *coarse.key_points,
        *(Tag(index, coarse.complete) for index in coarse.tags),
    ]
    return {
        "name": picture.name,
        "tags": picture.tags.tolist(),
        "coarse": [mark_to_json(mark) for mark in marks],
    }


def _from_json(
    values: dict[str, Any], by_name: dict[str, TrainingPicture], stage: StageFolder
) -> TrainingPicture:
    name = str(values["name"])
    if name not in by_name:
        raise TrainingError(
            f"The picture {name} that this run learned from is no longer there.",
            "Bring it back, or train without --resume.",
        )
    return TrainingPicture(
        name,
        by_name[name].rgb,
        partial(stage.read_labels, name),
        np.array(values["tags"], bool),
        CoarseMarks.of(mark_from_json(line) for line in values["coarse"]),
    )
