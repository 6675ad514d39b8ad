"""spml relink: what was moved or renamed is found again by its content."""

import shutil

import numpy as np
import pytest
from PIL import Image

from spml_core.project import Project


@pytest.fixture
def moved(data, spml):
    """A project of the pictures a to d and the film walk, all of them moved, a renamed, d gone."""
    film = data / "films" / "walk"
    film.mkdir(parents=True)
    for index in range(3):
        pixels = np.random.default_rng(50 + index).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(film / f"{index}.png")
    project = data / "r.spml"
    result = spml("new", project, "--images", data / "images", "--film", film, "--class", "x", "--class", "y")
    assert result.code == 0, result.err
    now = data / "elsewhere" / "deep"
    now.parent.mkdir()
    shutil.move(data / "images", now)
    shutil.move(film, data / "elsewhere" / "run")
    (found,) = now.rglob("a.png")
    found.rename(found.with_name("new name.png"))
    (gone,) = now.rglob("d.*")
    gone.unlink()
    return project


def test_moved_pictures_and_films_are_found(data, spml, moved):
    result = spml("relink", moved, data / "elsewhere", "--json")
    assert result.code == 0, result.err
    (summary,) = result.events
    assert sorted(summary["pictures"]) == ["a", "b", "c"]
    assert summary["pictures"]["a"].endswith("new name.png")
    assert summary["films"] == {"walk": str(data / "elsewhere" / "run")}
    assert summary["missing"] == ["d"]
    with Project.open(moved, write=False) as project:
        assert project.open_picture(project.picture("a")).rgb().ndim == 3
        assert project.open_picture(project.picture("walk/2")).size == (20, 30)
    result = spml("relink", moved, data / "elsewhere")
    assert "none of the 1 missing: d" in result.complaint()


def test_it_says_what_was_found_and_what_not(data, spml, moved):
    result = spml("relink", moved, data / "elsewhere")
    assert result.out == "Found 4: a, b, c, walk.\nStill missing 1: d.\n"


def test_nothing_was_missing(data, spml):
    spml("new", data / "q.spml", "--images", data / "images", "--class", "x", "--class", "y")
    result = spml("relink", data / "q.spml", data)
    assert (result.code, result.out) == (0, "Nothing was missing.\n")


@pytest.mark.parametrize(
    "words",
    [
        ["suggest", "a", "--out", "s.png"],
        ["predict", "--out", "o"],
        ["train", "--steps", "1"],
        ["suggest", "walk/1", "--out", "s.png"],
    ],
    ids=" ".join,
)
def test_what_is_said_of_a_missing_one_names_the_command(data, spml, moved, words):
    command, *rest = words
    line = spml(command, moved, *(data / word if word in ("s.png", "o") else word for word in rest))
    if "Nothing was trained" not in line.err:
        assert "spml relink PROJECT DIR" in line.complaint()


def test_a_folder_that_is_not_there(data, spml, moved):
    assert "There is no folder" in spml("relink", moved, data / "nowhere").complaint()
