"""Stands in for the real propagation: every map follows from the one before it and the frame, by a simple rule.

It keeps maps as the real one does, so that stops and kills can be told from none by the results.
"""

import os
import time

import numpy as np
from PIL import Image

from spml_core.annotations import Point, rasterize
from spml_core.classes import ClassTable
from spml_core.engine import propagate
from spml_core.engine.background.propagate_process import serve_propagation
from spml_core.engine.film_results import FilmResults
from spml_core.engine.propagation_events import FrameDone
from spml_core.project import Project
from spml_core.video.span import FrameResult

SIZE = (24, 32)
CLASSES = ("background", "fish", "weed")
KEPT = 3
COUNT = 12


def frame_pixels(index):
    """Three bands that move."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.stack(
        [(y * 7 + index * 11) % 256, (x * 5 + index * 3) % 256, (x + y + index) % 256], -1
    ).astype(np.uint8)


def make_film_project(folder, count=COUNT, marked=()):
    """A project with one film "swim", a sequence of PNGs; two classes are clicked on in the marked frames."""
    (folder / "swim").mkdir(parents=True)
    for index in range(count):
        Image.fromarray(frame_pixels(index)).save(folder / "swim" / f"shot{index:03d}.png")
    project = Project.create(folder / "p.spml", (), ClassTable.from_names(CLASSES), films=[folder / "swim"])
    mark(project, *marked)
    return project


def mark(project, *indices, at=5):
    film = project.film("swim")
    for index in indices:
        points = [Point(0, at, 4 + index), Point(1, at + 10, 20)]
        project.add_marks({project.frame(film, index).id: points}, "clicks")


def quick_rules(project):
    """Makes the stand-in for a project, without a pause."""
    return lambda: Rules(len(project.classes))


def run(project, **options):
    """All events of a propagation of "swim"."""
    options.setdefault("make_propagator", quick_rules(project))
    return list(propagate.propagate_film(project, project.film("swim"), **options))


def all_labels(project):
    """Label maps of all frames."""
    with FilmResults.of(project, project.film("swim")) as results:
        return [results.labels(index) for index in range(COUNT)]


def final_frames(events):
    """Frames that were told as final."""
    return [event.index for event in events if isinstance(event, FrameDone) and event.final]


def never():
    """Makes no stand-in: fails."""
    raise AssertionError("nothing was to be computed")


class Rules:
    """Asked for a span it yields as the real one does; ``asked`` lists the spans of all of them."""

    asked: list = []  # noqa: RUF012 - the tests empty it
    bases: list = []  # noqa: RUF012

    def __init__(self, num_classes, *, device="auto", flow="dis"):
        self.num_classes = num_classes
        self.pause = float(os.environ.get("RULES_PAUSE", "0"))

    def propagate_span(self, film, span, marks, store, bases=None):
        self.bases.append(bases)
        self.asked.append((span.first, span.last, span.before, span.after))
        sides = [side for side in ("forward", "backward") if self._start(span, side) is not None]
        for side in sides:
            final = side == sides[-1]
            for index, soft in self._pass(film, span, marks, store, side, final):
                other = store.get("forward", index) if side == "backward" and len(sides) == 2 else None
                if index == span.before and other is not None:
                    soft = other  # a marked frame depends on its own marks alone
                both = soft if other is None else ((soft.astype(int) + other) // 2).astype(np.uint8)
                source = "mark" if index in marks else "both" if other is not None else side
                labels = np.where(both > 127, 1, 0).astype(np.uint8)
                confidence = float(np.abs(both / 255 - 0.5).mean() * 2)
                yield FrameResult(index, labels, confidence, final, source, False)
                if len(sides) == 1:
                    store.delete(side, index - KEPT if side == "forward" else index + KEPT)

    def _start(self, span, side):
        return span.before if side == "forward" else span.after

    def _pass(self, film, span, marks, store, side, final):
        """Go on from the last map that is kept; a pass that isn't final needn't be told anew."""
        step = 1 if side == "forward" else -1
        first, last = (span.first, span.last) if step == 1 else (span.last, span.first)
        start = self._start(span, side)
        kept = [i for i in store.indices(side) if ((first if final else last) - i) * step >= 0]
        index = max([start, *kept], key=lambda i: i * step)
        soft = None
        while (last - index) * step >= 0:
            found = store.get(side, index)
            if found is None:
                time.sleep(self.pause)
                found = self._map(film.frame(index), soft, marks[start] if index == start else None)
                store.put(side, index, found)
            soft = found
            if (index - first) * step >= 0:
                yield index, soft
            index += step

    def _map(self, rgb, before, marks):
        grey = rgb.astype(int).mean(-1)
        if marks is None:
            return ((3 * before.astype(int) + grey) // 4).astype(np.uint8)
        painted = rasterize(marks, rgb.shape[:2], self.num_classes)
        grey[painted == 0], grey[painted == 1] = 0, 255
        return grey.astype(np.uint8)


def serve_rules(connection):
    """As the window's process, with the stand-in."""
    propagate.Propagator = Rules
    serve_propagation(connection)
