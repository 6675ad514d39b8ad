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


@pytest.fixture
def replaced(data, spml):
    """A marked project of the pictures a to d; another picture of the same size lies in the place of a, a in kept/."""
    project = data / "e.spml"
    spml("new", project, "--images", data / "images", "--class", "x", "--class", "y")
    (path,) = (data / "images").rglob("a.png")
    with Image.open(path) as image:
        size = image.size
    table = data / "p.csv"
    rows = [f"{name},{x},{y},{c}" for name in "abc" for x, y, c in ((3, 3, "x"), (12, 10, "y"))]
    table.write_text("\n".join(["image,x,y,class", *rows]))
    assert spml("import", project, "--points", table).code == 0
    (data / "kept").mkdir()
    shutil.move(path, data / "kept" / "original.png")
    Image.fromarray(np.random.default_rng(9).integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)
    return project


TRAIN = ("--max-seconds", "20", "--preset", "quick", "--device", "cpu")


def test_marks_are_not_learned_on_a_file_that_took_the_place_of_the_marked_one(data, spml, replaced):
    result = spml("train", replaced, *TRAIN, "--json")
    assert result.code == 0, result.err
    (warning,) = [e["message"] for e in result.events if e["event"] == "warning" and "marked" in e["message"]]
    assert "1 marked picture (a)" in warning and "spml relink PROJECT DIR" in warning
    with Project.open(replaced, write=False) as project:
        from spml_core.engine.predict_project import current_model

        names = current_model(project, "cpu").bank_pictures
    assert "a" not in names and {"b", "c"} <= set(names)


def test_a_replaced_picture_is_found_where_the_original_is(data, spml, replaced):
    result = spml("relink", replaced, data / "kept")
    assert result.out == "Found 1: a.\n"
    with Project.open(replaced, write=False) as project:
        assert project.replaced() == ()
        assert project.picture("a").path == (data / "kept" / "original.png").resolve()


def test_a_changed_picture_is_taken_as_it_is_now_if_asked_to(data, spml, replaced):
    result = spml("relink", replaced, data / "images")
    assert "none of the 1 missing: a" in result.complaint() and "--accept" in result.err
    result = spml("relink", replaced, data / "images", "--accept", "--json")
    assert result.events[-1]["accepted"] == ["a"]
    with Project.open(replaced, write=False) as project:
        assert project.replaced() == ()
        assert len(project.marks(project.picture("a").id)) == 2
    result = spml("train", replaced, *TRAIN, "--json")
    assert not [e for e in result.events if e["event"] == "warning" and "marked picture" in e["message"]]


def test_where_all_marked_pictures_were_replaced_training_says_why(data, spml, replaced):
    for path in (data / "images").rglob("[bc].*"):
        with Image.open(path) as image:
            size = image.size
        Image.fromarray(np.full((size[1], size[0], 3), 77, np.uint8)).save(path)
    assert "3 marked pictures (a, b, c)" in spml("train", replaced, *TRAIN).complaint()
