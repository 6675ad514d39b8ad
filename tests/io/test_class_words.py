"""Class names of files against those of the project: case, white space and Unicode's forms don't matter."""

import json
import unicodedata

import pytest

from spml_core.annotations import Box, KeyPoint, Patch, Point, Tag
from spml_core.classes import ClassInfo, ClassTable
from spml_core.errors import ClassError
from spml_core.io import ImportWarnings, read_classes
from spml_core.io.imports import read_boxes, read_key_points, read_labelme, read_points, read_tags

NAMES = ["background", "cell", "T nucleus", "größe"]
CLASSES = ClassTable.from_names(NAMES)
DECOMPOSED = unicodedata.normalize("NFD", "größe")
SMALL = ClassTable.from_names(["background", "cell", "dog"])
SIZES = {"a": (20, 30), "b": (16, 16)}

SPELLINGS = [("Cell", 1), ("\u00a0cell\u3000", 1), ("t\u00a0NUCLEUS", 2), ("T  nucleus", 2), (DECOMPOSED, 3)]


def read(path, classes=SMALL):
    warnings = ImportWarnings()
    return read_boxes(path, SIZES, classes, warnings), warnings.lines


def coco(folder, boxes, categories):
    """A COCO file of the picture a; boxes are (category, bbox)."""
    path = folder / "boxes.json"
    content = {
        "images": [{"id": 3, "file_name": "a.jpg"}],
        "categories": [{"id": number, "name": name} for number, name in categories],
        "annotations": [
            {"id": number, "image_id": 3, "category_id": category, "bbox": bbox}
            for number, (category, bbox) in enumerate(boxes)
        ],
    }
    path.write_text(json.dumps(content))
    return path


def voc(folder, word):
    folder.mkdir()
    ends = "<xmin>3</xmin><ymin>4</ymin><xmax>12</xmax><ymax>8</ymax>"
    item = f"<object><name>{word}</name><bndbox>{ends}</bndbox></object>"
    (folder / "a.xml").write_text(f"<annotation>{item}</annotation>")
    return folder


def yolo(folder, lines, names):
    (folder / "labels").mkdir(parents=True)
    (folder / "labels" / "a.txt").write_text(lines)
    (folder / "data.yaml").write_text(f"names: {json.dumps(names)}\n")
    return folder


@pytest.mark.parametrize(("word", "code"), SPELLINGS)
def test_each_importer_knows_the_class(tmp_path, word, code):
    box = [Box(code, 3, 2, 8, 12)]
    path = coco(tmp_path, [(1, [2, 3, 10, 5])], [(1, word), (0, "Zelle")])
    assert read(path, CLASSES) == ({"a": box}, ())
    assert read(voc(tmp_path / "voc", word), CLASSES) == ({"a": box}, ())
    marks, lines = read(yolo(tmp_path / "yolo", "1 0.5 0.5 0.2 0.2\n", ["other", word]), CLASSES)
    assert ([mark.class_index for mark in marks["a"]], lines) == ([code], ())

    table = tmp_path / "t.csv"
    table.write_text(f"image,x,y,class,size\na,3,4,{word},5\n")
    assert read_points(table, SIZES, CLASSES) == {"a": [Point(code, 4, 3)]}
    assert read_tags(table, SIZES, CLASSES) == {"a": [Tag(code, True)]}
    assert read_key_points(table, SIZES, CLASSES, ImportWarnings()) == {"a": [KeyPoint(code, 4, 3, 5)]}

    content = {
        "shapes": [{"label": word, "shape_type": "polygon", "points": [[1, 1], [9, 1], [9, 9], [1, 9]]}],
        "flags": {word: True},
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    patch, tag = read_labelme(tmp_path / "a.json", SIZES, CLASSES, ImportWarnings())["a"]
    assert isinstance(patch, Patch) and patch.labels.max() == code and tag == Tag(code, True)


@pytest.mark.parametrize(("word", "code"), SPELLINGS)
@pytest.mark.parametrize("named", ["key point", "category"])
def test_key_points_of_coco_know_the_class(tmp_path, word, code, named):
    category = {"id": 1, "name": "x", "keypoints": [word]}
    if named == "category":
        category = {"id": 1, "name": word, "keypoints": ["tip"]}
    found = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "keypoints": [3, 4, 2],
        "area": 25,
        "bbox": [1, 1, 5, 5],
    }
    path = tmp_path / "k.json"
    images = [{"id": 1, "file_name": "a.png"}]
    path.write_text(json.dumps({"images": images, "categories": [category], "annotations": [found]}))
    assert read_key_points(path, SIZES, CLASSES, ImportWarnings()) == {"a": [KeyPoint(code, 4, 3, 5)]}


def test_coco_classes_of_another_case_are_not_swapped(tmp_path):
    path = coco(tmp_path, [(1, [2, 3, 10, 5]), (2, [1, 1, 4, 4])], [(1, "Dog"), (2, "CELL")])
    assert read(path) == ({"a": [Box(2, 3, 2, 8, 12), Box(1, 1, 1, 5, 5)]}, ())
    path = coco(tmp_path, [(1, [2, 3, 10, 5]), (2, [1, 1, 4, 4])], [(1, "Dog"), (2, "Zelle")])
    with pytest.raises(ClassError, match="category 2 'Zelle', which is no class"):
        read(path)


def test_yolo_classes_of_another_case_are_not_swapped(tmp_path):
    marks, lines = read(yolo(tmp_path, "0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.2 0.2\n", ["Dog", "CELL"]))
    assert ([mark.class_index for mark in marks["a"]], lines) == ([2, 1], ())


def test_the_very_name_comes_first_and_two_likely_ones_are_refused(tmp_path):
    table = ClassTable.from_names(["background", "Cell", "cell"])
    assert (table.index("cell"), table.index(" Cell")) == (2, 1)
    with pytest.raises(ClassError, match="'CELL' may be the class 'Cell' or 'cell'"):
        table.index("CELL")
    path = coco(tmp_path, [(1, [2, 3, 10, 5])], [(1, "CELL"), (2, "other")])
    with pytest.raises(ClassError, match=r"boxes\.json: 'CELL' may be"):
        read(path, table)


def test_names_that_become_one_class_are_told(tmp_path):
    path = coco(tmp_path, [(1, [2, 3, 10, 5]), (2, [1, 1, 4, 4])], [(1, "Cell"), (2, "cell")])
    marks, (line,) = read(path)
    assert [mark.class_index for mark in marks["a"]] == [1, 1]
    assert "'Cell' and 'cell' are 'cell'" in line


def test_a_table_is_made_of_tidied_names(tmp_path):
    wanted = ("background", "cell", "größe")
    words = ["background\u00a0", " cell\t", f"\ufeff {DECOMPOSED}"]
    assert ClassTable.from_names(words).names == wanted
    (tmp_path / "classes.json").write_text(json.dumps(dict(enumerate(words))))
    assert read_classes(tmp_path / "classes.json").names == wanted
    with pytest.raises(ClassError, match="'cell' stands twice"):
        ClassTable.from_names(["cell", "cell "])
    with pytest.raises(ClassError, match="empty name"):
        ClassTable.from_names(["cell", "\u200b\u00a0"])
    with pytest.raises(ClassError, match="isn't UTF-8"):
        ClassTable.from_names(["cell", "gr\udcf6n"])


def test_a_table_of_an_older_program_is_read_as_it_is():
    old = ClassTable(
        tuple(ClassInfo(name, (0, 0, 0)) for name in ("background", "cell ", "cell", DECOMPOSED))
    )
    assert [old.index(word) for word in ("cell ", "cell", "größe", "GRÖSSE", "2")] == [1, 2, 3, 3, 2]


@pytest.mark.parametrize("word", ["\u00b2", "--1", "-1", "9" * 5000, "4", ""])
def test_what_is_no_class_is_refused_in_a_short_line(word):
    with pytest.raises(ClassError, match="Unknown class") as refusal:
        CLASSES.index(word)
    assert len(str(refusal.value)) < 200
