"""Scenes of two discs and marks of every kind on them, for tests of training."""

import dataclasses

import numpy as np

from spml_core.annotations import Box, CoarseMarks, KeyPoint
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.metrics import ConfusionMatrix
from spml_core.training import StepDone, TrainingSet
from spml_core.training.training_set import TrainingPicture

K = 3
NAMES = ("ground", "red", "green")
SIDE = 96
SAME = np.concatenate([np.arange(255), [255]]).astype(np.uint8)


def scene(seed, classes=(1, 2)):
    """A picture with a red or a green disc or both on noisy grey, and its true labels."""
    rng = np.random.default_rng(seed)
    rgb = rng.normal(110, 12, (SIDE, SIDE, 3))
    truth = np.zeros((SIDE, SIDE), np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE]
    for label in classes:
        color = {1: (200, 60, 50), 2: (60, 190, 70)}[label]
        row, column = rng.integers(24, 72), rng.integers(16, 32) + (label - 1) * 48
        disc = (y - row) ** 2 + (x - column) ** 2 < 14**2
        truth[disc] = label
        rgb[disc] = rng.normal(color, 12, (int(disc.sum()), 3))
    return rgb.clip(0, 255).astype(np.uint8), truth


def coarse_of(truth, kind):
    classes = [int(c) for c in np.unique(truth) if c]
    if kind == "tags":
        return CoarseMarks(tags=tuple(classes), complete=True)
    boxes, points = [], []
    for index in classes:
        y, x = np.nonzero(truth == index)
        boxes.append(Box(index, float(y.min()), float(x.min()), float(y.max() + 1), float(x.max() + 1)))
        points.append(KeyPoint(index, float(y.mean()), float(x.mean()), 2.0 * float(np.sqrt(len(y)))))
    return CoarseMarks(boxes=tuple(boxes)) if kind == "boxes" else CoarseMarks(key_points=tuple(points))


def clicked(truth, seed):
    rng = np.random.default_rng(seed)
    marks = np.full(truth.shape, K, np.uint8)
    for label in np.unique(truth):
        y, x = np.nonzero(truth == label)
        for i in rng.integers(len(y), size=3):
            marks[y[i], x[i]] = label
    return marks


def picture_of(number, kind, classes=(1, 2)):
    rgb, truth = scene(number, classes)
    tags = np.isin(np.arange(K), truth) & (np.arange(K) > 0)
    labels = clicked(truth, number) if kind == "clicks" else np.full(truth.shape, K, np.uint8)
    coarse = CoarseMarks() if kind == "clicks" else coarse_of(truth, kind)
    return TrainingPicture(f"p{number}", lambda: rgb, lambda: labels, tags, coarse)


COMBINATIONS = [(1,), (2,), (1, 2), (1,), (2,), (1, 2), (1,), (2,)]


def set_of(*kinds):
    """As many pictures as kinds of marks; classes come and go from picture to picture."""
    made = [picture_of(n, kind, COMBINATIONS[n % 8]) for n, kind in enumerate(kinds)]
    return TrainingSet(tuple(made), NAMES)


def score(model):
    matrix = ConfusionMatrix(K)
    for seed in (40, 41, 42):
        rgb, truth = scene(seed)
        matrix.update(truth, label_picture(model, ArrayPixels(rgb))[0])
    return matrix.scores().miou


def steps(events):
    return [event for event in events if isinstance(event, StepDone)]


def losses(events):
    return [event.losses for event in steps(events)]


def changed_marks(picture):
    """The same picture with one of its coarse marks changed."""
    marks = picture.coarse
    if marks.boxes:
        box = marks.boxes[0]
        marks = dataclasses.replace(marks, boxes=(Box(box.class_index, 60, 60, 90, 90),))
    elif marks.key_points:
        point = marks.key_points[0]
        marks = dataclasses.replace(marks, key_points=(KeyPoint(point.class_index, 80, 80, point.size),))
    else:
        marks = dataclasses.replace(marks, tags=(1, 2) if marks.tags == (1,) else (1,))
    tags = np.isin(np.arange(K), [*marks.tags, *(m.class_index for m in (*marks.boxes, *marks.key_points))])
    return dataclasses.replace(picture, coarse=marks, tags=tags)
