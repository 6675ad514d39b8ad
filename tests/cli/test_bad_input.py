"""Every kind of bad input: exit code 2, one line with file, value and remedy, the project as it was."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.project import Project

COMMAND = [sys.executable, "-c", "from spml_core.cli.main import run; run()"]


def truncated_png(folder):
    path = folder / "e.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    return "e.png", "can't be read"


def unreadable_jpeg(folder):
    (folder / "e.jpg").write_text("This is no picture.")
    return "e.jpg", "no PNG, JPEG or TIFF"


def nan_tiff(folder):
    samples = np.ones((32, 32), np.float32)
    samples[3, 4] = np.nan
    samples[5, 6] = np.inf
    tifffile.imwrite(folder / "e.tif", samples)
    return "e.tif", "2 NaN or infinite"


def twin(folder):
    (folder / "sub" / "a.png").write_bytes((folder / "a.png").read_bytes())
    return "'a'", "Rename one"


def speck(folder):
    Image.fromarray(np.zeros((15, 40), np.uint8)).save(folder / "e.png")
    return "e.png", "15 x 40"


@pytest.mark.parametrize("spoil", [truncated_png, unreadable_jpeg, nan_tiff, twin, speck])
def test_new_with_a_bad_picture_makes_no_project(data, spml, spoil):
    words = spoil(data / "images")
    result = spml("new", data / "n.spml", "--images", data / "images", "--class", "x", "--class", "y")
    line = result.complaint()
    for word in words:
        assert word in line
    assert not (data / "n.spml").exists()
    assert not list(data.glob(".n.spml*"))


def bad_classes(data, text):
    (data / "classes.json").write_text(text)
    return ["--images", data / "images", "--classes", data / "classes.json"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (lambda d: bad_classes(d, '{"0": "x", "2": "y"}'), ("classes.json", "no class 1")),
        (lambda d: bad_classes(d, "[1, 2"), ("classes.json", "no JSON")),
        (lambda d: ["--images", d / "images", "--class", "x", "--class", "x"], ("'x'", "twice")),
        (lambda d: ["--images", d / "nowhere", "--class", "x"], ("nowhere", "Give the folder")),
        (lambda d: ["--images", d / "empty", "--class", "x"], ("empty", "no picture")),
    ],
)
def test_new_with_bad_options_makes_no_project(data, spml, options, words):
    (data / "empty").mkdir()
    line = spml("new", data / "n.spml", *options(data)).complaint()
    for word in words:
        assert word in line
    assert not (data / "n.spml").exists()


def test_new_over_something(project, data, spml, state):
    before = state(project)
    line = spml("new", project, "--images", data / "images", "--class", "x").complaint()
    assert str(project) in line
    assert state(project) == before


def scribble(data, name, codes):
    Image.fromarray(codes).save(data / "scribbles" / name)
    return ["--scribbles", data / "scribbles"]


def points(data, text, encoding="utf-8"):
    (data / "points.csv").write_bytes(text.encode(encoding))
    return ["--points", data / "points.csv"]


def file(data, option, name, text):
    (data / name).write_text(text)
    return [option, data / name]


def coco(data, bbox, **annotation):
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "right", "keypoints": ["nose"]}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": bbox, **annotation}],
    }
    return json.dumps(content)


def voc(data, text):
    (data / "xml").mkdir()
    (data / "xml" / "a.xml").write_text(text)
    return ["--boxes", data / "xml"]


def line(data, points):
    (data / "scribbles" / "a.png").unlink()
    (data / "scribbles" / "a.xml").write_text(
        f"<annotation><polygon><tag>right</tag>{points}</polygon></annotation>"
    )
    return ["--scribbles", data / "scribbles"]


def drawn(kind, points, label="right"):
    return json.dumps({"shapes": [{"label": label, "points": points, "shape_type": kind}]})


UNTOUCHED = np.full((48, 64), 255, np.uint8)

BAD_MARKS = {
    "another size": (
        lambda d: scribble(d, "a.png", np.zeros((47, 64), np.uint8)),
        ("a.png", "47 x 64", "48 x 64", "full size"),
    ),
    "unknown index": (
        lambda d: scribble(d, "a.png", np.full((48, 64), 7, np.uint8)),
        ("a.png", "index 7", "0 left, 1 right"),
    ),
    "no such picture": (lambda d: scribble(d, "z.png", UNTOUCHED), ("z.png", "'z'", "Name it")),
    "colours": (
        lambda d: scribble(d, "a.png", np.zeros((48, 64, 3), np.uint8)),
        ("a.png", "RGB", "palette or grey"),
    ),
    "no folder": (lambda d: ["--scribbles", d / "nowhere"], ("nowhere", "Give the folder")),
    "unknown name": (
        lambda d: points(d, "image,x,y,class\na,1,1,up\n"),
        ("points.csv, line 2", "'up'", "0 left, 1 right"),
    ),
    "unknown number": (
        lambda d: points(d, "image,x,y,class\na,1,1,2\n"),
        ("points.csv, line 2", "'2'", "0 left, 1 right"),
    ),
    "outside": (
        lambda d: points(d, "image,x,y,class\na,1,1,0\na,64,3,1\n"),
        ("points.csv, line 3", "x = 64, y = 3", "64 wide and 48 high"),
    ),
    "columns": (lambda d: points(d, "image,x,klass\na,1,1\n"), ("points.csv", "y, class", "first line")),
    "short row": (lambda d: points(d, "image,x,y,class\na,1\n"), ("points.csv, line 2", "2 cells")),
    "no number": (lambda d: points(d, "image,x,y,class\na,1,abc,0\n"), ("line 2", "'abc'", "number")),
    "point nowhere": (
        lambda d: points(d, "image,x,y,class\nzebra,1,1,0\n"),
        ("points.csv, line 2", "'zebra'", "stem or file name"),
    ),
    "latin-1": (
        lambda d: points(d, "image,x,y,class\na,1,1,grün\n", "latin-1"),
        ("points.csv, line 2", "'grün'"),
    ),
    "utf-16": (
        lambda d: points(d, "image,x,y,class\na,1,1,grün\n", "utf-16"),
        ("points.csv, line 2", "'grün'"),
    ),
    "empty table": (lambda d: points(d, ""), ("points.csv", "none")),
    "tag": (
        lambda d: file(d, "--tags", "t.csv", "image,class\na,up\n"),
        ("t.csv, line 2", "'up'", "0 left, 1 right"),
    ),
    "tag nowhere": (
        lambda d: file(d, "--tags", "t.csv", "image,class\nzebra,up\n"),
        ("t.csv, line 2", "'zebra'", "stem or file name"),
    ),
    "flat box": (
        lambda d: file(d, "--boxes", "b.json", coco(d, [3, 4, 0, 9])),
        ("b.json, annotation 5", "'a'", "0 pixels wide and 9 high", "left out"),
    ),
    "box outside": (
        lambda d: file(d, "--boxes", "b.json", coco(d, [64, 4, 5, 9])),
        ("b.json, annotation 5", "'a'", "64 wide and 48 high", "Take it out"),
    ),
    "box of another class": (
        lambda d: voc(d, "<annotation><object><name>up</name></object></annotation>"),
        ("a.xml, object 1", "'up'", "0 left, 1 right"),
    ),
    "entities": (
        lambda d: voc(d, '<!DOCTYPE x [<!ENTITY y "z">]><annotation>&y;</annotation>'),
        ("a.xml", "document type", "DOCTYPE"),
    ),
    "no boxes": (lambda d: ["--boxes", d / "images"], ("images", "no boxes", "YOLO")),
    "unknown key point": (
        lambda d: file(
            d, "--keypoints", "k.json", coco(d, [0, 0, 9, 9], keypoints=[3, 3, 2]).replace("right", "dog")
        ),
        ("k.json", "nose", "0 left, 1 right"),
    ),
    "key point without size": (
        lambda d: file(d, "--keypoints", "k.csv", "image,x,y,class\na,1,1,left\n"),
        ("k.csv, line 2", "size is unknown", "Add a column size"),
    ),
    "clicks": (
        lambda d: file(d, "--clicks", "c.json", '{"a": [{"x": 1, "y": 1, "cls": 2}]}'),
        ("c.json, a, click 1", "class index 2", "0 to 1"),
    ),
    "line": (lambda d: line(d, "<point><X>1</X></point>"), ("a.xml, scribble 1", "<Y>", "anew")),
    "labelme": (
        lambda d: file(d, "--labelme", "a.json", drawn("point", [[64.6, 3]])),
        ("a.json, shape 1", "64 wide", "top left"),
    ),
    "labelme label": (
        lambda d: file(d, "--labelme", "a.json", drawn("point", [[6, 3]], "up")),
        ("a.json, shape 1", "'up'", "0 left, 1 right"),
    ),
}


@pytest.mark.parametrize("case", BAD_MARKS)
def test_import_with_one_bad_file_adds_nothing(project, data, spml, state, case):
    before = state(project)
    make, words = BAD_MARKS[case]
    # Good files of the other kinds come along and must not get in either.
    good = ["--masks", data / "masks"]
    line = spml("import", project, *good, *make(data)).complaint()
    for word in words:
        assert word in line
    assert state(project) == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_odd_encodings_of_good_points_are_read(data, spml, encoding):
    spml("new", data / "n.spml", "--images", data / "images", "--class", "grün", "--class", "blau")
    done = spml("import", data / "n.spml", *points(data, "image;x;y;class\na;1,5;1;grün\n", encoding))
    assert done.code == 0, done.err


def test_import_without_a_marked_pixel(project, data, spml, state):
    before = state(project)
    for name in "ab":
        scribble(data, f"{name}.png", UNTOUCHED)
    assert "no marked pixel" in spml("import", project, "--scribbles", data / "scribbles").complaint()
    assert state(project) == before


def test_a_project_from_a_newer_version(project, data, spml):
    import sqlite3

    database = sqlite3.connect(project / "project.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.commit()
    database.close()
    for words in (["info", project], ["import", project, "--scribbles", data / "scribbles"]):
        line = spml(*words).complaint()
        assert "version 99" in line
        assert "Update" in line


def test_a_project_locked_by_another_process(project, data, state):
    before = state(project)
    with Project.open(project):
        done = subprocess.run(
            [*COMMAND, "import", str(project), "--scribbles", str(data / "scribbles")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "in use by" in done.stderr
    assert "Close it there first" in done.stderr
    assert state(project) == before


def test_no_project_at_all(data, spml):
    for path in (data / "nowhere", data / "images"):
        line = spml("info", path).complaint()
        assert str(path) in line


def test_a_full_disk_while_importing(project, data, state):
    resource = pytest.importorskip("resource")
    before = state(project)
    mask = np.random.default_rng(0).integers(0, 2, (48, 64), dtype=np.uint8)
    for name in "abcd":
        Image.fromarray(mask).save(data / "masks" / f"{name}.png")

    def no_room():
        # Writing past this size of a file fails as on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = subprocess.run(
        [*COMMAND, "import", str(project), "--masks", str(data / "masks")],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=no_room,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "project.sqlite" in done.stderr
    assert "disk" in done.stderr
    assert state(project) == before


def test_evaluate_names_both_files(data, spml):
    predictions = data / "out"
    predictions.mkdir()
    for name in "abcd":
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(predictions / f"{name}.png")
    words = ["evaluate", "--predictions", predictions, "--masks", data / "masks"]
    words += ["--classes", data / "classes.json"]
    assert spml(*words).code == 0

    Image.fromarray(np.zeros((40, 64), np.uint8)).save(predictions / "b.png")
    line = spml(*words).complaint()
    for word in (str(predictions / "b.png"), str(data / "masks" / "b.png"), "40 x 64", "48 x 64"):
        assert word in line

    Image.fromarray(np.full((48, 64), 9, np.uint8)).save(predictions / "b.png")
    line = spml(*words).complaint()
    for word in (str(predictions / "b.png"), str(data / "masks" / "b.png"), "code 9"):
        assert word in line

    (predictions / "b.png").unlink()
    line = spml(*words).complaint()
    for word in (str(predictions), str(data / "masks" / "b.png"), "b.png"):
        assert word in line


@pytest.mark.parametrize(
    "words",
    [
        ["new", "n.spml", "--images", "images"],
        ["new", "n.spml", "--images", "images", "--class", "x", "--classes", "classes.json"],
        ["import", "p.spml"],
        ["import", "p.spml", "--points", "points.csv", "--incomplete"],
        ["import", "p.spml", "--points", "points.csv", "--densepose"],
        ["train"],
        ["train", "p.spml", "--max-seconds", "soon"],
        ["--nonsense"],
        ["nonsense"],
    ],
)
def test_wrong_usage(project, data, spml, monkeypatch, words):
    monkeypatch.chdir(data)
    result = spml(*words)
    assert result.code == 2
    assert "Error" in result.err
    assert "Traceback" not in result.err
    assert not (data / "n.spml").exists()
