"""What the stages that visit every picture compute, with networks whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spml_core.errors import TrainingError
from spml_core.paper import EvaluationPicture, paper_preset
from spml_core.paper.context import PaperContext
from spml_core.paper.data import PaperData
from spml_core.paper.predict_stage import predicted, scores_of
from spml_core.paper.presets import adapted
from spml_core.paper.retrieval_stage import bank_stage, load_banks, vote_stage
from spml_core.paper.run_folder import RunFolder
from spml_core.paper.scores import neighbour_scores, network_scores
from spml_core.paper.views import View, views_of
from spml_core.paper.walk_stage import walk_stage
from spml_core.training.training_set import TrainingSet

CPU = torch.device("cpu")
COLORS = torch.tensor([[20.0, 30.0, 200.0], [220.0, 40.0, 30.0], [30.0, 210.0, 60.0]])


def classify(rgb):
    """Logits (1, 3, h / 2, w / 2): nearness to three colours, and a little of where in the window it is."""
    small = F.avg_pool2d(rgb, 2)
    ramp = torch.linspace(0, 1, small.shape[-1]).expand_as(small[:, 0])
    away = (small[:, None] - COLORS[None, :, :, None, None]).norm(dim=2)
    return -away / 40 + ramp[:, None] * torch.tensor([0.0, 0.5, 0.0])[None, :, None, None]


NETWORK = SimpleNamespace(embed=lambda rgb: F.avg_pool2d(rgb, 2) - 90, classify=classify)


def scene(seed=0, size=(40, 48)):
    """A red square on blue."""
    rng = np.random.default_rng(seed)
    classes = np.zeros(size, np.uint8)
    classes[10:30, 12:34] = 1
    rgb = COLORS.numpy()[classes] + rng.normal(0, 6, (*size, 3))
    return rgb.clip(0, 255).astype(np.uint8), classes


@pytest.fixture
def context(tmp_path):
    def make(labels, preset="paper-scribbles", variant="paper", validation=()):
        pictures = [scene(seed)[0] for seed in range(len(labels))]
        data = PaperData(TrainingSet.from_arrays(pictures, labels, ("ground", "red", "green")), validation)
        settings = adapted(paper_preset(preset, variant), crop=48)
        folder = RunFolder(tmp_path / "run", {})
        return PaperContext(settings, data, folder, CPU, 1, None)

    return make


def few_marks():
    marks = np.full((40, 48), 3, np.uint8)
    marks[2, 2:6] = 0
    marks[20, 20:24] = 1
    return marks


def slow_logits(rgb, view, grid):
    """One view's logits on a grid, step by step."""
    side = [round(s * view.scale) for s in rgb.shape[:2]]
    assert max(side) == 48  # so that there is one window
    import cv2

    scaled = rgb if view.scale == 1 else cv2.resize(rgb, (side[1], side[0]))
    picture = torch.from_numpy(np.ascontiguousarray(scaled[:, ::-1] if view.flip else scaled))
    picture = picture.float().permute(2, 0, 1)[None]
    mean = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None] * 255
    padded = mean.expand(1, 3, 48, 48).clone()
    padded[..., : side[0], : side[1]] = picture
    whole = F.interpolate(classify(padded), (48, 48), mode="bilinear", align_corners=False)
    seen = whole[..., : side[0], : side[1]]
    seen = seen.flip(-1) if view.flip else seen
    return F.interpolate(seen, grid, mode="bilinear", align_corners=False)[0]


@pytest.mark.parametrize("mean_of_logits", [False, True])
def test_head_scores_step_by_step(context, mean_of_logits):
    rgb, _ = scene()
    views = views_of((1.0,), True)
    logits = [slow_logits(rgb, view, (5, 6)) for view in views]
    if mean_of_logits:  # algorithm 2
        expected = ((logits[0] + logits[1]) / 2).softmax(0)
    else:
        expected = (logits[0].softmax(0) + logits[1].softmax(0)) / 2
    expected = expected / expected.amax((1, 2), keepdim=True)
    expected[2] = 0
    found = network_scores(
        context([few_marks()]),
        NETWORK,
        rgb,
        (5, 6),
        views,
        np.array([True, True, False]),
        mean_of_logits=mean_of_logits,
    )
    torch.testing.assert_close(found, expected)


def test_prediction_is_the_mean_of_probabilities_at_the_pictures_size(context):
    rgb, classes = scene()
    made = context([few_marks()])  # its long side of 48 is the test size
    found = predicted(made, NETWORK, rgb)
    torch.testing.assert_close(found, slow_logits(rgb, View(), (40, 48)).softmax(0))
    assert (found.argmax(0).numpy() == classes).mean() > 0.95


def test_the_walk_fills_the_shape_and_keeps_void(context):
    marks = few_marks()
    marks[:, 46:] = 255
    made = context([marks])
    stage = made.stage("walk")

    def scores(seen):
        assert seen.grid == (5, 6)
        assert seen.stride == 8
        return network_scores(made, NETWORK, seen.rgb, seen.grid, [View()], made.present(0, seen.marks))

    events = list(walk_stage(made, stage, lambda: NETWORK, lambda i: marks, scores, crf=True))
    assert [event.done for event in events] == [1]
    labels = stage.read_labels("picture 0")
    assert (labels[:, 46:] == 255).all()
    assert (labels[:, :46] == scene()[1][:, :46]).mean() > 0.97
    assert list(walk_stage(made, stage, None, None, None, crf=True)) == []


def test_a_picture_without_any_score_stays_unlabeled(context):
    made = context([few_marks()], "paper-densepose")
    nothing = np.full((40, 48), 3, np.uint8)
    scores = neighbour_scores(made, NETWORK, scene()[0], nothing, (5, 6))
    assert not scores.any()
    stage = made.stage("walk")
    list(walk_stage(made, stage, lambda: NETWORK, lambda i: nothing, lambda s: scores, crf=True))
    assert (stage.read_labels("picture 0") == 3).all()


def test_key_points_spread_to_like_segments(context):
    made = context([few_marks()], "paper-densepose")
    scores = neighbour_scores(made, NETWORK, scene()[0], few_marks(), (20, 24))
    assert scores[1, 10, 11] == 1
    assert scores[0, 1, 22] == 1
    assert scores[2].max() == 0


def test_retrieval_over_the_training_set(context):
    known = [scene(seed)[1] for seed in range(2)]
    made = context([*known, np.full((40, 48), 3, np.uint8)], "paper-tags")
    bank, votes = made.stage("bank"), made.stage("votes")
    list(bank_stage(made, bank, lambda: NETWORK, lambda i: made.pictures[i].labels()))
    banks = load_banks(made, bank)
    assert set(torch.cat([b.pictures for b in banks]).tolist()) == {0, 1}  # the third has no labelled segment
    weak = few_marks()
    weak[0] = 255
    list(vote_stage(made, votes, lambda: NETWORK, bank, lambda i: weak))
    third = votes.read_labels("picture 2")  # learned from the other two
    assert (third[0] == 255).all()
    assert (third[1:] == scene(2)[1][1:]).mean() > 0.95


def test_a_bank_without_labels_says_so(context):
    made = context([np.full((40, 48), 3, np.uint8)], "paper-tags")
    bank = made.stage("bank")
    list(bank_stage(made, bank, lambda: NETWORK, lambda i: made.pictures[i].labels()))
    with pytest.raises(TrainingError, match="nothing to retrieve"):
        load_banks(made, bank)


def test_absent_classes_count_as_zero(context):
    rgb, classes = scene()
    truth = EvaluationPicture("v", lambda: rgb, lambda: classes)
    made = context([few_marks()], validation=(truth,))
    stage = made.stage("predictions")
    stage.write_labels("v", classes)
    scores = scores_of(made, stage)
    assert scores["miou"] == pytest.approx(2 / 3)
    assert scores["miou_present"] == 1
    assert scores["iou"] == {"ground": 1, "red": 1, "green": None}
    assert "instance_iou" not in scores
