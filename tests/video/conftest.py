from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from spml_core.annotations import Scribble
from spml_core.films import Film, film_from_array
from spml_core.video.film_flow import FilmFlow
from spml_core.video.flow import build_flow
from spml_core.video.frame_regions import FrameLooker
from spml_core.video.propagation import Propagator


@dataclass(frozen=True, eq=False)
class Scene:
    """A rendered film (T, H, W, 3) and its true labels (T, H, W)."""

    frames: np.ndarray
    truth: np.ndarray

    @property
    def film(self) -> Film:
        return film_from_array(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def overlap(self, index: int, labels: np.ndarray, of: int = 1) -> float:
        """Intersection over union of a class in a frame."""
        mine, true = labels == of, self.truth[index] == of
        return float((mine & true).sum() / max((mine | true).sum(), 1))

    def strokes(self, index: int) -> list[Scribble]:
        """A short stroke in the middle of each object, and one along the upper and the left border."""
        height, width = self.truth.shape[1:]
        marks = [Scribble(0, ((2, 2), (2, width - 3)), 2), Scribble(0, ((2, 2), (height - 3, 2)), 2)]
        for of in range(1, int(self.truth[index].max()) + 1):
            y, x = np.nonzero(self.truth[index] == of)
            marks.append(Scribble(of, ((y.mean(), x.mean() - 2), (y.mean(), x.mean() + 2)), 3))
        return marks


def texture(seed, height, width, color, contrast=25, grain=6):
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, contrast, (-(-height // grain) + 1, -(-width // grain) + 1, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) + color, 0, 255)


def rendered(
    size: tuple[int, int],
    places: Sequence[Sequence[tuple[int, int]]],
    sides: Sequence[int],
    colors: Sequence[tuple[int, int, int]] = ((190, 70, 60), (60, 80, 200)),
    background: tuple[int, int, int] = (90, 140, 90),
    seed: int = 0,
) -> Scene:
    """Textured squares over a textured background; ``places[object][frame]`` is where its corner (y, x) is."""
    height, width = size
    count = len(places[0])
    behind = texture(seed, height, width, background)
    frames, truth = np.tile(behind, (count, 1, 1, 1)), np.zeros((count, height, width), np.uint8)
    for number, (way, side, color) in enumerate(zip(places, sides, colors, strict=False), 1):
        square = texture(seed + number, side, side, color)
        for frame, (top, left) in enumerate(way):
            y, x = (np.arange(side) + corner for corner in (top, left))
            y, x = (axis[(axis >= 0) & (axis < most)] for axis, most in ((y, height), (x, width)))
            if len(y) and len(x):
                place = np.ix_(y, x)
                frames[frame][place] = square[np.ix_(y - top, x - left)]
                truth[frame][place] = number
    return Scene(np.rint(frames).astype(np.uint8), truth)


@pytest.fixture(scope="session")
def render():
    return rendered


@pytest.fixture(scope="session")
def square() -> Scene:
    """A square that moves three pixels to the right and one down, frame by frame."""
    return rendered((64, 96), [[(12 + t, 12 + 3 * t) for t in range(8)]], [24])


@pytest.fixture(scope="session")
def pair() -> Scene:
    """Two squares that move towards each other."""
    ways = [(10 + t, 10 + 2 * t) for t in range(6)], [(34 - t, 66 - 2 * t) for t in range(6)]
    return rendered((64, 96), ways, [22, 20])


class RememberingLooker(FrameLooker):
    """Looks at each frame once: tests see the same frames again and again."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self._seen: dict[tuple[str, bytes, tuple[int, ...]], object] = {}

    def look(self, rgb):
        return self._once("look", rgb, super().look)

    def study(self, rgb):
        return self._once("study", rgb, super().study)

    def _once(self, what, rgb, compute):
        key = what, rgb.tobytes(), rgb.shape
        if key not in self._seen:
            self._seen[key] = compute(rgb)
        return self._seen[key]


@pytest.fixture(scope="session")
def looker() -> FrameLooker:
    return RememberingLooker()


@pytest.fixture(scope="session")
def propagator(looker):
    """Makes propagators that share one looker."""

    def build(num_classes: int, flow: str = "dis") -> Propagator:
        made = Propagator(num_classes, device="cpu", flow=FilmFlow(build_flow(flow)))
        made._looker = looker
        return made

    return build
