import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.errors import PictureError
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.refinement import Refinement, region_hierarchy, upsample
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.labeling.voting import vote_over_levels
from spml_core.models import rgb_tensor
from spml_core.training.classifier import LinearClassifier
from spml_core.training.previews import Previewer, WantedPicture, region_votes

REFINEMENT = Refinement((6, 20))


class FakeTime:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def halves(height=64, width=96):
    """Red on the left, blue on the right."""
    rgb = np.random.default_rng(0).integers(0, 40, (height, width, 3)).astype(np.uint8)
    rgb[:, : width // 2, 0] += 180
    rgb[:, width // 2 :, 2] += 180
    return rgb


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network(TrainConfig(scales=(1.0,), embedding_dim=4), 3).eval()


@pytest.fixture
def stage(network):
    """A previewer, what it showed, and a way to let it have a chance at a time."""
    time, shown, wanted = FakeTime(), [], {"picture": WantedPicture("a", halves)}
    previewer = Previewer(lambda: wanted["picture"], lambda *told: shown.append(told), seconds=1.0, now=time)
    torch.manual_seed(1)
    classifier = LinearClassifier(torch.randn(3, network.mean.shape[0]) * 0.1, torch.zeros(3))

    def chance(at, classifier=classifier, step=0, refinement=REFINEMENT):
        time.now = at
        before = len(shown)
        previewer.show_if_due(network, lambda: classifier, refinement, step)
        return len(shown) > before

    return chance, shown, wanted, classifier


def test_labels_are_those_of_a_model_with_the_same_classifier(stage, network):
    chance, shown, _, classifier = stage
    assert chance(0.0, step=7)
    key, labels, step = shown[0]
    model = TrainedModel(network, REFINEMENT, ("a", "b", "c"), TrainConfig())
    network.start_from(classifier.weight, classifier.bias, torch.zeros(1, classifier.weight.shape[1]))
    expected, _ = label_picture(model, ArrayPixels(halves()))
    assert (key, step) == ("a", 7) and labels.dtype == np.uint8
    assert (labels == expected).mean() > 0.99  # features of 16 bit


def test_votes_of_cells_are_the_votes_of_the_enlarged_map():
    rgb, probabilities = halves(50, 71), np.random.default_rng(1).random((13, 18, 4)).astype(np.float32)
    hierarchy = region_hierarchy(rgb)
    cuts = [hierarchy.cut(count).reshape(-1) for count in (3, 8, 30)]
    dense = upsample(probabilities, 50, 71).reshape(-1, 4)
    voted = region_votes(cuts, (13, 18), (50, 71)) @ probabilities.reshape(-1, 4)
    assert np.allclose(voted, vote_over_levels(dense, cuts), atol=1e-5)


def test_shows_when_due_and_at_once_when_another_picture_is_wanted(stage):
    chance, shown, wanted, _ = stage
    assert [chance(t) for t in (0.0, 0.5, 0.9, 1.1, 1.5)] == [True, False, False, True, False]
    wanted["picture"] = WantedPicture("b", lambda: halves(48, 64))
    assert chance(1.6) and shown[-1][0] == "b" and shown[-1][1].shape == (48, 64)
    wanted["picture"] = None
    assert not chance(9.0)


def test_nothing_to_show_without_a_classifier(stage):
    chance, *_ = stage
    assert not chance(0.0, classifier=None)
    assert chance(0.1)


def test_a_changed_classifier_changes_the_labels(stage):
    chance, shown, _, classifier = stage
    chance(0.0)
    other = int(shown[0][1][0, 0] == 0)
    bias = torch.zeros(3)
    bias[other] = 100.0
    chance(2.0, LinearClassifier(classifier.weight, bias))
    assert (shown[-1][1] == other).all() and not (shown[0][1] == other).all()


def test_large_picture_is_labelled_in_a_smaller_copy(stage, network):
    chance, shown, wanted, _ = stage
    wanted["picture"] = WantedPicture("large", lambda: halves(900, 1201))
    with torch.inference_mode():
        sides = network.features(rgb_tensor(halves()))[0].unflatten(2, (2, 12)).mean((1, 3))
    apart = sides[:, 1] - sides[:, 0]
    weight = torch.stack([-apart, apart, torch.zeros_like(apart)])
    assert chance(0.0, LinearClassifier(weight, -weight @ sides.mean(1)))
    labels = shown[0][1]
    assert labels.shape == (900, 1201)
    assert (labels[:, :560] == 0).mean() > 0.95 and (labels[:, 640:] == 1).mean() > 0.95


def test_a_picture_that_cannot_be_read_is_left_alone(stage):
    chance, _, wanted, _ = stage
    asked = []

    def broken():
        asked.append(1)
        raise PictureError("p is damaged.")

    wanted["picture"] = WantedPicture("broken", broken)
    assert not chance(0.0) and not chance(5.0) and len(asked) == 1
    wanted["picture"] = WantedPicture("a", halves)
    assert chance(6.0)


def test_nothing_that_goes_wrong_with_a_picture_comes_through(network):
    """Decoders raise what they like; training has no need of a preview."""
    told, shown = [], []
    wanted = {"picture": WantedPicture("odd", lambda: 1 // 0)}

    def which():
        if wanted["picture"] is None:
            raise PictureError("p is gone.")
        return wanted["picture"]

    previewer = Previewer(which, lambda *labels: shown.append(labels), broken=told.append)
    classifier = LinearClassifier(torch.zeros(3, network.mean.shape[0]), torch.zeros(3))
    for _ in range(2):
        previewer.show_if_due(network, lambda: classifier, REFINEMENT, 0)
    assert [type(error) for error in told] == [ZeroDivisionError] and not shown
    wanted["picture"] = None
    previewer.show_if_due(network, lambda: classifier, REFINEMENT, 0)
    assert not shown
    wanted["picture"] = WantedPicture("good", halves)
    previewer.show_if_due(network, lambda: classifier, REFINEMENT, 0)
    assert shown


def test_features_are_computed_anew_when_the_backbone_has_learned(stage, network):
    chance, shown, _, classifier = stage
    strong = LinearClassifier(classifier.weight * 50, classifier.bias)
    chance(0.0, strong)
    with torch.no_grad():
        parameter = next(network.backbone.deeper_parameters())
        kept = parameter.clone()
        parameter.mul_(-3)
    try:
        chance(100.0, strong)
    finally:
        with torch.no_grad():
            parameter.copy_(kept)
    assert (shown[0][1] != shown[1][1]).any()
