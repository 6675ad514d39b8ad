import numpy as np
import pytest

from spml_core.annotations import Patch, Point, Scribble, Tag
from spml_core.errors import MarkError
from spml_core.suggesting.evidence import corrected_prior
from spml_core.video.marked_frame import label_marked_frame


@pytest.fixture(scope="module")
def scene(render):
    return render((64, 96), [[(20, 30)]], [24])


@pytest.fixture(scope="module")
def features(scene, looker):
    return looker.study(scene.frames[0])


def labels(marked, classes):
    return np.asarray(classes)[marked.probabilities.argmax(1)][marked.features.regions]


@pytest.mark.parametrize("flow", [None, "moves", "still"])
def test_strokes_come_to_the_object(scene, features, flow):
    motion = None if flow is None else np.zeros((64, 96, 2), np.float32)
    if flow == "moves":
        motion[scene.truth[0] == 1] = (4, -1)
    marked = label_marked_frame(5, features, scene.strokes(0), np.array([0, 1]), 2, motion, None)
    assert marked.index == 5
    assert marked.probabilities.shape == (features.count, 2)
    assert marked.probabilities.dtype == np.float32
    assert np.abs(marked.probabilities.sum(1) - 1).max() < 1e-5
    assert scene.overlap(0, labels(marked, [0, 1])) > 0.9


def test_motion_tells_apart_what_looks_alike(render, looker):
    """Of two squares that look the same the marked one moves, and so does the part of it that was painted over."""
    scene = render((64, 96), [[(20, 10)], [(20, 60)]], [24, 24], [(190, 70, 60), (190, 70, 60)])
    features = looker.study(scene.frames[0])
    marks = [mark for mark in scene.strokes(0) if mark.class_index != 2]
    flow = np.zeros((64, 96, 2), np.float32)
    flow[scene.truth[0] == 1] = (5, 0)
    still, moving = (
        label_marked_frame(0, features, marks, np.array([0, 1]), 2, given, None).probabilities
        for given in (np.zeros_like(flow), flow)
    )
    other = np.unique(features.regions[25:40, 65:80])
    assert moving[other, 1].mean() < 0.1
    assert moving[other, 1].mean() <= still[other, 1].mean() + 1e-6


def test_other_classes_of_the_span_are_possible_but_rare(scene, features):
    """A class that only the other marked frame speaks of."""
    marked = label_marked_frame(0, features, scene.strokes(0), np.array([0, 1, 3]), 4, None, None)
    assert marked.probabilities.shape == (features.count, 3)
    assert (marked.probabilities > 0).all()
    assert scene.overlap(0, labels(marked, [0, 1, 3])) > 0.8


@pytest.mark.parametrize("tags", [[Tag(1)], [Tag(2)], [Tag(0)], [Tag(2), Tag(1)]])
def test_a_complete_list_of_tags_is_kept_to(scene, features, tags):
    """Also where it names a class that the span knows nothing of, and leaves out one that it knows."""
    base = np.full((64, 96), 3, np.uint8)
    classes = np.array([0, 1, 3])
    marked = label_marked_frame(
        0, features, [*tags, Scribble(0, ((5, 5), (5, 9)), 3)], classes, 4, None, base
    )
    assert marked.probabilities.shape == (features.count, 3)
    assert np.abs(marked.probabilities.sum(1) - 1).max() < 1e-5
    assert 3 not in labels(marked, classes)
    two = label_marked_frame(0, features, tags, np.array([0, 3]), 4, None, None)
    assert np.isfinite(two.probabilities).all()


def test_the_marks_are_painted(scene, features):
    marks = [*scene.strokes(0), Patch(0, 0, np.full((2, 3), 255, np.uint8))]
    painted = label_marked_frame(0, features, marks, np.array([0, 1]), 2, None, None).painted
    assert painted.shape == (64, 96)
    assert (painted[:2, :3] == 255).all()
    assert painted[32, 41] == 1
    assert painted[60, 90] == 2


def test_a_base_is_kept_where_no_mark_speaks_against_it(scene, features):
    base = scene.truth[0].copy()
    base[45:, 60:] = 1  # wrong
    classes = np.array([0, 1])
    untouched = label_marked_frame(0, features, [], classes, 2, None, base)
    assert (labels(untouched, classes) == base).mean() > 0.97
    stroke = [Scribble(0, ((50, 66), (58, 90)), 5)]
    corrected = labels(label_marked_frame(0, features, stroke, classes, 2, None, base), classes)
    assert scene.overlap(0, corrected) > max(0.85, scene.overlap(0, base))


def test_a_click_is_enough_for_a_class(scene, features):
    marks = [Point(1, 32, 42), Point(0, 5, 5), Point(0, 58, 88)]
    marked = label_marked_frame(0, features, marks, np.array([0, 1]), 2, None, None)
    assert scene.overlap(0, labels(marked, [0, 1])) > 0.8


def test_a_class_that_is_not_there_is_refused(features):
    with pytest.raises(MarkError):
        label_marked_frame(0, features, [Point(4, 5, 5)], np.array([0, 1]), 2, None, None)


@pytest.mark.parametrize("size", [(64, 96), (128, 192), (150, 200)])
def test_what_is_corrected_counts_by_the_pixels_of_each_class(features, size):
    rng = np.random.default_rng(0)
    base = rng.choice([0, 1, 3, 4, 255], size).astype(np.uint8)
    base[: size[0] // 2, : size[1] // 3] = 255
    classes = np.array([0, 3])
    found = corrected_prior(base, features, classes)
    hits = np.zeros((features.count, 2))
    for (y, x), region in np.ndenumerate(features.regions):
        code = base[y * size[0] // 64, x * size[1] // 96]
        for c in (0, 1):
            hits[region, c] += code == classes[c]
    for region in range(features.count):
        total = hits[region].sum()
        expected = 0.9 * (hits[region] / total if total else 0.5) + 0.05
        assert np.abs(found[region] - expected).max() < 1e-6
    assert (np.abs(found - 0.5) < 1e-6).all(1).any()
