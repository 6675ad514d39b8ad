import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from spml_core.annotations import CoarseMarks
from spml_core.config import TrainConfig
from spml_core.generators import run_to_end
from spml_core.training import TrainingPicture, TrainingSet, train
from spml_core.training.cache import FeatureCache
from spml_core.training.samples import PictureSample

sys.path.insert(0, str(Path(__file__).parent))  # for coarse_scenes: pytest puts no test folder there

UNLABELED = 3
TINY = TrainConfig(
    steps=12,
    scales=(1.0,),
    embedding_dim=16,
    batch=3,
    samples=200,
    regions=(10, 40),
    device="cpu",
    max_seconds=600,
)


@pytest.fixture(scope="session")
def tiny():
    """Settings of a training that takes seconds."""
    return TINY


@pytest.fixture(scope="session")
def run():
    """Trains to the end; gives all events and the model."""

    def to_the_end(training_set, config=TINY, folder=None, **kwargs):
        events = []
        model = run_to_end(train(training_set, config, folder, **kwargs), events.append)
        return events, model

    return to_the_end


@pytest.fixture(scope="session")
def marks_of():
    """Makes a few clicks on every class of a picture's truth."""
    return clicks


def blobs(seed: int, side: int = 96):
    """A picture with a red and a green disc on noisy grey, and its true labels 0, 1, 2."""
    rng = np.random.default_rng(seed)
    rgb = rng.normal(110, 12, (side, side, 3))
    truth = np.zeros((side, side), np.uint8)
    y, x = np.mgrid[:side, :side]
    for label, color in ((1, (200, 60, 50)), (2, (60, 190, 70))):
        row = rng.integers(side // 4, 3 * side // 4)
        column = rng.integers(12, side // 3) + (label - 1) * side // 2
        disc = (y - row) ** 2 + (x - column) ** 2 < (side // 7) ** 2
        truth[disc] = label
        rgb[disc] = rng.normal(color, 12, (int(disc.sum()), 3))
    return rgb.clip(0, 255).astype(np.uint8), truth


def clicks(truth, seed: int, size: int = 3):
    """A few marked pixels of every class, the rest unlabelled."""
    rng = np.random.default_rng(seed)
    marks = np.full(truth.shape, UNLABELED, np.uint8)
    for label in np.unique(truth):
        y, x = np.nonzero(truth == label)
        for i in rng.integers(len(y), size=size):
            marks[y[i], x[i]] = label
    return marks


@pytest.fixture(scope="session")
def blob_set():
    """Five marked pictures, two unmarked, and the true labels of all."""
    pictures, truths = zip(*(blobs(seed) for seed in range(7)), strict=True)
    marks = [clicks(t, i) if i < 5 else None for i, t in enumerate(truths)]
    return TrainingSet.from_arrays(pictures, marks, ["ground", "red", "green"]), pictures, truths


def made_sample(truth, classes, *, seed=0, labels=None, guesses=None, allowed=None, tags=None, drawn=None):
    """A picture of 8 x 10 cells whose features tell the classes of ``truth`` (80,) apart, its regions single rows."""
    rng = np.random.default_rng(seed)
    n = len(truth)
    features = rng.normal(size=(n, classes + 3))
    features[np.arange(n), truth] += 4 * (truth > 0)
    labels = np.full(n, classes) if labels is None else np.asarray(labels)
    rows = np.arange(n) // 10
    place = torch.from_numpy(np.stack([rows, np.arange(n) % 10], 1))
    return PictureSample(
        torch.from_numpy(features).half(),
        place,
        (8, 10),
        torch.from_numpy(labels.astype(np.int64)),
        torch.from_numpy(np.stack([rows // 2, rows], 1).astype(np.int64)),
        np.zeros(n, np.int32),
        torch.ones(n, dtype=torch.bool) if drawn is None else torch.from_numpy(drawn),
        torch.from_numpy(np.isin(np.arange(classes), truth) if tags is None else np.asarray(tags)),
        torch.from_numpy(labels < classes),
        torch.from_numpy((labels if guesses is None else np.asarray(guesses)).astype(np.int64)),
        None if allowed is None else torch.from_numpy(allowed),
    )


@pytest.fixture(scope="session")
def make_sample():
    """Makes a synthetic sample; see :func:`made_sample`."""
    return made_sample


@pytest.fixture(scope="session")
def cache_of():
    """Makes a cache of samples, their pictures named by number and with coarse marks if they are given."""

    def make(samples, coarse=()):
        cache = FeatureCache()
        for number, sample in enumerate(samples):
            marks = coarse[number] if coarse else CoarseMarks()
            picture = TrainingPicture(f"p{number}", lambda: None, lambda: None, sample.tags.numpy(), marks)
            cache.put(picture, sample)
        return cache

    return make
