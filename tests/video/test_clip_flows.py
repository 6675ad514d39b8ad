import numpy as np
import pytest
import torch

from spml_core.errors import TrainingError
from spml_core.training import Clip, TrainingPicture
from spml_core.training.classifier import LinearClassifier
from spml_core.video.clip_flows import ClipFlows, chosen_frames, with_carried_marks
from spml_core.video.flow import build_flow
from spml_core.video.soft_fitting import fit_soft, flow_scatter


def moving_square(count=5, step=3, marked=(0,)):
    """A textured square on a textured ground, ``step`` pixels to the right a frame; one click on each."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(40, 120, (24, 32)), np.ones((4, 4)))[..., None].repeat(3, 2)
    square = np.kron(rng.integers(150, 250, (8, 8)), np.ones((4, 4)))
    frames, labels = [], []
    for i in range(count):
        rgb = ground.copy()
        left = 20 + step * i
        rgb[30:62, left : left + 32] = square[..., None]
        marks = np.full((96, 128), 2, np.uint8)
        marks[44:48, left + 14 : left + 18], marks[10:14, 100:104] = 1, 0
        frames.append(rgb.astype(np.uint8))
        labels.append(marks)
    pictures = [
        TrainingPicture.from_arrays(f"f{i}", frame, labels[i] if i in marked else None, 2)
        for i, frame in enumerate(frames)
    ]
    return Clip("square", tuple(pictures), tuple(range(count))), labels


def read(clip, name="dis", frames=3):
    flows = ClipFlows(clip)
    assert list(flows.read(build_flow(name), frames)) == list(range(1, len(clip.frames) + 1))
    return flows


def test_flow_leads_from_frame_to_frame_and_back():
    flows = read(moving_square()[0])
    assert flows.neighbors(2) == [0, 1, 3, 4] and flows.neighbors(0) == [1, 2]
    there, trust = flows.follow(0, 2, np.array([[45.0, 36.0]], np.float32))
    assert np.abs(there - [[45, 42]]).max() < 1 and trust[0] > 0.5
    back, _ = flows.follow(2, 0, there)
    assert np.abs(back - [[45, 36]]).max() < 1


def test_two_frames_alone_still_link_neighbours_and_gaps_do_not():
    clip, _ = moving_square(3)
    assert set(read(clip, frames=1).pairs) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    apart = Clip("gap", clip.frames, (0, 1, 9))
    assert set(read(apart).pairs) == {(0, 1), (1, 0)}


def test_nothing_is_linked_across_a_cut():
    clip, _ = moving_square(2)
    other = TrainingPicture.from_arrays("x", np.full((96, 128, 3), 255, np.uint8), None, 2)
    flows = read(Clip("cut", (*clip.frames, other), (0, 1, 2)))
    assert set(flows.pairs) == {(0, 1), (1, 0)}


def test_marks_move_with_the_square_and_stay_on_the_ground():
    clip, truth = moving_square(5)
    frames = with_carried_marks(read(clip), 2)
    assert frames[0] is clip.frames[0]
    for picture, expected in zip(frames[1:], truth[1:], strict=True):
        assert picture.carried and picture.tags.all()
        labels = picture.labels()
        for code in (0, 1):
            found, wanted = (np.argwhere(m == code) for m in (labels, expected))
            assert len(found) >= 8 and np.abs(found.mean(0) - wanted.mean(0)).max() < 1.5


def test_the_nearest_marked_frame_speaks_and_marks_are_kept():
    clip, _ = moving_square(5, marked=(0, 4))
    frames = with_carried_marks(read(clip), 2)
    assert [f.carried for f in frames] == [False, True, True, True, False]
    unmarked = Clip("none", tuple(moving_square(3, marked=())[0].frames), (0, 1, 2))
    assert not any(f.carried or f.marked for f in with_carried_marks(read(unmarked), 2))


@pytest.mark.parametrize("seed", range(3))
def test_chosen_frames_hold_the_marked_ones_and_are_few(seed):
    marked = sorted(int(i) for i in np.random.default_rng(seed).integers(0, 10_000, 4))
    chosen = chosen_frames(10_000, marked, 60)
    assert set(marked) <= set(chosen) and len(chosen) <= 64
    assert chosen[0] == 0 and chosen[-1] == 9_999 and list(chosen) == sorted(set(chosen))
    assert all(i + 1 in chosen or i - 1 in chosen for i in chosen if i not in marked)


def test_a_short_film_is_taken_whole():
    assert chosen_frames(7, [2], 60) == tuple(range(7))
    assert chosen_frames(1, [], 60) == (0,)


def test_clip_wants_frames_in_order():
    clip, _ = moving_square(2)
    with pytest.raises(TrainingError, match="in order"):
        Clip("x", clip.frames, (1, 0))
    with pytest.raises(TrainingError, match="1 numbers"):
        Clip("x", clip.frames, (1,))


def test_scatter_is_the_temporal_loss_of_a_linear_classifier():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    validity = torch.rand(7, generator=generator, dtype=torch.float64)
    total = sum(
        float(v * ((x - y) @ weight.T).square().sum()) for v, x, y in zip(validity, a, b, strict=True)
    )
    scatter = flow_scatter(a - b, validity)
    assert float(((weight @ scatter) * weight).sum()) == pytest.approx(total / 7)


def test_soft_fit_follows_soft_targets_and_steadiness_shrinks_what_changes():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 4, generator=generator)
    # Channels 0 and 1 tell the same; channel 1 jumps from frame to frame.
    features[:, 1] = features[:, 0]
    targets = torch.softmax(torch.stack([2 * features[:, 0], -2 * features[:, 0]], 1), 1)
    jump = torch.diag(torch.tensor([0.0, 5.0, 0.0, 0.0]))
    ones = torch.ones(400)
    plain = fit_soft(features, targets, ones, inverse_penalty=1)
    steady = fit_soft(features, targets, ones, scatter=jump, steadiness=1, inverse_penalty=1)
    for found in (plain, steady):
        answer = torch.softmax(features @ found.weight.T + found.bias, 1)
        assert (answer - targets).abs().mean() < 0.05
    assert plain.weight[:, 1].abs().min() > 0.5 and steady.weight[:, 1].abs().max() < 0.05
    again = fit_soft(
        features, targets, ones, start=LinearClassifier(plain.weight, plain.bias), inverse_penalty=1
    )
    assert torch.allclose(again.weight, plain.weight, atol=0.05)
    still = fit_soft(features, targets, ones, keep_going=lambda: False)
    assert not still.weight.any()
