"""METHODS.md 1.2, 1.3, 1.4, 1.13: the network of the paper, put together."""

import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.models import PaperNetwork, build_paper_network
from spml_core.models.precision import compute_dtype
from spml_core.segments import color_features, location_features

TINY = {"depth": 18, "width": 1 / 16, "embedding_dim": 6}


def tiny(**options):
    torch.manual_seed(0)
    return build_paper_network(4, **(TINY | options))


def count(*modules, learning=False):
    return sum(p.numel() for m in modules for p in m.parameters() if p.requires_grad or not learning)


@pytest.mark.parametrize(
    ("head", "classes", "constants", "total", "optimised", "softmax"),
    [
        ("deeplab", 21, 0, 47_342_784, 46_993_664, 76_693),
        ("psp", 15, 75, 65_714_219, 65_365_024, 19_535),
    ],
)
def test_counts_of_the_paper(head, classes, constants, total, optimised, softmax):
    with torch.device("meta"):
        network = build_paper_network(classes, head=head)
    embedding = network.backbone, network.embedding_head
    assert count(*embedding) + constants == total
    assert count(*embedding, learning=True) == optimised
    assert count(network.softmax_head) == count(network.softmax_head, learning=True) == softmax


@pytest.mark.parametrize("head", ["deeplab", "psp"])
def test_embedding_has_a_quarter_of_the_resolution(head):
    network = tiny(head=head).eval()
    embeddings, logits = network(torch.rand(2, 3, 64, 96))
    assert embeddings.shape == (2, 6, 16, 24) and embeddings.dtype == torch.float32
    assert logits.shape == (2, 4, 16, 24)


def test_default_dimensions_are_the_papers():
    with torch.device("meta"):
        assert build_paper_network(21).embedding_dim == 64
        assert build_paper_network(15, head="psp").embedding_dim == 32


def test_frozen_stages_take_no_gradient_but_their_statistics_move():
    network = tiny().train()
    before = {n: t.clone() for n, t in network.named_buffers()}
    network.embedding(torch.rand(2, 3, 32, 32)).sum().backward()
    for stage in network.frozen_stages():
        assert all(p.grad is None for p in stage.parameters())
    assert all(p.grad is not None for p in network.backbone.layer2.parameters())
    after = dict(network.named_buffers())
    name = "backbone.layer1.0.bn1.running_mean"
    assert not torch.equal(after[name], before[name])


def test_frozen_statistics_stay_if_told():
    network = tiny(freeze_bn_stats=True).train()
    before = {n: t.clone() for n, t in network.named_buffers()}
    network.embedding(torch.rand(2, 3, 32, 32))
    after = dict(network.named_buffers())
    moved = {n.rsplit(".", 1)[0] for n in after if not torch.equal(after[n], before[n])}
    assert moved and not any(".stem." in n or ".layer1." in n for n in moved)
    assert network.backbone.layer2.training and not network.backbone.layer1.training


def test_softmax_head_never_moves_the_embedding():
    network = tiny().train()
    network(torch.rand(2, 3, 32, 32))[1].sum().backward()
    assert all(p.grad is None for p in network.backbone.parameters())
    assert all(p.grad is None for p in network.embedding_head.parameters())
    assert all(p.grad is not None for p in network.softmax_head.parameters())


def test_bfloat16_is_near_float32_and_gives_float32():
    plain, mixed = tiny().eval(), tiny(precision="bfloat16").eval()
    rgb = torch.rand(2, 3, 64, 64)
    expected, found = plain.embedding(rgb).detach(), mixed.embedding(rgb)
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    assert torch.allclose(found, expected, atol=0.05 * float(expected.abs().max()))
    found.sum().backward()
    assert mixed.backbone.layer4[0].conv1.weight.grad.dtype == torch.float32


def test_precision_by_name():
    cpu = torch.device("cpu")
    assert compute_dtype("float32", cpu) == torch.float32
    assert compute_dtype("bfloat16", cpu) == torch.bfloat16
    assert compute_dtype("auto", cpu) in (torch.float32, torch.bfloat16)
    with pytest.raises(ConfigError, match="float8"):
        compute_dtype("float8", cpu)


def test_sync_bn_replaces_every_batch_norm_and_computes_the_same():
    plain, synced = tiny(), tiny(sync_bn=True)
    kinds = {type(m) for m in synced.modules()}
    assert torch.nn.SyncBatchNorm in kinds and torch.nn.BatchNorm2d not in kinds
    assert synced.backbone.layer2[0].bn1.momentum == 3e-4
    synced.load_state_dict(plain.state_dict())
    rgb = torch.rand(2, 3, 32, 32)
    assert torch.allclose(plain.train().embedding(rgb), synced.train().embedding(rgb), atol=1e-5)


def test_local_features_are_location_and_colour_if_wanted():
    rgb = torch.rand(3, 32, 48)
    where = tiny().local_features(rgb, 8, 12)
    assert torch.equal(where, location_features(8, 12))
    for blur in ("reference", "gaussian"):
        found = tiny(colors=blur).local_features(rgb, 8, 12)
        assert torch.equal(found, torch.cat([where, color_features(rgb, 8, 12, blur=blur)], 1))


def test_unknown_head_is_refused():
    with pytest.raises(ConfigError, match="unet"):
        build_paper_network(4, head="unet")


def test_state_goes_round():
    source, target = tiny(), build_paper_network(4, **TINY)
    target.load_state_dict(source.state_dict())
    rgb = torch.rand(1, 3, 32, 32)
    assert isinstance(target, PaperNetwork)
    assert torch.equal(source.eval()(rgb)[1], target.eval()(rgb)[1])
