"""METHODS.md 1.3: layout, strides, dilations, counts and initial weights of the paper's parts."""

import pytest
import torch
import torch.nn.functional as F
import torchvision

from spml_core.errors import ConfigError
from spml_core.models import DeepLabHead, PyramidHead, ResNet, load_resnet_weights


def count(module):
    return sum(p.numel() for p in module.parameters())


def on_paper(make):
    """A module of full size, without its memory."""
    with torch.device("meta"):
        return make()


def test_counts_of_the_paper():
    backbone = on_paper(ResNet)
    assert count(backbone) == 42_623_936
    assert count(backbone.stem) + count(backbone.layer1) == 349_120
    assert count(on_paper(lambda: DeepLabHead(2048, 64))) == 4_718_848
    blur_kernel = 3 * 5 * 5  # constants that the published code counts among the head's
    assert count(on_paper(lambda: PyramidHead(2048, 32))) + blur_kernel == 23_090_283


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
@pytest.mark.parametrize("stem", ["deep", "torchvision"])
def test_stages_have_the_promised_channels_and_strides(depth, stem):
    network = ResNet(depth, stem=stem, width=1 / 16).eval()
    with torch.inference_mode():
        levels = network(torch.rand(1, 3, 64, 96))
    expansion = 4 if depth >= 50 else 1
    assert network.channels == tuple(expansion * w for w in (4, 8, 16, 32))
    for level, channels, stride in zip(levels, network.channels, (4, 8, 8, 8), strict=True):
        assert level.shape == (1, channels, 64 // stride, 96 // stride)


def test_where_strides_and_dilations_sit():
    network = on_paper(ResNet)
    dilations = [
        [block.conv2.dilation[0] for block in stage]
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4)
    ]
    assert dilations == [[1] * 3, [1] * 4, [1] + [2] * 22, [2, 4, 4]]
    strided = {n for n, m in network.named_modules() if isinstance(m, torch.nn.Conv2d) and m.stride == (2, 2)}
    assert strided == {"stem.conv1", "layer2.0.conv2", "layer2.0.downsample.0"}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.momentum == 3e-4, name
        if isinstance(module, torch.nn.Conv2d):
            assert module.bias is None and module.padding == tuple(
                d * (k // 2) for d, k in zip(module.dilation, module.kernel_size, strict=True)
            )


def test_a_dilated_stage_sees_as_far_as_its_strided_twin():
    """A stage of stride 8 and dilation 2, at every other place, is the same stage of stride 16 (torchvision's way)."""
    torch.manual_seed(0)
    ours = ResNet(50, stem="torchvision").eval()
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=(False, True, True)).eval()
    published = {n: t for n, t in theirs.state_dict().items() if not n.startswith("fc.")}
    ours.load_state_dict({(n if n.startswith("layer") else f"stem.{n}"): t for n, t in published.items()})
    rgb = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        maps = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(rgb))))
        for stage, level in zip(
            (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4), ours(rgb), strict=True
        ):
            maps = stage(maps)
            assert torch.allclose(level, maps, rtol=1e-4, atol=1e-4 * float(maps.abs().max()))


def test_initial_weights():
    torch.manual_seed(0)
    network = ResNet(18)
    weight = network.layer3[0].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (9 * weight.shape[0])) ** 0.5, rel=0.01)
    assert abs(weight.mean().item()) < 1e-3
    assert torch.equal(network.stem.bn1.weight, torch.ones(64))
    assert torch.equal(network.stem.bn1.bias, torch.zeros(64))


@pytest.mark.parametrize("stem", ["deep", "torchvision"])
def test_published_names_load(stem, tmp_path):
    """Public files have the stem's tensors at the top and a classifier."""
    source, target = (ResNet(18, stem=stem, width=1 / 16) for _ in range(2))
    tensors = {n.removeprefix("stem."): t for n, t in source.state_dict().items()}
    tensors |= {"fc.weight": torch.rand(1000, 32), "fc.bias": torch.rand(1000)}
    torch.save({"state_dict": {f"module.{n}": t for n, t in tensors.items()}}, tmp_path / "w.pth")
    load_resnet_weights(target, tmp_path / "w.pth")
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor), name


def deeplab_by_branches(head, features):
    total = sum(branch(features) for branch in head.branches)
    return F.interpolate(total, scale_factor=2, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("size", [(5, 9), (26, 31), (1, 1)])
def test_deeplab_head_is_the_sum_of_its_branches(size):
    """Also where whole taps fall outside, and with the same gradients."""
    torch.manual_seed(0)
    head = DeepLabHead(7, 3).double()
    for branch in head.branches:
        torch.nn.init.normal_(branch.bias)
    features = torch.rand(2, 7, *size, dtype=torch.float64, requires_grad=True)
    aim = torch.rand(2, 3, 2 * size[0], 2 * size[1], dtype=torch.float64)
    results = []
    for way in (head, lambda f: deeplab_by_branches(head, f)):
        head.zero_grad()
        features.grad = None
        out = way(features)
        (out * aim).sum().backward()
        results.append([out, features.grad, *(p.grad.clone() for p in head.parameters())])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_deeplab_branches_are_dilated_and_unnormalised():
    head = DeepLabHead(8, 4)
    assert [b.dilation for b in head.branches] == [(d, d) for d in (6, 12, 18, 24)]
    assert [b.padding for b in head.branches] == [(d, d) for d in (6, 12, 18, 24)]
    assert not any(isinstance(m, torch.nn.BatchNorm2d | torch.nn.ReLU) for m in head.modules())


def test_pyramid_head_against_its_parts():
    torch.manual_seed(0)
    head = PyramidHead(8, 5).eval()
    features = torch.randn(2, 8, 12, 18)
    views = [features]
    for bins, part in zip((1, 2, 3, 6), head.pooled, strict=True):
        rows, columns = 12 // bins, 18 // bins
        pooled = features.reshape(2, 8, bins, rows, bins, columns).mean((3, 5))
        mapped = torch.relu(F.conv2d(pooled, part[1].weight) / (1 + 1e-5) ** 0.5)
        views.append(F.interpolate(mapped, size=(12, 18), mode="bilinear", align_corners=False))
    mixed = torch.relu(F.conv2d(torch.cat(views, 1), head.mix[0].weight, padding=1) / (1 + 1e-5) ** 0.5)
    expected = F.interpolate(
        F.conv2d(mixed, head.mix[3].weight, head.mix[3].bias), scale_factor=2, mode="bilinear"
    )
    with torch.inference_mode():
        assert torch.allclose(head(features), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"depth": 152}, "152"), ({"stem": "wide"}, "wide"), ({"width": 0.0}, r"0\.0")],
)
def test_what_there_is_not_is_refused(options, told):
    with pytest.raises(ConfigError, match=told):
        ResNet(**options)
