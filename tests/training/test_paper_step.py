"""The paper's step with all its parts: embedding, relations, softmax head, optimiser, schedule."""

import pytest
import torch
import torch.nn.functional as F

from spml_core.models import build_paper_network
from spml_core.relations import PAPER_WEIGHTS, MemoryBank, PicturePixels, contrastive_step
from spml_core.segments import grid_labels
from spml_core.training.caffe_sgd import make_paper_optimiser, set_learning_rate

CLASSES, STEPS = 3, 25


def batch():
    """Two pictures of a coloured square on gray, a few pixels of each class labelled."""
    torch.manual_seed(0)
    rgb = 0.3 * torch.randn(2, 3, 64, 64)
    labels = torch.full((2, 16, 16), CLASSES)
    regions = torch.zeros(2, 16, 16, dtype=torch.long)
    for i in range(2):
        rgb[i, i, 16:48, 16:48] += 2
        regions[i, 4:12, 4:12] = 1
        labels[i, 7:9, 5:11] = 1 + i
        labels[i, 1, :] = 0
    tags = torch.tensor([[True, True, False], [True, False, True]])
    return rgb, labels, regions, tags


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("head", ["deeplab", "psp"])
def test_loss_falls_and_labels_are_learned(head, precision):
    rgb, labels, regions, tags = batch()
    network = build_paper_network(
        CLASSES, head=head, depth=18, width=1 / 8, embedding_dim=8, precision=precision, colors="gaussian"
    ).train()
    frozen = {n: p.clone() for n, p in network.named_parameters() if not p.requires_grad}
    optimiser = make_paper_optimiser(network, 3e-3)
    memory = MemoryBank(2)
    initial = grid_labels(16, 16, (6, 6)).reshape(-1)
    history = []
    for step in range(STEPS):
        set_learning_rate(optimiser, 3e-3, step, STEPS, warm_up=5)
        embeddings, logits = network(rgb)
        pictures = [
            PicturePixels(
                embeddings[i].flatten(1).T,
                network.local_features(rgb[i], 16, 16),
                initial,
                labels[i].reshape(-1),
                regions[i].reshape(-1),
            )
            for i in range(2)
        ]
        relations = contrastive_step(pictures, tags, PAPER_WEIGHTS["scribbles"], memory.contents())
        memory.push(relations.entry, 2)
        aims = torch.where(labels < CLASSES, labels, 255)
        fit = F.cross_entropy(logits, aims, ignore_index=255)
        optimiser.zero_grad()
        (relations.total + fit).backward()
        optimiser.step()
        history.append((float(relations.terms["annotation"].detach()), float(fit.detach())))
    for first, last in zip(history[0], history[-1], strict=True):
        assert last < 0.6 * first, history
    assert all(torch.equal(p, frozen[n]) for n, p in network.named_parameters() if n in frozen)
