"""What a frozen teacher says about the frames of a film, and crops of a few frames to learn it from."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.labeling.trained_model import build_network
from spml_core.models import Pyramid
from spml_core.training import Clip, TrainingPicture
from spml_core.training.cache import FeatureCache
from spml_core.training.step import make_optimiser
from spml_core.video.augmentation import ClipAugmentation
from spml_core.video.clip_batch import clip_losses
from spml_core.video.clip_flows import ClipFlows
from spml_core.video.clip_lessons import clip_batch, probability_map, taught_frames
from spml_core.video.warp import warp

K = 3
CONFIG = TrainConfig(
    scales=(1.0,), embedding_dim=8, fine_tune=True, crop=96, device="cpu", video="both", flow="identity"
)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network(CONFIG, K, pretrained=False).eval()
    with torch.no_grad():
        seen = network.features(255 * torch.rand(1, 3, 96, 128))
    network.learn_scale(seen[0].flatten(1).T)
    return network


def flows_of(count=4, size=(99, 130), shift=(4.0, 8.0)):
    """Frames of noise, and flow that leads the same way all over from each to the next."""
    rng = np.random.default_rng(0)
    frames = []
    for i in range(count):
        rgb = rng.integers(0, 255, (*size, 3)).astype(np.uint8)
        marks = np.full(size, K, np.uint8)
        marks[10:60, 20 * i : 20 * i + 20] = i % K
        frames.append(TrainingPicture.from_arrays(f"f{i}", rgb, marks, K))
    flows = ClipFlows(Clip("film", tuple(frames), tuple(range(count))))
    flows._size = size
    for a, b in itertools.permutations(range(count), 2):
        if abs(a - b) <= 2:
            way = np.broadcast_to((b - a) * np.array(shift, np.float16), (*size, 2))
            flows.pairs[a, b] = way, np.full(size, 51 * (4 - abs(a - b)), np.uint8)
    return flows


def test_flow_and_validity_on_a_grid_are_in_cells():
    flow, validity = flows_of(size=(96, 128)).on_grid(0, 1, (24, 32))
    np.testing.assert_allclose(flow, np.broadcast_to(np.float32([1, 2]), (24, 32, 2)))
    np.testing.assert_allclose(validity, 0.6, atol=1e-6)


def test_map_of_a_picture_in_tiles_has_each_cell_once(network):
    rgb = flows_of(1).clip.frames[0].rgb()
    whole = probability_map(network, rgb)
    assert whole.shape == (1, K, 25, 33)
    assert torch.allclose(whole.sum(1), torch.ones(()), atol=1e-5)
    tiled = probability_map(tiles(network), rgb)
    assert torch.allclose(tiled.sum(1), torch.ones(()), atol=1e-5)
    assert (whole - tiled).abs().mean() < 0.1


def tiles(network):
    small = build_network(CONFIG, K, pretrained=False).eval()
    small.load_state_dict(network.state_dict())
    small.pyramid = dataclasses.replace(Pyramid((1.0,), 4), whole=4000, tile=64, margin=32)
    return small


@pytest.mark.parametrize("form", ["fused", "separate"])
def test_memory_is_what_the_last_frames_say_along_the_flow(network, form):
    flows = flows_of()
    found = list(taught_frames(network, [flows], CONFIG.changed(memory_form=form)))
    assert [frame.number for frame in found] == [0, 1, 2, 3]
    own = [probability_map(network, frame.rgb()) for frame in flows.clip.frames]
    for k, frame in enumerate(found):
        np.testing.assert_allclose(frame.own, own[k][0].permute(1, 2, 0), atol=1e-3)
        said = []
        for f in range(max(0, k - 2), k):
            flow, validity = flows.on_grid(k, f, (25, 33))
            moved = warp(own[f], torch.from_numpy(flow).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
            said.append((moved, validity[..., None]))
        if not said:
            assert frame.memory == ()
        elif form == "fused":
            fused = sum(m * v for m, v in said) / sum(v for _, v in said)
            np.testing.assert_allclose(frame.memory[0][0], fused, atol=2e-3)
            assert frame.memory[0][1].all() and len(frame.memory) == 1
        else:
            for (m, v), (expected, validity) in zip(frame.memory, said, strict=True):
                np.testing.assert_allclose(m, expected, atol=2e-3)
                np.testing.assert_allclose(v, validity[..., 0], atol=1e-3)


def test_nothing_is_remembered_across_a_cut(network):
    flows = flows_of()
    for pair in list(flows.pairs):
        if min(pair) < 2 <= max(pair):
            del flows.pairs[pair]
    found = list(taught_frames(network, [flows], CONFIG))
    assert [len(frame.memory) for frame in found] == [0, 1, 0, 1]
    assert [frame.beside for frame in found] == [[1], [0], [3], [2]]
    assert all(not f.memory for f in taught_frames(network, [flows_of()], CONFIG.changed(video_frames=1)))


def test_cells_change_as_their_pixels_do():
    rng = np.random.default_rng(1)
    ramp = np.stack(np.meshgrid(np.arange(128), np.arange(96)), 2).astype(np.float32)
    blocks = ramp.reshape(24, 4, 32, 4, 2).mean((1, 3))
    for _ in range(20):
        pixels = ClipAugmentation((48, 64)).draw((96, 128), rng, 4)
        cells = pixels.on_cells(4)
        assert cells.crop == (12, 16) and cells.size == (24, 32)
        dense = pixels.probabilities(ramp)[..., :2].reshape(12, 4, 16, 4, 2).mean((1, 3))
        # At the frame's border a coarser grid holds its last cell's value.
        np.testing.assert_allclose(cells.probabilities(blocks)[1:-1, 1:-1], dense[1:-1, 1:-1], atol=1.5)


def drawn(network, number, config=CONFIG, flows=None, seed=0):
    flows = flows or flows_of()
    frame = list(taught_frames(network, [flows], config))[number]
    return clip_batch(frame, network, FeatureCache(), config, np.random.default_rng(seed))


def test_batch_has_the_frames_in_one_crop(network):
    first, inner = drawn(network, 0), drawn(network, 1)
    height, width = inner.teacher.shape[2:]
    assert (height, width) == (18, 24)  # three quarters of 24 x 32 whole cells
    assert inner.images.shape == (3, 3, 4 * height, 4 * width) and len(first.images) == 2
    assert inner.flows.shape == (2, 2, height, width) and inner.validity.shape == (2, 1, height, width)
    # All of the flow is (1, 2) cells, but for scale and mirror, and back to the frame before.
    assert torch.allclose(inner.flows[0], -inner.flows[1], atol=1e-4)
    assert 0.7 < float(inner.flows[1, 1].mean()) / 2 < 1.4
    assert (
        float(inner.validity.max()) <= 0.6 + 1e-5 and float(inner.validity.min()) == 0
    )  # what leaves the crop
    assert torch.allclose(inner.teacher.sum(1), torch.ones(()), atol=1e-2)
    assert len(drawn(network, 1, CONFIG.changed(video="weclick")).images) == 1


def test_batch_carries_the_marks_of_its_frame(network):
    flows = flows_of()
    cache = FeatureCache()
    frame = list(taught_frames(network, [flows], CONFIG))[1]
    rng = np.random.default_rng(0)
    assert set(clip_batch(frame, network, cache, CONFIG, rng).labels.unique().tolist()) == {K}

    class Cached:
        picture = flows.clip.frames[1]
        taught = dataclasses.make_dataclass("Sample", ["labels", "positions", "grid"])(
            torch.zeros(0, dtype=torch.long), torch.zeros(0, 2, dtype=torch.long), (25, 33)
        )

    cache._pictures = [Cached()]
    seen = {
        c for _ in range(8) for c in clip_batch(frame, network, cache, CONFIG, rng).labels.unique().tolist()
    }
    assert seen == {1, K}


def test_every_term_moves_the_backbone_and_none_the_teacher(network):
    config = CONFIG.changed(cut=1.0, crop=320)
    student = build_network(CONFIG, K, pretrained=False).eval()
    student.load_state_dict(network.state_dict())
    make_optimiser(student, config)
    with torch.no_grad():
        student.embedding.weight.add_(0.1 * torch.randn(student.embedding.weight.shape))
    batch = drawn(network, 1, config, flows_of(3, (176, 176)))
    batch = dataclasses.replace(batch, labels=torch.zeros_like(batch.labels))
    terms = clip_losses(student, network, batch, config)
    assert set(terms) == {"weak", "memory_flow", "teacher", "temporal", "pair", "multi", "cut"}
    deep = list(student.backbone.deeper_parameters())
    for name, value in terms.items():
        gradients = torch.autograd.grad(value, deep, retain_graph=True, allow_unused=True)
        assert sum(float(g.abs().sum()) for g in gradients if g is not None) > 0, name
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("mode", ["paper", "reference"])
def test_frames_without_neighbours_and_both_modes_cost_something_finite(network, mode):
    config = CONFIG.changed(temporal_mode=mode, crop=64)
    alone = flows_of()
    alone.pairs.clear()
    terms = clip_losses(network, network, drawn(network, 1, config, alone), config)
    assert all(
        float(terms[name].detach()) == 0 for name in ("memory_flow", "temporal", "pair", "multi", "weak")
    )
    terms = clip_losses(network, network, drawn(network, 1, config), config)
    assert all(np.isfinite(float(value.detach())) for value in terms.values())
    assert float(terms["temporal"].detach()) > 0
    only = clip_losses(network, network, drawn(network, 1, config), config.changed(video="etc"))
    assert "memory_flow" not in only
