r"""Render the sample film: real nuclei that move over a real background, with the true mask of every frame.

python docs/make_sample_film.py [FOLDER]

Nuclei and background are cut out of the micrographs in ``sample_data/film/sources`` (CC0). They drift, turn, deform,
dim, cross, divide and leave, while the camera drifts, the lamp fades and the sensor adds noise. FOLDER, by default
``sample_data/film``, gets ``film.mp4``, ``labels/``, ``scribbles/`` and ``classes.json``. The same sources give the
same pictures and masks; how the film is compressed depends on the encoder's version. PyAV must be installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.graph import route_through_array

from sample_data import sample_path
from spml_core.classes import IGNORE, ClassTable
from spml_core.io import write_classes, write_index_png

HEIGHT, WIDTH, FRAMES, RATE = 240, 320, 60, 12
BACKGROUND, NUCLEUS, DIVIDING = range(3)
MARGIN = 64  # the world reaches this far beyond the first frame: the camera moves
SCALE = 0.62  # of the sources' pixels
WINDOW = 64  # half the side of what is cut out around a nucleus, in pixels of the source
MARKED = (0, 30)

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]


class Part(NamedTuple):
    """A nucleus of the film: which one, where it is in frame 0, how it moves in a frame, and when it is there."""

    source: str
    instance: int
    kind: int
    x: float
    y: float
    dx: float
    dy: float
    spin: float  # degrees a frame
    bright: float = 1.0
    first: int = 0
    last: int = FRAMES


# Later ones lie over earlier ones. The halves of the last three are one cell, dividing at frame 22.
PARTS = (
    Part("7978812d", 1, NUCLEUS, 34, 42, -0.75, -0.30, 0.8),
    Part("7978812d", 10, NUCLEUS, 112, 34, 0.35, 0.25, -0.7),
    Part("f01a9742", 6, NUCLEUS, 176, 58, 0.10, 0.55, 0.5, 0.8),
    Part("ac8169a0", 23, NUCLEUS, 243, 34, -0.25, 0.10, 0.4),
    Part("7978812d", 16, NUCLEUS, 300, 84, 0.50, 0.20, -0.6, 0.6),
    Part("ac8169a0", 6, NUCLEUS, 58, 108, 0.45, 0.15, 0.5, 1.15),
    Part("7978812d", 24, NUCLEUS, 207, 128, -0.40, -0.20, 0.9),
    Part("7978812d", 23, NUCLEUS, 268, 146, 0.20, -0.45, -0.5),
    Part("ac8169a0", 17, NUCLEUS, 26, 186, 0.30, -0.25, 1.1),
    Part("f01a9742", 23, NUCLEUS, 94, 196, 0.55, 0.10, -0.9, 0.8),
    Part("7978812d", 22, NUCLEUS, 228, 206, -0.20, 0.35, 0.7),
    Part("ac8169a0", 20, NUCLEUS, 297, 212, -0.30, 0.05, 0.4),
    Part("7978812d", 25, NUCLEUS, 150, 262, 0.25, -0.60, 0.6),
    Part("f01a9742", 10, NUCLEUS, 340, 30, -0.35, 0.45, -0.8, 0.85),
    Part("f01a9742", 7, NUCLEUS, -34, 140, 3.30, -0.55, 2.2, 1.25),  # the quick one: it crosses four others
    Part("f01a9742", 12, NUCLEUS, 160, -26, -0.90, 2.10, -1.6, 1.1),
    Part("7978812d", 19, DIVIDING, 128, 104, 0.30, 0.20, 1.0, 0.95),
    Part("f01a9742", 14, DIVIDING, 392, 186, -2.00, -0.70, 1.2, 0.8),
    Part("ac8169a0", 25, DIVIDING, 166, 172, 0.10, 0.05, 0.3, 0.85, last=26),
    Part("f01a9742", 17, DIVIDING, 160, 172, 0.52, -0.10, 0.5, 0.85, first=22),
    Part("f01a9742", 25, DIVIDING, 174, 169, -0.46, 0.24, -0.4, 0.85, first=22),
)
FADE = 4  # frames in which a part comes and goes


# What is cut out of the sources ---------------------------------------------------------------------------


class Source:
    """A micrograph and its instances.

    Parameters
    ----------
    folder : Path
        With images/ and instances/.
    name : str
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.instances = read_grey(folder / "instances" / f"fluorescence_{name}.png")
        grey = read_grey(folder / "images" / f"fluorescence_{name}.png").astype(np.float32)
        # What a nucleus shines on its surroundings belongs to it.
        around = cv2.dilate((self.instances > 0).astype(np.uint8), disk(9)) > 0
        self.background = filled(grey, ~around)
        self.signal = grey - cv2.GaussianBlur(self.background, (0, 0), 8)
        means = [self.signal[self.instances == k].mean() for k in np.unique(self.instances)[1:]]
        self.signal /= np.float32(np.median(means))

    def cut(self, instance: int) -> tuple[Floats, Floats]:
        """Light and shape (2 * WINDOW, 2 * WINDOW) of one nucleus, itself in the middle; 1 is as bright as most."""
        mask = self.instances == instance
        y, x = (round(v.mean()) for v in np.nonzero(mask))
        others = cv2.dilate(((self.instances > 0) & ~mask).astype(np.uint8), disk(2)) > 0
        reach = cv2.GaussianBlur(cv2.dilate(mask.astype(np.float32), disk(7)), (0, 0), 2.5)
        light = np.maximum(self.signal, 0) * reach * (mask | ~others)
        shape = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.2)
        window = np.s_[y : y + 2 * WINDOW, x : x + 2 * WINDOW]
        return np.pad(light, WINDOW)[window], np.pad(shape, WINDOW)[window]


def read_grey(path: Path) -> Labels:
    """Read a picture (H, W) of one channel."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None:
        sys.exit(f"{path} can't be read.")
    return np.asarray(found, np.uint8)


def disk(radius: int) -> Labels:
    """A round structuring element."""
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def filled(grey: Floats, known: NDArray[np.bool_]) -> Floats:
    """Fill what isn't known: smoothly from around it, and with the grain of other places."""
    smooth, weight = np.zeros_like(grey), np.zeros_like(grey)
    for sigma in (6, 12, 24, 48):  # the nearest that says something counts most
        share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), sigma)
        value = cv2.GaussianBlur(grey * known, (0, 0), sigma) / np.maximum(share, 1e-6)
        counts = share**2 / sigma**2
        smooth += counts * value
        weight += counts
    smooth /= np.maximum(weight, 1e-12)
    found = np.where(known, grey - smooth, 0)
    grain, there = found.copy(), known.copy()
    for step in range(23, 920, 23):
        moved = 3 * step, 5 * step
        new = ~there & np.roll(known, moved, (0, 1))
        grain[new] = np.roll(found, moved, (0, 1))[new]
        there |= new
    return np.asarray(smooth + grain, np.float32)


# How it moves ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wave:
    """A slow swing around 0: the sum of a few sines of time.

    Attributes
    ----------
    sizes, periods, phases : array of float
        Periods in frames.
    """

    sizes: NDArray[np.float64]
    periods: NDArray[np.float64]
    phases: NDArray[np.float64]

    @classmethod
    def drawn(cls, rng: np.random.Generator, size: float, shortest: float = 25, longest: float = 90) -> Wave:
        """Draw three sines, whose sizes add up to ``size`` at the most."""
        return cls(
            size * rng.dirichlet((2, 2, 2)), rng.uniform(shortest, longest, 3), rng.uniform(0, 2 * np.pi, 3)
        )

    def __call__(self, time: float) -> float:
        """Value at a frame."""
        return float((self.sizes * np.sin(2 * np.pi * time / self.periods + self.phases)).sum())


class Nucleus:
    """One nucleus in all frames.

    Parameters
    ----------
    part : Part
    source : Source
    rng : Generator
    """

    def __init__(self, part: Part, source: Source, rng: np.random.Generator) -> None:
        self.part = part
        self.light, self.shape = source.cut(part.instance)
        self._sway = Wave.drawn(rng, 3.5), Wave.drawn(rng, 3.5)
        self._turn = Wave.drawn(rng, 12)
        self._size = Wave.drawn(rng, 0.05)
        self._stretch = [
            (order, Wave.drawn(rng, 0.2 / order), rng.uniform(0, 2 * np.pi)) for order in (2, 3, 4)
        ]
        self._dim = Wave.drawn(rng, 0.22, 30)
        self._depth = Wave.drawn(rng, 1.2, 40)

    def draw(self, time: int, camera: tuple[float, float]) -> tuple[Floats, Floats]:
        """Light and shape (HEIGHT, WIDTH) in a frame, seen from a camera at (x, y)."""
        part = self.part
        x = part.x + part.dx * time + self._sway[0](time) - camera[0]
        y = part.y + part.dy * time + self._sway[1](time) - camera[1]
        angle = np.deg2rad(part.spin * time + self._turn(time))
        rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
        right, down = columns - np.float32(x), rows - np.float32(y)
        direction = np.arctan2(down, right) - angle
        radius = np.hypot(right, down) / (SCALE * (1 + self._size(time)))
        for order, wave, phase in self._stretch:
            radius = radius * (1 + wave(time) * np.cos(order * direction - phase))
        across = np.asarray(radius * np.cos(direction) + WINDOW, np.float32)
        along = np.asarray(radius * np.sin(direction) + WINDOW, np.float32)
        light, shape = (
            cv2.remap(patch, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
            for patch in (cv2.GaussianBlur(self.light, (0, 0), 0.8), self.shape)
        )
        blur = max(self._depth(time), 0.0)
        if blur > 0.2:
            light = cv2.GaussianBlur(light, (0, 0), blur)
        return np.asarray(light * self._strength(time), np.float32), np.asarray(shape, np.float32)

    def presence(self, time: int) -> float:
        """How much of it is there in a frame: less than 1 while it comes or goes."""
        part = self.part
        comes = 1.0 if part.first == 0 else (time - part.first + 1) / FADE
        goes = 1.0 if part.last == FRAMES else (part.last - time) / FADE
        return float(np.clip(min(comes, goes), 0, 1))

    def _strength(self, time: int) -> float:
        return self.part.bright * (1 + self._dim(time)) * self.presence(time)


# What the camera sees -------------------------------------------------------------------------------------


def render(folder: Path, seed: int = 6, frames: int = FRAMES) -> tuple[list[Labels], list[Labels]]:
    """The first frames (HEIGHT, WIDTH) as grey values, and their masks."""
    rng = np.random.default_rng(seed)
    sources = {name: Source(folder, name) for name in sorted({part.source for part in PARTS})}
    nuclei = [Nucleus(part, sources[part.source], rng) for part in PARTS]
    world = background_of(sources["7978812d"])
    wander = Wave.drawn(rng, 5, 30, 70), Wave.drawn(rng, 4, 30, 70)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    lamp = 1 - 0.28 * (((columns - 185) / 260) ** 2 + ((rows - 105) / 230) ** 2)
    pictures, masks = [], []
    for time in range(frames):
        shake = rng.normal(0, 0.25, 2)
        camera = 0.38 * time + wander[0](time) + shake[0], 0.16 * time + wander[1](time) + shake[1]
        across, down = columns + np.float32(MARGIN + camera[0]), rows + np.float32(MARGIN + camera[1])
        seen = cv2.remap(world, across, down, cv2.INTER_CUBIC)
        mask = np.full((HEIGHT, WIDTH), BACKGROUND, np.uint8)
        for nucleus in nuclei:
            light, shape = nucleus.draw(time, camera)
            # A nucleus hides a little of what is below it; most of the light adds up.
            seen = seen * (1 - 0.35 * shape * nucleus.presence(time)) + 92 * light
            if nucleus.presence(time) > 0.5:
                mask[shape > 0.5] = nucleus.part.kind
        seen = seen * lamp * np.exp(-time / 240) * (1 + rng.normal(0, 0.012))
        photons = rng.poisson(np.maximum(seen, 0) * 2.5) / 2.5
        counted = photons + rng.normal(0, 2.2, seen.shape)
        pictures.append(np.clip(np.rint(255 * np.tanh(counted / 255)), 0, 255).astype(np.uint8))
        masks.append(mask)
    return pictures, masks


def background_of(source: Source) -> Floats:
    """What lies below the nuclei: a source without its own, grown to the size of the world."""
    size = WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN
    grown = cv2.resize(source.background, (size[0], size[0]), interpolation=cv2.INTER_CUBIC)[: size[1]]
    level = np.median(grown)
    return np.asarray(28 * grown / level, np.float32)


# Marks as a hand would make them --------------------------------------------------------------------------


def draw_marks(mask: Labels, rng: np.random.Generator, width: int = 3) -> Labels:
    """One stroke for each class inside its largest region, ``IGNORE`` where nothing is drawn."""
    marks = np.full(mask.shape, IGNORE, np.uint8)
    for kind in np.unique(mask):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((mask == kind).astype(np.uint8))
        region = (parts == 1 + int(stats[1:count, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
        line = np.zeros_like(mask)
        cv2.polylines(line, [stroke(region, rng)], False, 1, width, cv2.LINE_8)
        marks[(line > 0) & (mask == kind)] = kind
    return marks


def stroke(region: Labels, rng: np.random.Generator) -> NDArray[np.int32]:
    """Corners (N, 1, 2) as x, y of a bent line through the deep parts of a region."""
    depth = cv2.distanceTransform(np.pad(region, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    deep = np.argwhere(depth >= 0.5 * min(depth.max(), 12))
    begin = deep[rng.integers(len(deep))]
    far = np.hypot(*(deep - begin).T)
    goal = min(far.max(), 150) * rng.uniform(0.7, 0.9)
    end = deep[np.abs(far - goal).argmin()]
    effort = np.where(region > 0, 1 / (0.3 + depth) + 0.2 * rng.random(depth.shape), 1e5)
    path, _ = route_through_array(  # type: ignore[no-untyped-call]
        effort, begin, end, fully_connected=True
    )
    points: NDArray[np.float64] = np.array(path, float)[:, ::-1]
    steps = np.linspace(0, len(points) - 1, max(3, len(points) // 6)).astype(int)
    return np.asarray(np.rint(points[steps]).reshape(-1, 1, 2), np.int32)


# Files ----------------------------------------------------------------------------------------------------


def write_film(path: Path, frames: Sequence[Labels]) -> None:
    """Write grey frames as H.264 in mp4, which every decoder knows."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        # With more threads, or bits spread by what comes later, the file would be another one each time.
        stream.options = {
            "crf": "22",
            "preset": "slow",
            "g": str(RATE),
            "threads": "1",
            "x264-params": "mbtree=0",
        }
        for index, grey in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, 2), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def main() -> None:
    """Render the film into the folder of the command line."""
    home = sample_path("film")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else home
    frames, masks = render(home / "sources")
    classes = ClassTable.from_names(("background", "nucleus", "dividing"))
    for name in ("labels", "scribbles"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_classes(folder / "classes.json", classes)
    write_film(folder / "film.mp4", frames)
    for index, mask in enumerate(masks):
        write_index_png(folder / "labels" / f"film_{index:06d}.png", mask, classes)
    rng = np.random.default_rng(1)
    for index in MARKED:
        write_index_png(
            folder / "scribbles" / f"film_{index:06d}.png", draw_marks(masks[index], rng), classes
        )


if __name__ == "__main__":
    main()
