import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from spml_core import __version__
from spml_core.annotations import Box, KeyPoint, Point, Tag
from spml_core.project import Project

LIGHT = """
import sys
from spml_core.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
heavy = {"torch", "timm", "cv2", "skimage", "higra"} & set(sys.modules)
assert not heavy, heavy
"""


def test_version(spml):
    result = spml("--version")
    assert (result.code, result.out, result.err) == (0, f"spml {__version__}\n", "")


def test_the_installed_command_is_this_one():
    done = subprocess.run(
        [sys.executable, "-c", "from spml_core.cli.main import run; run()", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"spml {__version__}\n"


@pytest.mark.parametrize("words", [["--version"], ["train", "--help"], ["info", "PROJECT"]])
def test_light_commands_load_nothing_heavy(project, words):
    arguments = [str(project) if word == "PROJECT" else word for word in words]
    subprocess.run([sys.executable, "-c", LIGHT, *arguments], check=True, capture_output=True)


def test_new_tells_what_it_made(data, spml):
    result = spml("new", data / "n.spml", "--images", data / "images", "--class", "left", "--class", "right")
    assert result.code == 0
    assert result.out == f"Made {data / 'n.spml'} with 4 pictures and the classes left, right.\n"
    assert result.err == ""
    with Project.open(data / "n.spml", write=False) as project:
        assert project.classes.names == ("left", "right")
        assert [record.name for record in project.pictures] == ["a", "b", "c", "d"]


def test_import_is_one_step_that_undo_takes_back(project, data, spml):
    result = spml(
        "import", project, "--scribbles", data / "scribbles", "--points", data / "points.csv", "--json"
    )
    assert result.events == [
        {"event": "summary", "pictures": 3, "marks": {"scribbles": 2, "points": 2}, "warnings": []}
    ]
    with Project.open(project) as opened:
        assert [entry.note for entry in opened.history()] == ["Import scribbles and points"]
        assert opened.mark_counts() == (3, 3)
        labels = opened.weak_labels(opened.picture("a"))
        expected = np.array(Image.open(data / "scribbles" / "a.png"))
        np.testing.assert_array_equal(labels, np.where(expected == 255, 2, expected))
        opened.undo()
        assert opened.marked_pictures() == ()


def test_scribbles_lie_over_masks(project, data, spml):
    scribble = np.full((48, 64), 255, np.uint8)
    scribble[:5] = 1
    Image.fromarray(scribble).save(data / "scribbles" / "a.png")
    spml("import", project, "--masks", data / "masks", "--scribbles", data / "scribbles")
    with Project.open(project, write=False) as opened:
        labels = opened.weak_labels(opened.picture("a"))
    mask = np.array(Image.open(data / "masks" / "a.png"))
    np.testing.assert_array_equal(labels, np.where(scribble == 1, 1, mask))


def test_coarse_marks_come_with_warnings_one_a_line(project, data, spml):
    (data / "tags.csv").write_text("image,class\na,left\nd,left\n")
    (data / "clicks.json").write_text(
        '{"a": [{"x": 60, "y": 4, "cls": 1}], "e": [], "f": [{"x": 1, "y": 1, "cls": 20}]}'
    )
    words = ["import", project, "--tags", data / "tags.csv", "--incomplete", "--clicks", data / "clicks.json"]
    done = spml(*words)
    assert done.out == "Imported 1 click, 2 tags on 2 pictures.\n"
    elsewhere = f"Clicks on 2 pictures that the project doesn't have were left out: {data / 'clicks.json'}."
    assert done.err == f"spml: {elsewhere}\n"
    with Project.open(project) as opened:
        assert opened.marks(opened.picture("d").id).popitem()[1] == Tag(0, complete=False)
        opened.undo()
    words.remove("--incomplete")
    done = spml(*words, "--json")
    assert done.err.count("\n") == 2
    (summary,) = done.events
    assert summary["marks"] == {"clicks": 1, "tags": 2}
    assert summary["warnings"][0] == elsewhere
    assert "'right' on 'a'" in summary["warnings"][1]
    assert done.err == "".join(f"spml: {line}\n" for line in summary["warnings"])


def test_exported_boxes_key_points_and_drawings_are_taken(project, data, spml):
    (data / "yolo").mkdir()
    (data / "yolo/a.txt").write_text("1 .5 .5 .25 .5\n")
    (data / "parts.csv").write_text("image,x,y,class,size\nb,5,6,right,7\n")
    (data / "c.json").write_text('{"shapes": [{"label": "left", "points": [[1, 2]], "shape_type": "point"}]}')
    done = spml(
        *("import", project, "--boxes", data / "yolo", "--keypoints", data / "parts.csv"),
        *("--labelme", data / "c.json"),
    )
    assert done.code == 0, done.err
    assert done.out == "Imported 1 labelme mark, 1 box, 1 key point on 3 pictures.\n"
    with Project.open(project, write=False) as opened:
        marks = [mark for name in "abc" for mark in opened.marks(opened.picture(name).id).values()]
    assert marks == [Box(1, 12, 24, 36, 40), KeyPoint(1, 6, 5, 7), Point(0, 1.5, 0.5)]


def test_info_says_it_for_people_and_programs(marked, spml):
    text = spml("info", marked).out
    for words in ("4, 3 of them marked", "left (3 marks), right (3 marks)", "none yet"):
        assert words in text
    (summary,) = spml("info", marked, "--json").events
    assert summary["event"] == "summary"
    assert (summary["pictures"], summary["marked"], summary["current_run"]) == (4, 3, None)
    assert summary["classes"] == [{"name": "left", "marks": 3}, {"name": "right", "marks": 3}]
    assert summary["bytes"] > 0


def test_info_works_while_another_writes(marked, spml):
    with Project.open(marked):
        assert spml("info", marked).code == 0


def test_evaluate_scores_by_hand(data, spml):
    predictions = data / "out"
    predictions.mkdir()
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)
    guess = np.array([[0, 0, 1, 0], [0, 1, 1, 0]], np.uint8)
    for folder in (data / "masks").glob("*.png"):
        folder.unlink()
    Image.fromarray(truth).save(data / "masks" / "a.png")
    Image.fromarray(guess).save(predictions / "a.png")
    (data / "classes.json").write_text('{"0": "left", "1": "right", "2": "nowhere"}')
    words = ["evaluate", "--predictions", predictions, "--masks", data / "masks"]
    (summary,) = spml(*words, "--classes", data / "classes.json", "--json").events
    # left: 3 right of 5 in the union; right: 2 of 4; nowhere is nowhere, so it is null and out of the mean.
    assert summary["iou"] == {"left": 3 / 5, "right": 2 / 4, "nowhere": None}
    assert summary["miou"] == pytest.approx((3 / 5 + 2 / 4) / 2)
    assert summary["accuracy"] == pytest.approx(5 / 7)
    text = spml(*words, "--classes", data / "classes.json").out
    assert "60.0%" in text
    assert "absent" in text


def test_doctor_finds_this_installation_well(spml):
    result = spml("doctor", "--json")
    *checks, summary = result.events
    assert summary == {"event": "summary", "checks": len(checks), "problems": 0}
    assert {"Python", "PyTorch", "Backbone weights", "higra", "OpenCV"} <= {check["name"] for check in checks}
    assert result.code == 0


def test_doctor_with_a_problem_says_the_remedy_and_fails(spml, monkeypatch):
    from spml_core.engine import doctor

    def broken():
        raise ImportError("libGL.so.1: cannot open\nshared object file")

    monkeypatch.setattr(doctor, "_CHECKS", (("OpenCV", broken, "Install it anew."),))
    result = spml("doctor")
    assert result.code == 2
    assert "PROBLEM" in result.out
    assert "ImportError: libGL.so.1: cannot open shared object file" in result.out
    assert "Install it anew." in result.out
