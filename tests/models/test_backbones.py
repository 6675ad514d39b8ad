"""Backbones by name: ours and timm's, their weights, and what is refused."""

import huggingface_hub.constants
import pytest
import timm
import torch

from spml_core.errors import ConfigError
from spml_core.models import (
    Pyramid,
    ResNetBackbone,
    SegmentationNetwork,
    TimmBackbone,
    build_backbone,
    weights,
)

SMALL = [
    "resnet18",
    "resnet18-deepstem",
    "timm/test_resnet",
    "test_vit",
    "test_convnext",
    "test_nfnet",
]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(64, 96), (50, 37)])
def test_levels_have_the_promised_channels_and_strides(name, size):
    backbone = build_backbone(name, pretrained=False)
    assert not backbone.training
    with torch.inference_mode():
        levels = backbone(torch.rand(2, 3, *size) * 255)
    for level, channels, stride in zip(levels, backbone.channels, backbone.strides, strict=True):
        assert level.shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride))


def test_channels_last_layout_of_a_network_is_turned():
    """Swin gives (N, h, w, C)."""
    backbone = TimmBackbone("swin_tiny_patch4_window7_224", pretrained=False).eval()
    with torch.inference_mode():
        levels = backbone(torch.rand(1, 3, 64, 96) * 255)
    assert levels[0].shape == (1, 96, 16, 24)
    assert [level.shape[1] for level in levels] == [96, 192, 384, 768]


@pytest.mark.parametrize("name", SMALL)
def test_fine_tuning_moves_a_deeper_part(name):
    backbone = build_backbone(name, pretrained=False)
    everything = list(backbone.parameters())
    place = {id(p): i for i, p in enumerate(everything)}
    moved = [place[id(p)] for p in backbone.deeper_parameters()]
    assert 0 < len(moved) < len(everything)
    assert len(set(moved)) == len(moved) and min(moved) > 0
    assert all(everything[i].ndim in (1, 2, 4) for i in moved)


def test_middle_of_timms_levels_is_where_fine_tuning_begins():
    backbone = build_backbone("test_convnext", pretrained=False)
    names = {id(p): n for n, p in backbone.named_parameters()}
    moved = {names[id(p)] for p in backbone.deeper_parameters()}
    assert all("stages_2" in n or "stages_3" in n for n in moved)
    assert any("stages_2" in n for n in moved) and any("stages_3" in n for n in moved)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("test_resnet", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ("test_efficientnet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
def test_each_network_of_timm_has_its_own_normalisation(name, mean, std):
    backbone = build_backbone(name, pretrained=False)
    seen = []
    backbone.features.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    rgb = torch.rand(1, 3, 32, 32) * 255
    with torch.inference_mode():
        backbone(rgb)
    for channel in range(3):
        expected = (rgb[0, channel] / 255 - mean[channel]) / std[channel]
        assert torch.allclose(seen[0][0, channel], expected, atol=1e-5)


def test_resnet_normalises_as_torchvision():
    backbone = ResNetBackbone(18, width=1 / 16).eval()
    seen = []
    backbone.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        backbone(torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1).expand(1, 3, 32, 32) * 255)
    assert torch.allclose(seen[0], torch.zeros(1, 3, 32, 32), atol=1e-5)


@pytest.mark.parametrize("stem", ["deep", "torchvision"])
def test_folding_leaves_a_resnet_as_it_was(stem):
    from spml_core.models.folding import fold_batch_norm

    torch.manual_seed(0)
    backbone = ResNetBackbone(50, stem=stem, width=1 / 16)
    backbone.train()(torch.rand(4, 3, 64, 64) * 255)
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    backbone.eval()
    rgb = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        before = [level.clone() for level in backbone(rgb)]
        fold_batch_norm(backbone)
        for found, expected in zip(backbone(rgb), before, strict=True):
            assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in backbone.modules())


def test_a_timm_backbone_works_in_the_network():
    backbone = build_backbone("test_vit", pretrained=False)
    network = SegmentationNetwork(backbone, Pyramid((1.0, 2.0), 4), 8, 3).eval()
    assert network.dense_logits(torch.rand(1, 3, 50, 37) * 255).shape == (1, 3, 13, 10)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_timm_weights_from_a_file(name, tmp_path):
    torch.manual_seed(1)
    whole = timm.create_model(name, pretrained=False)
    torch.save({"state_dict": whole.state_dict()}, tmp_path / "w.pth")
    torch.manual_seed(2)
    loaded = build_backbone(name, weights=tmp_path / "w.pth")
    theirs = {tuple(p.shape): [] for p in whole.parameters()}
    for parameter in whole.parameters():
        theirs[tuple(parameter.shape)].append(parameter)
    for parameter in loaded.parameters():
        assert any(torch.equal(parameter, other) for other in theirs[tuple(parameter.shape)])


def test_timm_weights_that_do_not_fit(tmp_path):
    torch.save(timm.create_model("test_vit", pretrained=False).state_dict(), tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=r"w\.pth don't fit timm's test_resnet: \d+ missing"):
        build_backbone("test_resnet", weights=tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["efficientnet-lite0", "resnet18", "resnet18-deepstem"])
def test_own_weights_from_a_file(name, tmp_path):
    torch.manual_seed(1)
    if name == "efficientnet-lite0":
        source = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        first = source.conv_stem.weight
    else:
        source = ResNetBackbone(18, stem="deep" if "deep" in name else "torchvision").network
        first = source.stem.conv1.weight
    torch.save(source.state_dict(), tmp_path / "w.pth")
    loaded = build_backbone(name, weights=tmp_path / "w.pth")
    found = loaded.stem.weight if name == "efficientnet-lite0" else loaded.network.stem.conv1.weight
    # Folding scales by 1 / sqrt(1 + eps), the initial variance being 1.
    assert torch.allclose(found, first, rtol=1e-3)
    with pytest.raises(ConfigError, match="don't fit"):
        torch.save({"a": torch.rand(2)}, tmp_path / "w.pth")
        build_backbone(name, weights=tmp_path / "w.pth")


def test_torchvision_weights_are_loaded_where_they_have_been_fetched(monkeypatch, tmp_path):
    import torchvision

    whole = torchvision.models.resnet18()
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    monkeypatch.setattr(
        "spml_core.models.resnet_backbone.torchvision_weights", lambda depth, progress: tmp_path / "w.pth"
    )
    loaded = build_backbone("resnet18")
    assert torch.allclose(loaded.network.stem.conv1.weight, whole.conv1.weight, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("effcientnet-lite0", "efficientnet-lite0"),
        ("resnet51", "resnet50"),
        ("timm/convnext_tinny", "convnext_tiny"),
        ("resnet101-deepstm", "resnet101-deepstem"),
        ("", "efficientnet-lite0"),
    ],
)
def test_unknown_name_is_refused_with_what_comes_near(name, hint):
    with pytest.raises(ConfigError, match="Unknown backbone") as caught:
        build_backbone(name)
    assert hint in caught.value.remedy


def test_the_deep_stem_needs_a_file():
    with pytest.raises(ConfigError, match="--weights FILE"):
        build_backbone("resnet18-deepstem")


def test_offline_names_the_way_round(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(weights.urllib.request, "urlopen", refuse)
    for name in ("test_resnet", "resnet18"):
        with pytest.raises(ConfigError, match="--weights FILE") as caught:
            build_backbone(name)
        assert "\n" not in str(caught.value)


def refuse(*args, **kwargs):
    raise OSError("Network is unreachable")


def test_a_network_of_one_size_only_is_refused():
    with pytest.raises(ConfigError, match="certain sizes"):
        build_backbone("test_coatnet", pretrained=False)
