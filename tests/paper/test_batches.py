from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spml_core.errors import TrainingError
from spml_core.paper import paper_preset
from spml_core.paper.batches import Batches
from spml_core.paper.context import PaperContext
from spml_core.paper.data import PaperData
from spml_core.paper.presets import Optimisation
from spml_core.relations.batch import BatchSegments
from spml_core.relations.cooccurrence import cooccurrence_loss
from spml_core.training.augmentation import Augmentation
from spml_core.training.caffe_sgd import set_learning_rate
from spml_core.training.training_set import TrainingSet

NAMES = ("ground", "left hand", "right hand", "head")


def context_of(preset="paper-scribbles", variant="paper", seed=1, count=5):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (20, 24, 3)).astype(np.uint8) for _ in range(count)]
    labels = [rng.choice([0, 1, 4], (20, 24)).astype(np.uint8) for _ in range(count)]
    data = PaperData(TrainingSet.from_arrays(pictures, labels, NAMES))
    folder = SimpleNamespace(stage=None)
    return PaperContext(paper_preset(preset, variant), data, folder, torch.device("cpu"), seed, None)


def batches_of(context, name="embedding", **augmentation):
    def labels(index):
        return context.pictures[index].labels()

    return Batches(
        context, labels, name, Optimisation(iterations=6, batch=3), Augmentation(16, **augmentation)
    )


def test_a_step_has_the_same_crops_whatever_came_before():
    context = context_of()
    with batches_of(context) as batches:
        in_order = [batches.take(step) for step in range(6)]
    later = batches_of(context)
    for step in (4, 0, 5):
        again = later.take(step)
        torch.testing.assert_close(again.rgb, in_order[step].rgb, rtol=0, atol=0)
        torch.testing.assert_close(again.labels, in_order[step].labels)
        torch.testing.assert_close(again.tags, in_order[step].tags)
    assert not torch.equal(in_order[0].rgb, in_order[1].rgb)
    assert not torch.equal(batches_of(context, "head").take(0).rgb, in_order[0].rgb)
    assert not torch.equal(batches_of(context_of(seed=2)).take(0).rgb, in_order[0].rgb)


def test_every_picture_comes_once_before_one_comes_twice():
    batches = batches_of(context_of())
    order = [batches.picture_at(place) for place in range(15)]
    for epoch in (order[:5], order[5:10], order[10:]):
        assert sorted(epoch) == list(range(5))
    assert order[:5] != order[5:10]


def test_tags_are_those_of_the_whole_picture():
    batch = batches_of(context_of(), scales=(1.5, 1.5)).take(0)
    assert batch.rgb.shape == (3, 3, 16, 16)
    assert batch.tags.tolist() == [[True, True, False, False]] * 3


def test_left_and_right_change_places_where_the_preset_says_so():
    parts = context_of("paper-densepose")
    assert parts.mirrored_classes == (0, 2, 1, 3)
    assert context_of().mirrored_classes == ()
    densepose = (0, 1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14)
    from spml_core.paper.densepose_tree import DENSEPOSE_CLASSES

    training = TrainingSet(parts.pictures, DENSEPOSE_CLASSES.names)
    real = PaperContext(parts.preset, PaperData(training), parts.folder, parts.device, 1, None)
    assert real.mirrored_classes == densepose  # METHODS.md 1.8.5


def test_what_a_picture_may_hold():
    weak = np.full((20, 24), 4, np.uint8)
    weak[3, 3] = 3
    context = context_of()
    assert context.present(0, weak).tolist() == [True, True, False, True]  # its tags, and what is marked
    scripts = context_of(variant="scripts")
    assert scripts.present(0, weak).tolist() == [False, False, False, True]
    assert scripts.present(0, np.full((20, 24), 4, np.uint8)).all()  # nothing known, so anything


def test_a_picture_of_which_nothing_is_known_shares_no_tag_with_any():
    context = context_of(variant="scripts", count=3)
    unknown = context.pictures[1].name
    nothing = np.full((20, 24), 4, np.uint8)

    def labels(index):
        return nothing if context.pictures[index].name == unknown else context.pictures[index].labels()

    batch = Batches(context, labels, "embedding", Optimisation(iterations=6, batch=3), Augmentation(16)).take(
        0
    )
    of_unknown = [i for i in range(3) if bool((batch.labels[i] >= 4).all())]
    assert len(of_unknown) == 1
    assert batch.tags[of_unknown[0]].tolist() == [False] * 4
    # METHODS.md 1.8.3: its pixels are left out, and its segments are company for nobody.
    generator = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(6, 8, generator=generator, dtype=torch.float64), dim=1)
    images = torch.tensor([0, 0, 1, 1, 2, 2])
    order = [*of_unknown, *(i for i in range(3) if i not in of_unknown)]
    tags = batch.tags[order]
    assert tags[1:, 1].all() and not tags[0].any()
    segments = BatchSegments(rows, rows[:, :2], torch.arange(6), images, images, images)
    found = cooccurrence_loss(segments, rows, tags, 8.0)
    by_hand = []
    for i in range(2, 6):
        e = torch.exp(8.0 * rows @ rows[i])
        company = sum(e[j] for j in range(2, 6) if j != i)
        by_hand.append(-torch.log(company / (company + e[0] + e[1])))
    torch.testing.assert_close(found, torch.stack(by_hand).mean())


def test_the_power_of_the_schedule_is_obeyed():
    network = torch.nn.Linear(2, 2)
    optimiser = torch.optim.SGD([{"params": network.parameters(), "lr_mult": 10.0}], lr=1.0)
    for power in (0.9, 2.0):
        rate = set_learning_rate(optimiser, 0.1, 30, 100, warm_up=5, power=power)
        assert rate == pytest.approx(0.1 * 0.7**power)
        assert optimiser.param_groups[0]["lr"] == pytest.approx(10 * rate)


def test_labels_of_another_size_name_the_picture():
    context = context_of()
    batches = Batches(
        context,
        lambda index: np.zeros((3, 3), np.uint8),
        "embedding",
        Optimisation(iterations=1, batch=1),
        Augmentation(16),
    )
    with pytest.raises(TrainingError, match="picture "):
        batches.take(0)


def test_names_must_be_files_and_differ():
    pictures = context_of().pictures
    with pytest.raises(TrainingError, match="Two training pictures"):
        PaperData(TrainingSet((pictures[0], pictures[0]), NAMES))
    odd = SimpleNamespace(name="../up")
    with pytest.raises(TrainingError, match="name of a file"):
        PaperData(TrainingSet((odd,), NAMES))
    with pytest.raises(TrainingError, match="no picture"):
        PaperData(TrainingSet((), NAMES))
