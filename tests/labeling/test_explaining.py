"""Why a pixel has its label: METHODS.md 1.15."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.errors import ConfigError, PictureError, ProjectError
from spml_core.labeling.explaining import explain, nearest_labelled, segment_window
from spml_core.labeling.inference import ArrayPixels
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.models import Pyramid
from spml_core.segments import normalize

CONFIG = TrainConfig(scales=(1.0,), embedding_dim=8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = build_network(CONFIG, 3).eval()
    return TrainedModel(network, Refinement((20, 60)), ("a", "b", "c"), CONFIG)


def picture(seed, height=96, width=112):
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3))
    return ArrayPixels(coarse.repeat(8, 0).repeat(8, 1).astype(np.uint8))


def taught(model, pictures):
    """The model with the segments of these pictures in its bank, each named by the parity of its number."""
    banks = []
    for number, pixels in enumerate(pictures):
        window = segment_window(model, pixels, 0, 0)
        index = torch.arange(len(window.prototypes))
        places = torch.stack([(window.segments == i).nonzero()[0] * window.stride for i in index])
        banks.append(
            RetrievalBank(window.prototypes, index % 2, torch.full_like(index, number), index, 3, places)
        )
    names = tuple(f"p{i}" for i in range(len(pictures)))
    return replace(model, bank=RetrievalBank.join(banks), bank_pictures=names)


def test_a_learned_pixel_finds_its_own_segment_first(model):
    pictures = [picture(seed) for seed in range(4)]
    knowing = taught(model, pictures)
    for y, x in ((0, 0), (95, 111), (40, 63)):
        found = explain(knowing, pictures[2], y, x, k=6)
        window = segment_window(model, pictures[2], y, x)
        number = int(window.segments[y // 4, x // 4])
        assert found[0].picture == "p2" and found[0].similarity == pytest.approx(1, abs=1e-5)
        assert found[0].class_index == number % 2
        assert int(window.segments[found[0].y // 4, found[0].x // 4]) == number


def test_answers_come_in_order_and_two_at_most_of_a_picture(model):
    pictures = [picture(seed) for seed in range(4)]
    knowing = taught(model, pictures)
    found = explain(knowing, picture(9), 20, 30, k=6)
    similarities = [segment.similarity for segment in found]
    assert len(found) == 6 and similarities == sorted(similarities, reverse=True)
    names = [segment.picture for segment in found]
    assert max(names.count(name) for name in names) == 2
    # The best of all is among them, whatever its picture.
    prototype = segment_window(model, picture(9), 20, 30).prototype_at(20, 30)
    assert similarities[0] == pytest.approx(float((knowing.bank.prototypes @ prototype).max()), abs=1e-5)
    assert len(explain(knowing, picture(9), 20, 30, k=50)) == 8


def test_some_segments_may_be_refused(model):
    knowing = taught(model, [picture(seed) for seed in range(4)])
    prototype = normalize(torch.randn(1, 8))[0]
    found = nearest_labelled(knowing, prototype, 6, lambda s: s.class_index == 1 and s.picture != "p0")
    assert len(found) == 6
    assert {segment.class_index for segment in found} == {1}
    assert {segment.picture for segment in found} == {"p1", "p2", "p3"}


def test_of_a_large_picture_only_the_part_around_the_pixel_is_looked_at(model):
    class Counted(ArrayPixels):
        read = 0

        def rgb_window(self, top, left, height, width):
            Counted.read = max(Counted.read, height * width)
            assert top <= 333 < top + height and left <= 210 < left + width
            return super().rgb_window(top, left, height, width)

    model.network.pyramid = Pyramid((1.0,), 4, whole=1000, tile=64, margin=32)
    try:
        large = Counted(picture(3, 400, 480).rgb)
        window = segment_window(model, large, 333, 210)
        assert 0 < Counted.read <= 128**2
        assert window.covers(333, 210) and not window.covers(10, 10)
        assert window.prototype_at(333, 210).shape == (8,)
    finally:
        model.network.pyramid = Pyramid(CONFIG.scales, CONFIG.stride)


def test_what_cannot_be_explained_is_said(model):
    knowing = taught(model, [picture(0)])
    with pytest.raises(PictureError, match=r"\(96, 5\)"):
        explain(knowing, picture(0), 96, 5)
    with pytest.raises(ConfigError, match="0 labelled"):
        explain(knowing, picture(0), 0, 0, k=0)
    with pytest.raises(ConfigError, match="no labelled segments"):
        explain(model, picture(0), 0, 0)
    old = replace(knowing, bank=replace(knowing.bank, places=None))
    with pytest.raises(ProjectError, match="earlier version"):
        explain(old, picture(0), 0, 0)


def test_what_the_model_named_itself_explains_nothing(model):
    pictures = [picture(seed) for seed in range(3)]
    knowing = taught(model, pictures)
    by_hand = knowing.bank.pictures != 1
    marked = replace(knowing, bank=replace(knowing.bank, marked=by_hand))
    prototype = segment_window(model, pictures[1], 40, 63).prototype_at(40, 63)
    assert nearest_labelled(knowing, prototype, 4)[0].picture == "p1"
    assert {segment.picture for segment in nearest_labelled(marked, prototype, 4)} == {"p0", "p2"}
    nobody = replace(knowing, bank=replace(knowing.bank, marked=torch.zeros_like(by_hand)))
    assert nearest_labelled(nobody, prototype, 4)[0].picture == "p1"
