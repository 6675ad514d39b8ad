"""METHODS.md 1.8.5, number by number."""

import pytest

from spml_core.errors import ConfigError
from spml_core.paper import PRESETS, paper_preset
from spml_core.paper.presets import adapted

# lambda and kappa of image similarity, annotation, co-occurrence, affinity; batch.
PAPER = {
    "paper-scribbles": ((0.1, 16), (1.0, 6), (0.5, 12), 0.0, 12),
    "paper-points": ((1.0, 16), (1.0, 6), (1.0, 8), 0.0, 12),
    "paper-boxes": ((0.3, 16), (1.0, 6), (1.0, 8), 0.0, 16),
    "paper-tags": ((0.3, 16), (1.0, 6), (1.0, 8), 0.0, 16),
    "paper-densepose": ((0.1, 16), (1.0, 6), (0.0, None), 0.5, 16),
}
SCRIPTS = {
    "paper-scribbles": (0.1, 1.0, 0.5),
    "paper-points": (0.1, 0.1, 0.1),
    "paper-boxes": (0.1, 0.3, 0.3),
    "paper-tags": (0.1, 0.3, 0.3),
    "paper-densepose": (0.1, 1.0, 0.0),
}


def test_there_are_five():
    assert set(PRESETS) == set(PAPER)


@pytest.mark.parametrize("name", PRESETS)
def test_the_papers_row(name):
    image, annotation, cooccurrence, affinity, batch = PAPER[name]
    training = paper_preset(name).embedding
    weights = training.relations
    assert (weights.image_similarity.weight, weights.image_similarity.kappa) == image
    assert (weights.annotation.weight, weights.annotation.kappa) == annotation
    assert weights.cooccurrence.weight == cooccurrence[0]
    if cooccurrence[1] is not None:
        assert weights.cooccurrence.kappa == cooccurrence[1]
    assert weights.affinity.weight == affinity
    assert weights.affinity.kappa == 12
    assert training.optimisation.batch == batch
    assert training.cross_entropy == 1
    assert training.memory == 2
    assert training.no_tag == "skip"


@pytest.mark.parametrize("name", PRESETS)
def test_the_scripts_row(name):
    preset = paper_preset(name, "scripts")
    training = preset.embedding
    weights = training.relations
    found = (weights.image_similarity.weight, weights.annotation.weight, weights.cooccurrence.weight)
    assert found == SCRIPTS[name]
    assert weights.affinity.weight == 0  # never evaluated
    assert training.cross_entropy == weights.annotation.weight
    assert training.optimisation.batch == 16
    assert training.no_tag == "reference"
    assert preset.label_map_tags
    assert training.memory == (0 if name == "paper-densepose" else 2)


@pytest.mark.parametrize("variant", ["paper", "scripts"])
@pytest.mark.parametrize("name", PRESETS)
def test_what_all_share(name, variant):
    preset = paper_preset(name, variant)
    parts = name == "paper-densepose"
    rates = preset.embedding.optimisation
    assert (rates.learning_rate, rates.power, rates.warm_up) == (3e-3, 0.9, 100)
    assert (rates.momentum, rates.weight_decay) == (0.9, 5e-4)
    assert rates.iterations == (45_000 if parts else 30_000)
    assert (preset.dim, preset.head) == ((32, "psp") if parts else (64, "deeplab"))
    assert preset.embedding.cells == ((12, 12) if parts else (6, 6))
    assert preset.embedding.rounds == 10
    assert preset.embedding.dropout == 0.75
    assert preset.embedding.scales == (0.5, 1.5)
    head = preset.classifier
    assert (head.optimisation.iterations, head.optimisation.batch) == (4_000, 16)
    assert (head.dropout, head.scales, head.gray, head.blur) == (0.65, (0.5, 2.0), 0.3, 0.5)
    assert (preset.crop, preset.backbone, preset.seed) == (512, "resnet101", 235)
    assert preset.testing.long_side == (640 if parts else 512)
    assert (preset.walk.alpha, preset.walk.beta, preset.walk.steps, preset.walk.stride) == (20, 5, 64, 8)
    assert preset.crf_iterations == 10


def test_tags_are_tested_at_five_scales_and_mirrored():
    preset = paper_preset("paper-tags")
    assert preset.algorithm == 2
    assert preset.testing.scales == (0.5, 0.75, 1.0, 1.25, 1.5)
    assert preset.testing.flip
    assert preset.head_views == ((0.75, 1.0), True)
    votes = preset.votes
    assert (votes.neighbours, votes.floor) == (20, 0.15)
    assert votes.bank_scales == (0.5, 1.0, 1.5)
    assert votes.query_scales == (0.5, 1.0, 1.5, 2.0)
    assert paper_preset("paper-scribbles").testing.scales == (1.0,)


def test_the_heads_steps_and_the_test_size_follow():
    small = adapted(paper_preset("paper-densepose"), iterations=450, crop=256, batch=4, seed=7)
    assert small.embedding.optimisation.iterations == 450
    assert small.classifier.optimisation.iterations == 40
    assert small.testing.long_side == 320
    assert small.embedding.optimisation.batch == small.classifier.optimisation.batch == 4
    assert small.seed == 7
    assert adapted(paper_preset("paper-tags")) == paper_preset("paper-tags")


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"batch": 1}, {"crop": 8}])
def test_numbers_out_of_range(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        adapted(paper_preset("paper-tags"), **wrong)


def test_unknown_names():
    with pytest.raises(ConfigError, match="paper-scribbles"):
        paper_preset("scribbles")
    with pytest.raises(ConfigError, match="scripts"):
        paper_preset("paper-tags", "code")
