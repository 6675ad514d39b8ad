"""A project with a small film, results as if propagated, and marks."""

from dataclasses import dataclass

import av
import numpy as np
import tifffile
from PIL import Image

from spml_core.annotations import Patch
from spml_core.classes import ClassTable
from spml_core.engine.film_results import FilmResults
from spml_core.project import Project

NAMES = ("background", "ball", "wall")
SIZE = (32, 48)
COUNT = 6


@dataclass(frozen=True)
class Result:
    index: int
    labels: np.ndarray
    confidence: float = 0.75
    source: str = "forward"
    final: bool = True
    is_cut: bool = False


def labels_of(index, size=SIZE):
    """A ball (class 1) that goes right by two pixels a frame, on background."""
    labels = np.zeros(size, np.uint8)
    labels[10:20, 6 + 2 * index : 18 + 2 * index] = 1
    return labels


def pixels_of(index, size=SIZE):
    """The ball, with a texture that goes with it, on a still one."""
    rng = np.random.default_rng(1)
    ground = rng.integers(60, 120, (*size, 3), dtype=np.uint8)
    ball = rng.integers(150, 255, (10, 12, 3), dtype=np.uint8)
    ground[10:20, 6 + 2 * index : 18 + 2 * index] = ball
    return ground


def write_sequence(folder, count=COUNT):
    folder.mkdir(parents=True)
    for index in range(count):
        Image.fromarray(pixels_of(index)).save(folder / f"shot{index + 7:03d}.png")
    return folder


def write_stack(path, count):
    """A long film, quickly: a grey TIFF stack."""
    stack = np.zeros((count, 256, 256), np.uint8)
    stack[:, 20:200, 30:150] = np.arange(count, dtype=np.uint8)[:, None, None]
    tifffile.imwrite(path, stack, photometric="minisblack")
    return path


def write_video(path, steps=(1, 1, 3, 1, 2), tick=25):
    """A video whose frames are shown for 1 / 25 s, or a multiple."""
    from fractions import Fraction

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=tick)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"flags": "+qscale", "global_quality": "118"}
        for index, time in enumerate(np.cumsum([0, *steps])):
            frame = av.VideoFrame.from_ndarray(pixels_of(index), format="rgb24")
            frame.pts, frame.time_base = int(time), Fraction(1, tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_project(folder, films, still=True):
    """A project with one still, and these films."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    if still:
        Image.fromarray(pixels_of(0)).save(folder / "images" / "still.png")
    project = Project.create(folder / "p.spml", folder / "images", ClassTable.from_names(NAMES))
    for path in films:
        project.add_film(path)
    return project


def put(project, film, indices, labels=labels_of):
    """Results of some frames."""
    with FilmResults.of(project, film) as results:
        for index in indices:
            results.put(Result(index, labels(index)), "key")


def accept(project, film, index, code):
    """Accept a frame as all of one class."""
    record = project.frame(film, index)
    mask = np.full((record.height, record.width), code, np.uint8)
    project.add_marks({record.id: [Patch(0, 0, mask, accepted="picture")]}, "Accept")
    return record
