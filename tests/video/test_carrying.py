from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.ndimage import gaussian_filter

from spml_core.labeling.colors import ColorBins
from spml_core.suggesting.picture_features import picture_features
from spml_core.video.carrying import (
    Carried,
    CarryStrengths,
    Known,
    decide,
    frame_scores,
    quantised,
    retrieve,
)
from spml_core.video.frame_regions import Coordinates, regions_of
from spml_core.video.motion import motion_evidence

NOTHING = CarryStrengths(
    memory=0, retrieval=0, color=0, motion=0, smooth=0, features_in_borders=0, doubt=0.03
)


def unit(rng, *shape):
    rows = rng.normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def known(rng, regions, dimensions, count):
    return Known(
        unit(rng, regions, dimensions),
        sparse.csr_matrix((regions, ColorBins.num_bins), dtype=np.float32),
        np.ones(regions, np.float32),
        rng.dirichlet(np.ones(count), regions).astype(np.float32),
        rng.random(regions).astype(np.float32),
    )


@pytest.fixture(scope="module")
def features(render):
    """Of the first frame of a film in which a square moves; colours and noise are its deep features."""
    rgb = render((30, 44), [[(8, 8)]], [14]).frames[0]
    rng = np.random.default_rng(0)
    grid = np.concatenate([rgb[::2, ::2] / 255, rng.normal(0, 0.05, (15, 22, 3))], -1).astype(np.float32)
    return picture_features(rgb, grid, np.ones(6, np.float32), num_regions=40)


@pytest.fixture(scope="module")
def frame(features):
    return regions_of(features)


@pytest.fixture(scope="module")
def coordinates(features):
    return Coordinates.of(features)


@pytest.fixture(scope="module", params=[2, 3])
def thought(request, frame):
    rng = np.random.default_rng(request.param)
    return rng.dirichlet(np.ones(request.param), frame.graph.count).astype(np.float32)


def carried_by(frame, thought):
    rng = np.random.default_rng(9)
    count = frame.graph.count
    motion = rng.normal(0, 1, (count, 2)).astype(np.float32)
    return Carried(thought, rng.random(count).astype(np.float32), motion, 0.4)


@pytest.mark.parametrize(("sizes", "count"), [((7,), 2), ((30,), 2), ((25, 18), 3)])
def test_the_nearest_known_regions_vote(sizes, count):
    rng = np.random.default_rng(sum(sizes))
    parts = [known(rng, size, 8, count) for size in sizes]
    queries = unit(rng, 6, 8)
    found = retrieve(parts, queries)
    assert found.dtype == np.float32
    assert np.abs(found.sum(1) - 1).max() < 1e-5
    total = np.zeros(count)
    for part in parts:
        for weight, shares in zip(part.weights, part.probabilities, strict=True):
            for c in range(count):
                total[c] += float(weight) * float(shares[c])
    for q in range(6):
        votes = []
        for part in parts:
            for i in range(len(part.weights)):
                cosine = sum(float(a) * float(b) for a, b in zip(queries[q], part.embeddings[i], strict=True))
                one = [
                    float(part.weights[i] * part.probabilities[i, c]) / total[c] ** 0.5 for c in range(count)
                ]
                votes.append((np.exp(20 * (cosine - 1)), one))
        votes.sort(key=lambda vote: -vote[0])
        sums = [sum(likeness * one[c] for likeness, one in votes[:20]) + 1e-9 for c in range(count)]
        for c in range(count):
            assert found[q, c] == pytest.approx(sums[c] / sum(sums), abs=1e-4)


def test_known_regions_count_by_size_and_sureness(frame, coordinates, thought):
    found = Known.of(coordinates, frame, thought)
    count = thought.shape[1]
    bins = coordinates.bins.assign(frame.rgb)
    for region in range(frame.graph.count):
        inside = frame.regions == region
        sure = (float(thought[region].max()) - 1 / count) / (1 - 1 / count)
        assert found.area[region] == inside.sum()
        assert found.weights[region] == pytest.approx(np.sqrt(inside.sum()) * sure, rel=1e-4, abs=1e-5)
        expected = np.bincount(bins[inside], minlength=ColorBins.num_bins)
        assert np.array_equal(found.colors[[region]].toarray()[0], expected)
    assert np.abs(np.linalg.norm(found.embeddings, axis=1) - 1).max() < 1e-5


# What is carried ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (-2, 4)])
def test_an_answer_moves_by_whole_pixels(frame, shift):
    rng = np.random.default_rng(1)
    height, width = frame.regions.shape
    answer = rng.dirichlet(np.ones(3), (height, width)).astype(np.float32)
    flow = np.tile(np.float32(shift), (height, width, 1))
    valid = rng.random((height, width)) < 0.7
    found = Carried.along(flow, valid, answer, frame)
    dx, dy = shift
    assert found.spread == pytest.approx(0.15)
    assert np.abs(found.motion).max() < 1e-4  # all of it is the camera's
    for region in range(frame.graph.count):
        seen, sums, pixels = 0, np.zeros(3), 0
        for y, x in np.argwhere(frame.regions == region):
            pixels += 1
            if valid[y, x]:
                seen += 1
                sums += answer[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
        share = seen / pixels
        assert found.share[region] == pytest.approx(share, abs=1e-6)
        expected = sums / seen if share > 0.05 else np.full(3, 1 / 3)
        assert np.abs(found.probabilities[region] - expected).max() < 1e-5


def test_where_the_flow_is_not_valid_nothing_is_carried(frame):
    shape = frame.regions.shape
    answer = np.zeros((*shape, 2), np.float32)
    answer[..., 1] = 1
    valid = np.ones(shape, bool)
    valid[:, :20] = False
    found = Carried.along(np.zeros((*shape, 2), np.float32), valid, answer, frame)
    hidden = found.share == 0
    assert hidden.any()
    assert not hidden.all()
    assert (found.probabilities[hidden] == 0.5).all()
    assert np.abs(found.probabilities[found.share > 0.05] - [0, 1]).max() < 1e-6


# Scores ---------------------------------------------------------------------------------------------


def test_what_is_carried_speaks_by_its_share(frame, coordinates, thought):
    carried = carried_by(frame, thought)
    anchors = [Known.of(coordinates, frame, thought)]
    scores = frame_scores(frame, coordinates, anchors, carried, replace(NOTHING, memory=1.5))
    count = thought.shape[1]
    for region in range(frame.graph.count):
        for c in range(count):
            # Of a mixture: what was carried, but with probability `doubt` another class.
            p, doubt = float(thought[region, c]), 0.03
            trusted = p * (1 - doubt) + (1 - p) * doubt / (count - 1)
            expected = 1.5 * float(carried.share[region]) * np.log(trusted)
            assert scores[region, c] == pytest.approx(expected, abs=1e-4)


def test_retrieval_speaks_by_its_logarithm(frame, coordinates, thought):
    anchors = [Known.of(coordinates, frame, thought)]
    scores = frame_scores(frame, coordinates, anchors, None, replace(NOTHING, retrieval=0.7))
    found = retrieve(anchors, coordinates.embed(frame.descriptors)).astype(np.float64)
    assert np.abs(scores - 0.7 * np.log(found + 0.01)).max() < 1e-4


def test_motion_speaks_for_all_classes_but_the_first(frame, coordinates, thought):
    carried = carried_by(frame, thought)
    anchors = [Known.of(coordinates, frame, thought)]
    scores = frame_scores(frame, coordinates, anchors, carried, replace(NOTHING, motion=2))
    guess = thought * carried.share[:, None]
    expected = 2 * motion_evidence(carried.motion, 0.4, frame.graph.area, guess)
    assert (scores[:, 0] == 0).all()
    assert np.abs(scores[:, 1:] - expected[:, 1:]).max() < 1e-4


@pytest.mark.parametrize("with_memory", [True, False])
def test_colors_are_learned_of_marked_frames_and_of_what_is_carried(frame, coordinates, thought, with_memory):
    carried = carried_by(frame, thought) if with_memory else None
    rng = np.random.default_rng(4)
    count = thought.shape[1]
    other = rng.dirichlet(np.ones(count), frame.graph.count).astype(np.float32)
    anchors = [Known.of(coordinates, frame, part) for part in (thought, other)]
    scores = frame_scores(frame, coordinates, anchors, carried, replace(NOTHING, color=1))
    bins = coordinates.bins.assign(frame.rgb)
    histogram = np.zeros((count, ColorBins.num_bins))
    for (y, x), cell in np.ndenumerate(bins):
        region = frame.regions[y, x]
        for c in range(count):
            histogram[c, cell] += float(thought[region, c]) + float(other[region, c])
            if carried is not None:
                histogram[c, cell] += float(thought[region, c]) * float(carried.share[region])
    given = []
    for c in range(count):
        smooth = gaussian_filter(histogram[c].reshape(16, 16, 16), 1, mode="constant").ravel()
        total = smooth.sum()
        given.append((smooth + 1e-3 * total / ColorBins.num_bins) / (total * (1 + 1e-3)))
    speaks = np.log(np.array(given) / np.mean(given, 0) + 0.01)
    for region in range(frame.graph.count):
        expected = speaks[:, bins[frame.regions == region]].mean(1)
        assert np.abs(scores[region] - expected).max() < 1e-3


def test_scores_add_up(frame, coordinates, thought):
    carried, anchors = carried_by(frame, thought), [Known.of(coordinates, frame, thought)]
    strengths = CarryStrengths(memory=1, retrieval=2, color=3, motion=4)
    parts = [
        frame_scores(
            frame, coordinates, anchors, carried, replace(NOTHING, **{name: getattr(strengths, name)})
        )
        for name in ("memory", "retrieval", "color", "motion")
    ]
    whole = frame_scores(frame, coordinates, anchors, carried, strengths)
    assert np.abs(whole - np.sum(parts, axis=0)).max() < 1e-3


# Decisions ------------------------------------------------------------------------------------------


def test_without_borders_each_region_decides_for_itself(frame, coordinates):
    scores = np.random.default_rng(0).normal(0, 2, (frame.graph.count, 3)).astype(np.float32)
    raised = np.exp(scores.astype(np.float64))
    found = decide(frame, coordinates, scores, NOTHING)
    assert np.abs(found - raised / raised.sum(1, keepdims=True)).max() < 1e-5
    found = decide(frame, coordinates, scores[:, :2], NOTHING)
    soft = raised[:, :2] / raised[:, :2].sum(1, keepdims=True)
    decision = np.eye(2)[scores[:, :2].argmax(1)]
    assert np.abs(found - (soft + decision) / 2).max() < 1e-5


def test_strong_borders_make_all_regions_one(frame, coordinates):
    scores = np.random.default_rng(0).normal(0, 2, (frame.graph.count, 2)).astype(np.float32)
    size = np.sqrt(frame.graph.area)[:, None]
    winner = int((scores * size).sum(0).argmax())
    found = decide(frame, coordinates, scores, replace(NOTHING, smooth=1e4))
    assert (found.argmax(1) == winner).all()


def test_quantised_maps_hold_each_regions_probabilities(frame, thought):
    found = quantised(frame, thought)
    assert found.dtype == np.uint8
    assert found.shape == (thought.shape[1], *frame.regions.shape)
    for (c, y, x), code in np.ndenumerate(found):
        assert abs(int(code) - 255 * float(thought[frame.regions[y, x], c])) <= 0.5 + 1e-4
