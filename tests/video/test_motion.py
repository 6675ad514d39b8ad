import numpy as np
import pytest

from spml_core.video.motion import motion_evidence, motion_of_its_own


def affine_flow(height, width, matrix):
    """Flow of ``matrix`` (3, 2): what is added everywhere, over the whole height and over the whole width."""
    flow = np.zeros((height, width, 2))
    for y in range(height):
        for x in range(width):
            for axis in range(2):
                flow[y, x, axis] = (
                    matrix[0][axis]
                    + matrix[1][axis] * (y / height - 0.5)
                    + matrix[2][axis] * (x / width - 0.5)
                )
    return flow.astype(np.float32)


CAMERAS = [
    [(0, 0), (0, 0), (0, 0)],
    [(3, -2), (0, 0), (0, 0)],  # pan
    [(0, 0), (0, 6), (8, 0)],  # zoom
    [(1, 1), (5, 0), (0, -5)],  # turn and pan
]


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("size", [(64, 96), (16, 16), (5, 40), (1, 1)])
def test_motion_of_the_camera_alone_leaves_nothing(camera, size):
    motion, spread = motion_of_its_own(affine_flow(*size, camera))
    assert motion.shape == (*size, 2)
    assert motion.dtype == np.float32
    assert np.abs(motion).max() < 1e-4
    assert spread == pytest.approx(0.15)


@pytest.mark.parametrize("camera", CAMERAS)
def test_an_object_before_a_moving_background_keeps_its_motion(camera):
    flow = affine_flow(64, 96, camera)
    flow[10:40, 20:50] += np.float32([4, -3])
    motion, spread = motion_of_its_own(flow)
    there = np.zeros((64, 96), bool)
    there[10:40, 20:50] = True
    assert np.abs(motion[there] - [4, -3]).max() < 0.1
    assert np.abs(motion[~there]).max() < 0.1
    assert spread == pytest.approx(0.15)


def test_the_camera_is_the_fixed_point_of_reweighted_least_squares():
    """The weighted normal equations, by loops in float64, hold for what was taken for the camera's motion."""
    rng = np.random.default_rng(0)
    height, width, step = 40, 56, 5
    flow = affine_flow(height, width, CAMERAS[3]) + rng.normal(0, 0.7, (height, width, 2)).astype(np.float32)
    motion, spread = motion_of_its_own(flow)
    camera = flow.astype(np.float64) - motion
    steps = min(8, height // 8), min(8, width // 8)
    assert steps == (step, 7)
    lengths, places = [], []
    for y in range(step // 2, height, step):
        for x in range(7 // 2, width, 7):
            places.append((y, x))
            lengths.append(np.hypot(*motion[y, x].astype(np.float64)))
    assert spread == pytest.approx(np.median(lengths), rel=1e-3)
    normal, right = np.zeros((3, 3)), np.zeros((3, 2))
    for (y, x), length in zip(places, lengths, strict=True):
        weight = 1 / (1 + (length / spread) ** 2)
        row = np.array([1, y / height - 0.5, x / width - 0.5])
        for i in range(3):
            for j in range(3):
                normal[i, j] += weight * row[i] * row[j]
            for axis in range(2):
                right[i, axis] += weight * row[i] * float(flow[y, x, axis])
    fitted = np.linalg.solve(normal, right)
    for y, x in places:
        row = np.array([1, y / height - 0.5, x / width - 0.5])
        assert np.abs(row @ fitted - camera[y, x]).max() < 2e-2  # ten rounds come near, not quite there


@pytest.mark.parametrize(("count", "spread"), [(2, 0.2), (3, 1.5), (2, 0.01)])
def test_evidence_is_a_ratio_of_densities(count, spread):
    rng = np.random.default_rng(count)
    regions = 12
    motion = rng.normal(0, 2 * spread, (regions, 2)).astype(np.float32)
    area = rng.integers(1, 60, regions).astype(np.float32)
    thought = (rng.dirichlet(np.ones(count), regions) * rng.random((regions, 1))).astype(np.float32)
    thought[3] = 0
    found = motion_evidence(motion, spread, area, thought)
    assert found.shape == (regions, count)
    assert found.dtype == np.float32
    bandwidth = max(0.3, 2 * spread)
    for region in range(regions):
        for c in range(count):
            density, mass = [0.0, 0.0], [0.0, 0.0]
            for other in range(regions):
                far = sum((float(motion[region, i]) - float(motion[other, i])) ** 2 for i in (0, 1))
                kernel = np.exp(-far / bandwidth**2 / 2)
                for side, share in enumerate((float(thought[other, c]), 1 - float(thought[other, c]))):
                    density[side] += kernel * share * float(area[other])
                    mass[side] += share * float(area[other])
            expected = np.log((density[0] / mass[0] + 0.02) / (density[1] / mass[1] + 0.02))
            assert found[region, c] == pytest.approx(expected, abs=2e-4)


def test_where_all_moves_alike_motion_tells_nothing():
    thought = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    evidence = motion_evidence(np.full((3, 2), 5, np.float32), 0.15, np.ones(3, np.float32), thought)
    assert np.abs(evidence).max() < 1e-5


def test_what_moves_as_the_object_speaks_for_it():
    motion = np.array([[4, 0], [4.1, 0], [0, 0], [0.1, 0]], np.float32)
    thought = np.array([[0, 1], [0, 0], [1, 0], [0, 0]], np.float32)
    evidence = motion_evidence(motion, 0.15, np.ones(4, np.float32), thought)
    assert evidence[1, 1] > 0.5 > -0.5 > evidence[3, 1]
