import numpy as np
import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.models import EfficientNetLite0, Pyramid, SegmentationNetwork, SoftmaxHead, build_backbone


@pytest.fixture(scope="module")
def backbone():
    return build_backbone()


def test_backbone_levels_have_the_promised_channels_and_strides(backbone):
    with torch.inference_mode():
        levels = backbone(torch.zeros(1, 3, 64, 96))
    assert tuple(level.shape[1] for level in levels) == backbone.channels
    assert tuple(64 // level.shape[2] for level in levels) == backbone.strides


def test_folding_leaves_the_function_as_it_was(backbone):
    plain = EfficientNetLite0().load_imagenet().eval()
    rgb = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        for folded, level in zip(backbone(rgb), plain(rgb), strict=True):
            assert torch.allclose(folded, level, atol=1e-3 * float(level.abs().max()))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in backbone.modules())


def test_backbone_does_its_own_normalisation(backbone):
    """The network was trained on -1..1: it must see that range for 0..255."""
    seen = []
    hook = backbone.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        backbone(torch.tensor([0.0, 127.5, 255.0]).reshape(1, 3, 1, 1).expand(1, 3, 32, 32))
    hook.remove()
    assert torch.allclose(seen[0][0, :, 0, 0], torch.tensor([-1.0, 0.0, 1.0]))


def test_published_weights_are_loaded(backbone):
    random = build_backbone(pretrained=False)
    assert not torch.equal(random.stem.weight, backbone.stem.weight)
    assert torch.equal(build_backbone().stem.weight, backbone.stem.weight)


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (64, 50)])
def test_pyramid_covers_any_size(backbone, size):
    pyramid = Pyramid((1.0, 2.0), 4)
    with torch.inference_mode():
        features = pyramid.features(backbone, torch.rand(1, 3, *size) * 255)
    assert features.shape == (1, 2 * 784, *pyramid.grid(*size))
    assert pyramid.grid(*size) == (-(-size[0] // 4), -(-size[1] // 4))


def test_windows_cover_a_large_picture_once():
    pyramid = Pyramid((1.0,), 4, whole=1000, tile=64, margin=16)
    covered = np.zeros((200, 150), int)
    for window in pyramid.windows(200, 150):
        covered[window.slices] += 1
        top, left, height, width = window.outer
        assert top >= 0 and left >= 0 and top + height <= 200 and left + width <= 150
        inside = np.zeros((height, width), bool)
        inside[window.inside] = True
        assert inside.sum() == window.core[2] * window.core[3]
        assert window.core[0] - top == window.inside[0].start
    assert (covered == 1).all()


def test_small_picture_is_one_window():
    assert len(Pyramid().windows(500, 500)) == 1


@pytest.mark.parametrize(
    "values", [{"scales": ()}, {"scales": (9.0,)}, {"stride": 0}, {"tile": 30}, {"margin": -4}]
)
def test_pyramid_refuses_what_cannot_work(values):
    with pytest.raises(ConfigError):
        Pyramid(**({"scales": (1.0,), "stride": 4} | values))


def network(dim=8, classes=3, **kwargs):
    torch.manual_seed(0)
    made = SegmentationNetwork(build_backbone(pretrained=False), Pyramid((1.0,), 4), dim, classes, **kwargs)
    return made.eval()


def test_dense_logits_equal_the_parts_one_by_one():
    net = network()
    net.learn_scale(torch.rand(50, 784) * 5 + 1)
    rgb = torch.rand(1, 3, 24, 40) * 255
    with torch.no_grad():
        features = net.features(rgb)[0].permute(1, 2, 0)
        slow = net.classify(net.embed(net.standardise(features))).permute(2, 0, 1)[None]
    assert torch.allclose(net.dense_logits(rgb), slow, atol=1e-3)


def test_start_reproduces_the_linear_classifier():
    net = network()
    weight, bias, spare = torch.rand(3, 784), torch.rand(3), torch.rand(5, 784)
    net.start_from(weight, bias, spare)
    features = torch.rand(10, 784)
    with torch.no_grad():
        assert torch.allclose(net.classify(net.embed(features)), features @ weight.T + bias, atol=1e-4)
        assert torch.allclose(net.embed(features)[:, 3:], features @ spare.T, atol=1e-4)


def test_embedding_smaller_than_the_classes_is_refused():
    with pytest.raises(ConfigError, match="2 dimensions"):
        network(dim=2, classes=3)


@pytest.mark.parametrize("stops", [True, False])
def test_check_12_stop_gradient(stops):
    """METHODS.md 1.21 check 12: the head's cross-entropy leaves the embedding alone, if told to."""
    net = network(stop_gradient=stops)
    scores = net.classify(net.embed(torch.rand(6, 784)))
    torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2, 0, 1, 2])).backward()
    assert (net.embedding.weight.grad is None) == stops
    assert net.head.weight.grad is not None and float(net.head.weight.grad.abs().sum()) > 0


def test_check_12_stop_gradient_of_the_papers_head():
    embeddings = torch.rand(1, 8, 5, 5, requires_grad=True)
    head = SoftmaxHead(8, 3)
    assert head(embeddings).shape == (1, 3, 5, 5)
    head(embeddings).sum().backward()
    assert embeddings.grad is None
    SoftmaxHead(8, 3, stop_gradient=False)(embeddings).sum().backward()
    assert embeddings.grad is not None


def test_softmax_head_has_the_papers_parameters():
    count = lambda dim, classes: sum(p.numel() for p in SoftmaxHead(dim, classes).parameters())  # noqa: E731
    assert count(64, 21) == 76_693
    assert count(32, 15) == 19_535


def test_softmax_head_survives_a_zero_embedding():
    assert torch.isfinite(SoftmaxHead(4, 2).eval()(torch.zeros(1, 4, 3, 3))).all()
