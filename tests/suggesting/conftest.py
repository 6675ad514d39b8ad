import numpy as np
import pytest

from spml_core.suggesting.picture_features import picture_features


@pytest.fixture(scope="session")
def two_halves():
    """A picture 40 x 60, left dark and right bright, with features that tell colours and noise."""
    return halves(40, 60)


def halves(height, width, shape=None, regions=60):
    rng = np.random.default_rng(0)
    rgb = rng.normal(60, 6, (height, width, 3))
    rgb[:, width // 2 :] += 120
    rgb = rgb.clip(0, 255).astype(np.uint8)
    grid = rgb[::2, ::2].astype(np.float32) / 255
    grid = np.concatenate([grid, rng.normal(0, 0.05, (*grid.shape[:2], 3)).astype(np.float32)], -1)
    return picture_features(rgb, grid, np.ones(6, np.float32), shape, regions)
