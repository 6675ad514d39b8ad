"""Take the pictures of a photo that is segmented by clicks and keys only, as the tutorial shows them.

python docs/make_click_screenshots.py [FOLDER]

FOLDER is docs/screenshots if not given. A person who knows the photo (its mask is in the sample) presses Tab, then
Enter where the suggestion is right and a number where it is not. No model is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from screenshot_person import Person, Place
from screenshot_stage import run

PHOTO = "0297"
FIRST: tuple[tuple[str, Place], ...] = (
    ("1", (45, 150)),
    ("2", (137, 28)),
    ("3", (148, 48)),
    ("4", (145, 120)),
)
"""Keys of the classes in the photo, and where they are."""
FEW, MANY = 6, 24


def clicks(scratch: Path) -> tuple[Path | None, Callable[[Person], None]]:
    """From an unmarked photo to a reviewed one."""
    from sample_data import sample_path
    from spml_core.io.classes_json import read_classes
    from spml_core.project import Project

    sample = sample_path("people")
    path = scratch / "people.spml"
    Project.create(path, sample / "images", read_classes(sample / "classes.json")).close()
    truth = np.array(Image.open(sample / "masks" / f"{PHOTO}.png"))

    def tell(person: Person) -> None:
        session, bench = person.session, person.bench
        person.go_to(PHOTO)
        person.wait(lambda: session.suggestion is not None, "the regions")
        person.key("q")
        person.point_at(FIRST[-1][1])
        person.shoot("clicks_begin", pointer=True)
        for key, place in FIRST:
            person.point_at(place)
            person.key(key)
            wait_for_answer(person)
        person.shoot("clicks_first", pointer=True)
        for number in range(MANY):
            if not answer_next(person, truth):
                break
            if number + 1 == FEW:
                person.key("Tab")
                person.shoot("clicks_next", pointer=True)
        person.key("v")
        person.key("a")
        person.wait(session.is_reviewed, "the review")
        wait_for_answer(person)
        labels = bench.predictions.full_labels()
        known = (truth != 255) & (labels < len(session.classes))
        print(
            f"{len(session.marks()) - 1} answers: {(labels == truth)[known].mean():.1%} of the pixels are right"
        )
        person.shoot("clicks_done")

    return path, tell


def answer_next(person: Person, truth: np.ndarray) -> bool:
    """Answer the region that is asked for; whether there was one."""
    session, tool = person.session, person.bench.canvas.answer
    person.key("Tab")
    suggestion = session.suggestion
    if suggestion is None or suggestion.next_region is None or tool.region is None:
        return False
    inside = suggestion.regions.labels == tool.region
    right = int(np.bincount(truth[inside], minlength=256)[: len(session.classes)].argmax())
    suggested = int(np.bincount(suggestion.labels[inside]).argmax())
    person.key("Return" if right == suggested else str(right + 1))
    wait_for_answer(person)
    return True


def wait_for_answer(person: Person) -> None:
    """Wait until the suggestion knows of the last mark."""
    control = person.bench.suggestions
    person.wait(lambda: not control.is_waiting and not control.is_stale, "the suggestion")


if __name__ == "__main__":
    run(__file__, {"clicks": clicks})
