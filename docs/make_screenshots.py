"""Take the pictures of the window that README and tutorial show: the real program on the sample pictures.

python docs/make_screenshots.py [FOLDER]

FOLDER is docs/screenshots if not given. It draws, trains, inspects and exports as a person would, on an X server of its
own (Xvfb), and leaves no settings behind. Two models are trained: that takes some minutes on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from screenshot_person import Person, Place
from screenshot_stage import run

CLASSES = ("background", "hair", "skin", "clothes", "shoes")
STROKES: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("1", ((45, 60), (50, 150), (40, 230))),
    ("1", ((232, 200), (222, 280), (230, 350))),
    ("2", ((136, 35), (140, 24), (152, 20), (162, 30))),
    ("3", ((146, 42), (152, 56))),
    ("3", ((115, 275), (117, 330))),
    ("4", ((135, 90), (150, 110), (160, 150))),
    ("4", ((110, 225), (150, 218), (175, 235))),
)
"""Key of a class, and a stroke on photo 0297."""
MISTAKES: tuple[tuple[Place, ...], ...] = (
    ((172, 40), (168, 46), (166, 62), (165, 72)),
    ((198, 190),),
    ((170, 305), (205, 305), (205, 350), (180, 350), (180, 325)),
    ((143, 300), (144, 337)),
)
"""What a model may well take for hair, shoes or clothes on photo 0529, and isn't: sky, a bag, the road."""


def people(scratch: Path) -> tuple[Path | None, Callable[[Person], None]]:
    """From a folder of photos to masks, in the dark theme."""
    import shutil

    from sample_data import sample_path

    sample = sample_path("people")
    photos = scratch / "people"
    shutil.copytree(sample / "images", photos)

    def tell(person: Person) -> None:
        _begin(person, photos)
        _mark(person, sample)
        _train(person)
        _inspect(person)
        _correct(person)
        _export(person)

    return None, tell


def _begin(person: Person, photos: Path) -> None:
    person.shoot("start")
    welcome = person.bench.docks["welcome"]
    welcome.ask_for_project(photos)
    form = welcome.form
    person.wait(form.found.text, "the number of pictures")
    names = form.classes
    for _ in CLASSES[2:]:
        names.add.click()
    for row, name in enumerate(CLASSES):
        item = names.list.item(row)
        names.list.closePersistentEditor(item)
        item.setText(name)
    names.list.setCurrentRow(0)
    form.place.setFocus()
    person.shoot("new_project")
    form.create_button.click()
    person.wait(lambda: person.session.project is not None, "the project")
    person.wait_for_picture()


def _mark(person: Person, sample: Path) -> None:
    from spml_core.engine.imports import import_marks

    session = person.session
    person.go_to("0297")
    person.key("s")
    session.set_brush(8)
    for key, places in STROKES:
        person.draw(places, key)
    person.shoot("mark", pointer=True)
    # The other pictures' marks come from the sample, as `spml import` would bring them.
    import_marks(session.project, scribbles=sample / "scribbles", points=sample / "points.csv")
    session.marks_changed.emit(frozenset(record.id for record in session.project.pictures))
    session.history_changed.emit()
    person.key("v")


def _train(person: Person) -> None:
    bench, session = person.bench, person.session
    steps, ends = person.hear(bench.training.stepped), person.hear(bench.training.finished)
    person.open_tab("training")
    person.key("Ctrl+Return")
    person.wait(lambda: ends() or _is_half_way(steps()), "learning steps")
    person.wait(lambda: session.prediction is not None and session.prediction.live, "a preview")
    person.scroll_to("training", bench.docks["training"].plot)
    person.shoot("train")
    person.wait(ends, "the end of training")
    count = len(session.project.pictures)
    person.wait(lambda: len(bench.predictions.predicted_ids()) == count, "predictions of all pictures")
    person.wait(lambda: session.prediction.probabilities is not None, "this picture's probabilities")
    person.shoot("trained")
    person.close_notices()


def _is_half_way(steps: list[tuple[Any, ...]]) -> bool:
    return bool(steps) and 2 * steps[-1][0].step >= steps[-1][0].total


def _inspect(person: Person) -> None:
    bench, session = person.bench, person.session
    dock = bench.docks["inspect"]
    person.open_tab("inspect")
    person.go_to("0529")
    person.wait(lambda: session.prediction and session.prediction.probabilities is not None, "probabilities")
    person.point_at((143, 300))
    person.shoot("inspect", pointer=True)
    person.key("u")
    person.shoot("uncertainty", pointer=True)
    person.key("u")
    person.key("w")
    reasons = person.hear(bench.predictions.reasons_found)
    person.click((120, 180))
    person.wait(reasons, "the reasons")
    pictures = dock.reasons
    person.wait(
        lambda: all(not pictures.item(row).icon().isNull() for row in range(pictures.count())),
        "the pictures of the reasons",
    )
    person.scroll_to("inspect", pictures)
    person.shoot("why", pointer=True)
    person.key("v")


def _correct(person: Person) -> None:
    bench, session = person.bench, person.session
    person.key("g")
    person.key("1")
    person.wait(lambda: bench.predictions.region_labels() is not None, "the segments")
    person.scroll_to("inspect", person.find("mode_classes"))
    for places in MISTAKES:
        person.draw(places)
    person.shoot("correct", pointer=True)
    person.key("v")
    person.key("a")
    person.wait(session.is_reviewed, "the review")
    person.scroll_to("inspect", person.find("next_to_mark"))
    person.shoot("review")


def _export(person: Person) -> None:
    dock = person.bench.docks["export"]
    dock._open_folder = lambda: None  # there is no file manager on this screen
    person.open_tab("export")
    person.key("F")
    dock.start.click()
    person.wait(lambda: not dock.open.isHidden(), "the export")
    person.shoot("export")


def nuclei(scratch: Path) -> tuple[Path | None, Callable[[Person], None]]:
    """Micrographs with the sample's marks, in the light theme."""
    from napari.settings import get_settings

    from spml_napari.samples import make_sample_project

    get_settings().appearance.theme = "light"

    def tell(person: Person) -> None:
        bench, session = person.bench, person.session
        person.wait_for_picture()
        ends = person.hear(bench.training.finished)
        person.key("Ctrl+Return")
        person.wait(ends, "the end of training")
        person.go_to("histology_6b0ac2ab")
        person.wait(
            lambda: session.prediction and session.prediction.probabilities is not None, "a prediction"
        )
        count = len(session.project.pictures)
        person.wait(lambda: len(bench.predictions.predicted_ids()) == count, "predictions of all pictures")
        person.close_notices()
        person.open_tab("inspect")
        person.key("o")
        session.view(opacity=1.0)
        person.point_at((46, 150))
        person.shoot("nuclei", pointer=True)

    return make_sample_project("nuclei", scratch), tell


if __name__ == "__main__":
    run(__file__, {"people": people, "nuclei": nuclei})
