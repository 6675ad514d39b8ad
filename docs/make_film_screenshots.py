"""Take the picture of a film whose marks are propagated, as README and tutorial show it.

python docs/make_film_screenshots.py [FOLDER]

FOLDER is docs/screenshots if not given. The film is the sample with its marks on two frames; a person propagates them,
goes to the worst frame, corrects it where the sample's truth says otherwise, and propagates again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from screenshot_person import Person, Place
from screenshot_stage import run

WATCHED = 0.55
"""How much of the second propagation is done when the picture is taken."""
_PEN = 5


def film(scratch: Path) -> tuple[Path | None, Callable[[Person], None]]:
    """From marks on two frames to a film that was corrected once."""
    from sample_data import sample_path
    from spml_core.io import read_index_png
    from spml_napari.samples import make_sample_project

    project = make_sample_project("film", scratch)
    truths = sorted((sample_path("film") / "labels").glob("*.png"))

    def tell(person: Person) -> None:
        session, control = person.session, person.bench.propagation
        ends, progress = person.hear(control.finished), person.hear(control.progressed)
        person.wait_for_picture()
        person.wait(lambda: control.outlook is not None and control.outlook.todo, "something to do")
        person.key("r")
        person.wait(ends, "the end of the first propagation")
        _report(session, truths, read_index_png)
        person.key("h")
        person.wait_for_picture()
        worst = session.frame_index
        truth = read_index_png(truths[worst])
        found = session.film_result.labels
        person.key("s")
        session.set_brush(_PEN)
        for key, places in corrections(found, truth, len(session.classes)):
            person.draw(places, key)
        person.key("v")
        person.wait(lambda: control.outlook is not None and control.outlook.todo, "something to do")
        seen = len(progress())
        person.key("r")
        person.wait(
            lambda: len(ends()) > 1 or (len(progress()) > seen and progress()[-1][0].share > WATCHED),
            "frames",
        )
        person.shoot("film")
        person.wait(lambda: len(ends()) > 1, "the end of the second propagation")
        _report(session, truths, read_index_png)

    return project, tell


def corrections(
    found: np.ndarray, truth: np.ndarray, num_classes: int, most: int = 3
) -> list[tuple[str, list[Place]]]:
    """Strokes, each with the key of its class, along the middle of the largest mistakes."""
    import cv2

    mistakes: list[tuple[int, str, list[Place]]] = []
    for label in range(num_classes):
        wrong = ((truth == label) & (found != label)).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(wrong)
        for part in range(1, count):
            inside = parts == part
            depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
            if depth.max() > _PEN:  # thinner ones are a matter of taste
                rows, columns = np.nonzero(depth > 0.7 * depth.max())
                order = np.argsort(columns + rows)[[0, len(rows) // 2, -1]]
                places = [(float(columns[i]), float(rows[i])) for i in order]
                mistakes.append((int(stats[part, cv2.CC_STAT_AREA]), str(label + 1), places))
    mistakes.sort(key=lambda mistake: -mistake[0])
    return [(key, places) for _, key, places in mistakes[:most] if all(a != b for a, b in pairwise(places))]


def _report(session: object, truths: list[Path], read: Callable[[Path], np.ndarray]) -> None:
    """Say how much of the film is right."""
    from spml_core.engine.film_results import FilmResults
    from spml_core.metrics import ConfusionMatrix

    matrix = ConfusionMatrix(len(session.classes))  # type: ignore[attr-defined]
    with FilmResults.of(session.project, session.film) as results:  # type: ignore[attr-defined]
        for index, path in enumerate(truths):
            labels = results.labels(index)
            if labels is not None:
                matrix.update(read(path), labels)
    print(f"mean IoU of {len(truths)} frames: {matrix.scores().miou:.1%}", flush=True)


if __name__ == "__main__":
    run(__file__, {"film": film})
