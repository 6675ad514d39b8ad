"""The bank's segments know where they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.labeling.trained_model import build_network
from spml_core.training.bank import build_bank
from spml_core.training.samples import PictureSample, cell_labels, sample_picture


@pytest.fixture(scope="module")
def samples(blob_set):
    torch.manual_seed(0)
    network = build_network(TrainConfig(scales=(1.0,), embedding_dim=8), 3).eval()
    taken = [
        sample_picture(
            network, picture, draw=60, per_class=10, regions=(6, 20), rng=np.random.default_rng(number)
        )
        for number, picture in enumerate(blob_set[0].pictures[:3])
    ]
    return network, taken


def test_every_place_is_a_pixel_of_its_picture_with_its_segments_label(samples, blob_set):
    network, taken = samples
    bank = build_bank(network, taken)
    assert bank.places.shape == (len(bank), 2) and bank.places.dtype == torch.int64
    for number, picture in enumerate(blob_set[0].pictures[:3]):
        labels = picture.labels()
        cells = cell_labels(labels, 4, 3)
        mine = bank.pictures == number
        assert mine.any()
        for (y, x), label in zip(bank.places[mine].tolist(), bank.labels[mine].tolist(), strict=True):
            assert 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
            assert cells[y // 4, x // 4] == label


def test_places_stay_inside_where_the_last_cells_reach_out(samples):
    """A grid of 24 x 24 cells may belong to a picture of 93 x 93 pixels."""
    network, (sample, *_) = samples
    places = []
    for cell in ([23, 23], [23, 5], [0, 23], [7, 8]):
        one = PictureSample(
            sample.features[:1],
            torch.tensor([cell]),
            (24, 24),
            torch.tensor([1]),
            sample.levels[:1],
            sample.colors[:1],
            torch.tensor([True]),
            sample.tags,
            torch.tensor([True]),
            torch.tensor([1]),
        )
        places += build_bank(network, [one]).places.tolist()
    assert places == [[92, 92], [92, 22], [2, 92], [30, 34]]


def test_the_bank_tells_marks_from_the_models_own_answers(samples):
    network, (sample, *_) = samples
    marked = sample.labels < network.num_classes
    assert torch.equal(sample.marked, marked)
    named = torch.where(marked, sample.labels, torch.zeros_like(sample.labels))
    bank = build_bank(network, [replace(sample, labels=named)])
    cells = {tuple(place) for place in (sample.positions[marked] * 4).tolist()}
    for place, by_hand in zip(bank.places.tolist(), bank.marked.tolist(), strict=True):
        corner = (place[0] // 4 * 4, place[1] // 4 * 4)
        assert (corner in cells) == by_hand
    assert 0 < int(bank.marked.sum()) < len(bank)
