"""A photo is segmented by clicks and keys only, in the real window: no stroke, no training."""

import numpy as np
from desktop import wait_for
from PIL import Image
from project_window import MIDDLE, SLOW, ProjectWindow

from sample_data import sample_path
from spml_core.annotations import Patch
from spml_core.io.classes_json import read_classes
from spml_core.project import Project

PHOTO = "0297"
ON_THE_WALL = (440, 330)
ANSWERS = 16


def photo_project(folder):
    sample = sample_path("people")
    path = folder / "photo.spml"
    photo = sample / "images" / f"{PHOTO}.jpg"
    Project.create(path, [photo], read_classes(sample / "classes.json")).close()
    return path, np.array(Image.open(sample / "masks" / f"{PHOTO}.png"))


def wait_for_suggestion(window, after):
    """What the witness says of the first suggestion after so many: see watched.say_suggestion."""
    desktop = window.desktop
    wait_for(lambda: len(desktop.said_of("suggestion")) > after, "a suggestion", SLOW)
    return desktop.said_of("suggestion")[-1]


def press(window, *keys):
    """Press keys that make one more mark; what is suggested then."""
    suggested, marks = len(window.desktop.said_of("suggestion")), window.count()
    window.desktop.key(*keys)
    window.wait_for_count(marks + 1)
    return wait_for_suggestion(window, suggested)


def test_a_photo_is_segmented_by_clicks_only(desktop, tmp_path):
    path, truth = photo_project(tmp_path)
    window = ProjectWindow(desktop, path, True)
    wait_for_suggestion(window, 0)

    # A first answer each for what is in the middle, and for what is behind it.
    desktop.key("q")
    desktop.click(*MIDDLE)
    assert window.count() == 0, "there is nothing to accept yet"
    press(window, "4")
    desktop.point_at(*ON_THE_WALL)
    said = press(window, "1")
    assert said[0] == "True"

    # Where the program asks: Enter if it is right, else a number.
    accepted = given = 0
    for _ in range(ANSWERS):
        if len(said) == 1:
            break  # it has nothing left to ask
        y, x, code = map(int, said[1:])
        is_right = truth[y, x] == code
        accepted, given = accepted + is_right, given + (not is_right)
        said = press(window, "Tab", "Return" if is_right else str(truth[y, x] + 1))
    marks = window.marks()[PHOTO]
    assert all(isinstance(mark, Patch) for mark in marks)
    assert [mark.accepted for mark in marks].count("class") == accepted > 0 < given

    # Each was a step of its own.
    desktop.key("ctrl+z")
    window.wait_for_count(len(marks) - 1)
    desktop.key("ctrl+y")
    window.wait_for_count(len(marks))

    desktop.key("a")
    wait_for(lambda: window.reviewed() == [PHOTO], "the review", SLOW)
    with Project.open(path, write=False) as project:
        labels = project.weak_labels(project.picture(PHOTO))
    assert (labels == truth)[truth != 255].mean() > 0.9
