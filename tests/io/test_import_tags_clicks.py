import json
import os
from pathlib import Path

import pytest

from spml_core.annotations import Point, Tag
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io import ImportWarnings, read_clicks, read_tags

CLASSES = ClassTable.from_names(["background", "bird", "boat"])
SIZES = {"a": (20, 30), "b": (16, 16)}


def clicks(folder, content):
    path = folder / "clicks.json"
    path.write_text(json.dumps(content))
    return path


def read(path, sizes=SIZES, classes=CLASSES):
    warnings = ImportWarnings()
    return read_clicks(path, sizes, classes, warnings), warnings.lines


def click(x, y, cls, **more):
    return {"x": x, "y": y, "cls": cls, **more}


def test_tags_by_name_or_index_each_once(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("class,image\nboat,a.jpg\n1,a\n2,sub/a.png\nbackground,b\n")
    assert read_tags(path, SIZES, CLASSES) == {"a": [Tag(2), Tag(1)], "b": [Tag(0)]}
    assert read_tags(path, SIZES, CLASSES, complete=False) == {
        "a": [Tag(2, False), Tag(1, False)],
        "b": [Tag(0, False)],
    }


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("image,class\na,zebra\n", ClassError, "line 2: Unknown class 'zebra'.*0 background"),
        ("image,class\na,3\n", ClassError, "line 2: Unknown class '3'"),
        ("image,class\nz.png,1\n", MarkError, r"line 2: there is no picture 'z\.png'"),
        ("image,class\na,\n", MarkError, "line 2: class is empty. Give image and class on every line"),
        ("image,class\na\n", MarkError, "line 2 has only 1 cells"),
        ("image,class\n", MarkError, "no line below its header"),
        ("image,tag\na,1\n", MarkError, "lacks the columns class"),
        ("", MarkError, "lacks the columns image, class; it has none"),
    ],
)
def test_bad_tags_are_refused(tmp_path, text, kind, words):
    path = tmp_path / "tags.csv"
    path.write_text(text)
    with pytest.raises(kind, match=words) as caught:
        read_tags(path, SIZES, CLASSES)
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    with pytest.raises(MarkError, match=r"gone\.csv can't be read"):
        read_tags(tmp_path / "gone.csv", SIZES, CLASSES)


def test_clicks_become_points(tmp_path):
    path = clicks(
        tmp_path,
        {"a": [click(3.25, 4, 1, rank=1), click(29.9, 19.9, 2, rank=2)], "b.jpg": [], "b": [click(0, 0, 0)]},
    )
    assert read(path) == ({"a": [Point(1, 4, 3.25), Point(2, 19, 29)], "b": [Point(0, 0, 0)]}, ())


def test_several_sets_of_clicks_in_one_file(tmp_path):
    path = clicks(tmp_path, {"objects": {"a": [click(3, 4, 1)]}, "background": {"a": [click(9, 9, 0)]}})
    assert read(path)[0] == {"a": [Point(1, 4, 3), Point(0, 9, 9)]}


def test_clicks_elsewhere_and_outside_are_left_out_with_one_line_each(tmp_path):
    path = clicks(
        tmp_path,
        {
            "z1": [click(1, 1, 200)],
            "a": [click(30, 4, 1), click(3, 4, 1), click(3, -4, 1)],
            "z2": [click(1, 1, 1)],
            "z3": [],
        },
    )
    marks, (outside, elsewhere) = read(path)
    assert marks == {"a": [Point(1, 4, 3)]}
    assert "a, click 1 and 1 more" in outside
    assert "3 pictures that the project doesn't have" in elsewhere


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        ({"a": [click(1, 1, 1), click(1, 1, 3)]}, ClassError, "a, click 2 has the class index 3.*0 to 2"),
        ({"z": [click(1, None, 1)]}, MarkError, "z, click 1: y is nothing, not a number"),
        ({"z": [click(1, 1, 1.5)]}, MarkError, "z, click 1: cls is 1.5"),
        ({"z": [click(1, 1, -1)]}, MarkError, "z, click 1: cls is -1"),
        ({"a": [click(float("inf"), 1, 1)]}, MarkError, "a, click 1: x is inf"),
        ({"a": [[1, 2, 3]]}, MarkError, r"a, click 1 is \[1, 2, 3\], not an object"),
        ({"a": 3}, MarkError, "has a int under 'a'"),
        ([], MarkError, "is a JSON list"),
    ],
)
def test_bad_clicks_are_refused(tmp_path, content, kind, words):
    path = clicks(tmp_path, content)
    with pytest.raises(kind, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


DATA = Path(os.environ.get("SPML_DATA", "data")) / "voc_format_fixture" / "clicks"


@pytest.mark.skipif(not DATA.is_dir(), reason="set SPML_DATA to the folder of the data sets")
@pytest.mark.parametrize(
    ("name", "images", "count"),
    [("voc_whats_the_point", 12180, 32697), ("voc_whats_the_point_bg_from_scribbles", 12031, 32614)],
)
def test_all_published_clicks_are_read(name, images, count):
    classes = ClassTable.from_names([str(i) for i in range(21)])
    content = json.loads((DATA / f"{name}.json").read_text())
    assert len(content) == images
    marks, lines = read(DATA / f"{name}.json", dict.fromkeys(content, (2000, 2000)), classes)
    assert lines == ()
    assert sum(map(len, marks.values())) == sum(map(len, content.values())) == count
    for stem, points in marks.items():
        assert points == [Point(c["cls"], c["y"], c["x"]) for c in content[stem]]
    sizes = {"2007_000032": (281, 500), "2007_000033": (366, 500)}
    some, (line,) = read(DATA / f"{name}.json", sizes, classes)
    assert some == {stem: marks[stem] for stem in some} and set(some) == set(sizes)
    assert f"{images - 2} pictures" in line
    both, _ = read(DATA / "two_images.json", sizes, classes)
    assert all(set(some[stem]) <= set(both[stem]) for stem in sizes)
