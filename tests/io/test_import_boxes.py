import json
import re

import numpy as np
import pytest

from spml_core.annotations import Box, Tag
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io import ImportWarnings, read_boxes
from spml_core.io.exports.instances import find_instances

CLASSES = ClassTable.from_names(["background", "cell", "dog"])
SIZES = {"a": (20, 30), "b": (16, 16)}


def read(path, classes=CLASSES, sizes=SIZES):
    warnings = ImportWarnings()
    return read_boxes(path, sizes, classes, warnings), warnings.lines


def coco(folder, boxes, categories=((7, "cell"), (9, "dog"))):
    """A COCO file; boxes are (image, category, bbox) or that and more fields."""
    content = {
        "images": [
            {"id": 3, "file_name": "sub/a.jpg", "height": 20, "width": 30},
            {"id": 4, "file_name": "b"},
        ],
        "categories": [{"id": number, "name": name} for number, name in categories],
        "annotations": [
            {"id": 100 + i, "image_id": image, "category_id": category, "bbox": bbox, **dict(*more)}
            for i, (image, category, bbox, *more) in enumerate(boxes)
        ],
    }
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def voc(folder, objects, name="a", head="<filename>x.jpg</filename>"):
    items = "".join(
        f"<object><name>{word}</name><bndbox>"
        + "".join(
            f"<{key}>{value}</{key}>"
            for key, value in zip(["xmin", "ymin", "xmax", "ymax"], ends, strict=True)
        )
        + "</bndbox><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
        for word, *ends in objects
    )
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{name}.xml"
    path.write_text(f"<annotation>{head}{items}</annotation>")
    return path


def yolo(folder, lines, name="a", names='names: ["cell", "dog"]\n'):
    (folder / "labels").mkdir(exist_ok=True, parents=True)
    (folder / "labels" / f"{name}.txt").write_text(lines)
    if names is not None:
        (folder / "data.yaml").write_text(names)
    return folder


def test_coco_boxes_by_category_name(tmp_path):
    path = coco(tmp_path, [(3, 9, [2, 3, 10, 5]), (4, 7, [0.5, 1.5, 2.25, 3]), (3, 7, [0, 0, 30, 20])])
    wanted = {"a": [Box(2, 3, 2, 8, 12), Box(1, 0, 0, 20, 30)], "b": [Box(1, 1.5, 0.5, 4.5, 2.75)]}
    assert read(path) == (wanted, ())
    assert read(tmp_path) == (wanted, ())


def test_coco_categories_without_a_class_matter_only_if_used(tmp_path):
    categories = [(1, "cell"), (2, "zebra")]
    path = coco(tmp_path, [(3, 1, [2, 3, 10, 5])], categories)
    assert read(path)[0] == {"a": [Box(1, 3, 2, 8, 12)]}
    path = coco(tmp_path, [(3, 1, [2, 3, 10, 5]), (3, 2, [2, 3, 10, 5])], categories)
    with pytest.raises(ClassError, match=r"boxes\.json .*category 2 'zebra'.*0 background"):
        read(path)


def test_coco_categories_by_number_if_no_name_is_a_class(tmp_path):
    path = coco(tmp_path, [(3, 2, [2, 3, 10, 5])], [(1, "Zelle"), (2, "Hund")])
    marks, (warning,) = read(path)
    assert marks == {"a": [Box(2, 3, 2, 8, 12)]}
    assert "by their number" in warning and "'Hund' is 'dog'" in warning
    with pytest.raises(ClassError, match="category 3 'Kuh'"):
        read(coco(tmp_path, [(3, 3, [2, 3, 10, 5])], [(3, "Kuh")]))


def test_crowds_are_void_and_boxes_cut_with_one_line_each(tmp_path):
    path = coco(
        tmp_path,
        [
            (3, 7, [2, 3, 10, 5]),
            (3, 7, [0, 0, 5, 5], {"iscrowd": 1}),
            (4, 7, [0, 0, 5, 5], {"iscrowd": 1}),
            (4, 7, [-3, 2, 10, 40]),
            (4, 7, [-0.001, 0, 16.002, 16]),
        ],
    )
    marks, lines = read(path)
    boxes = {name: [mark for mark in found if isinstance(mark, Box)] for name, found in marks.items()}
    assert boxes == {"a": [Box(1, 3, 2, 8, 12)], "b": [Box(1, 2, 0, 16, 7), Box(1, 0, 0, 16, 16)]}
    crowds, cut = lines
    assert "iscrowd" in crowds and "annotation 101 on 'a' and 1 more" in crowds
    assert "cut at its border" in cut and "annotation 103 on 'b'" in cut and "more" not in cut


BAD_COCO = {
    "outside": ([(4, 7, [16, 3, 4, 5])], {}, r"annotation 100 .*outside 'b', 16 wide and 16 high"),
    "three numbers": ([(3, 7, [1, 2, 3])], {}, r"annotation 100: bbox is \[1, 2, 3\], not 4 numbers"),
    "not a number": ([(3, 7, [1, 2, 3, float("nan")])], {}, r"annotation 100: bbox is .*nan"),
    "huge": ([(3, 7, [1, 2, 3, 10**400])], {}, r"annotation 100: bbox"),
    "words": ([(3, 7, ["1", 2, 3, 4])], {}, r"annotation 100: bbox"),
    "lost image": ([(5, 7, [1, 2, 3, 4])], {}, r"annotation 100 is on image 5, which the file lacks"),
    "lost category": ([(3, 8, [1, 2, 3, 4])], {}, r"annotation 100 is of category 8, which the file lacks"),
    "no category": ([(3, None, [1, 2, 3, 4])], {}, r"annotation 100: category_id is nothing"),
    "picture": (
        [(3, 7, [1, 2, 3, 4])],
        {"images": [{"id": 3, "file_name": "z.png"}]},
        r"image 3: there is no picture 'z\.png'",
    ),
    "another size": (
        [(3, 7, [1, 2, 3, 4])],
        {"images": [{"id": 3, "file_name": "a", "height": 40, "width": 60}]},
        r"image 3 is for 40 x 60 pixels, its picture 'a' has 20 x 30",
    ),
    "no name": ([(3, 7, [1, 2, 3, 4])], {"images": [{"id": 3}]}, "image 3: file_name is nothing"),
    "twins": ([], {"images": [{"id": 3}, {"id": 3}]}, "two of the images with the id 3"),
    "no images": ([], {"images": None}, "no COCO data set"),
    "odd list": ([], {"annotations": [4]}, "annotation number 1 is 4, not an object"),
    "odd category": ([], {"categories": {"1": "cell"}}, "categories is .*not a list"),
}


@pytest.mark.parametrize("case", BAD_COCO)
def test_bad_coco_is_refused(tmp_path, case):
    boxes, changes, words = BAD_COCO[case]
    path = coco(tmp_path, boxes)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises((MarkError, ClassError), match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "nonsense", '{"images": []}', '"\\ud800'])
def test_what_is_no_coco_json_is_refused(tmp_path, text):
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(MarkError, match=re.escape(str(path))):
        read(path)


def test_voc_counts_from_one_and_means_both_ends(tmp_path):
    voc(tmp_path / "xml", [("dog", 1, 1, 30, 20), ("1", 5, 6, 5, 6)])
    voc(tmp_path / "xml", [("cell", "2.5", 3, 7, 9)], "other", "<filename>b.jpg</filename>")
    voc(tmp_path / "xml/deep", [], "b")
    wanted = {"a": [Box(2, 0, 0, 20, 30), Box(1, 5, 4, 6, 5)], "b": [Box(1, 2, 1.5, 9, 7)]}
    assert read(tmp_path) == (wanted, ())
    assert read(tmp_path / "xml/a.xml") == ({"a": wanted["a"]}, ())


def test_voc_boxes_over_the_border_are_cut(tmp_path):
    marks, (warning,) = read(voc(tmp_path, [("dog", 0, 0, 30, 25)]))
    assert marks == {"a": [Box(2, 0, 0, 20, 30)]}
    assert "object 1 on 'a'" in warning


EMPTY = {
    "no width": (
        lambda f: coco(f, [(3, 7, [2, 3, 4, 5]), (3, 7, [2, 3, 0, 5])]),
        "101 on 'a' is 0 pixels wide",
    ),
    "negative": (lambda f: coco(f, [(3, 7, [2, 3, 4, 5]), (3, 7, [2, 3, 4, -5])]), "wide and -5 high"),
    "no bbox": (lambda f: coco(f, [(3, 7, [2, 3, 4, 5]), (3, 7, None)]), "without a box.*101 on 'a'"),
    "empty bbox": (lambda f: coco(f, [(3, 7, [2, 3, 4, 5]), (3, 7, [])]), "without a box.*101 on 'a'"),
    "voc, turned": (
        lambda f: voc(f, [("cell", 3, 4, 6, 8), ("dog", 5, 5, 4, 9)]),
        "object 2 on 'a' is 0 pixels",
    ),
    "voc, no box": (
        lambda f: voc(f, [("cell", 3, 4, 6, 8)], head="<object><name>dog</name></object>"),
        "Objects without a box were left out: .*object 1 on 'a'",
    ),
    "yolo, no width": (
        lambda f: yolo(f, f"0 {4 / 30} .275 {4 / 30} .25\n0 .5 .5 0 .5\n"),
        "line 2 on 'a' is 0 pixels wide and 10 high",
    ),
}


@pytest.mark.parametrize("case", EMPTY)
def test_one_empty_box_is_left_out(tmp_path, case):
    make, words = EMPTY[case]
    marks, (line,) = read(make(tmp_path))
    assert rounded(marks) == {"a": [Box(1, 3, 2, 8, 6)]}
    assert re.search(words, line) and "left out" in line, line


LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>'
SIZE = "<size><width>{}</width><height>{}</height></size>"
BAD_VOC = {
    "outside": ([("dog", 1, 1, 2, 2), ("dog", 31, 1, 40, 9)], "", MarkError, "object 2 .*outside 'a'"),
    "class": ([("zebra", 1, 1, 2, 2)], "", ClassError, "object 1: Unknown class 'zebra'"),
    "no number": ([("dog", 1, 1, "wide", 2)], "", MarkError, "object 1: xmax is 'wide'"),
    "not finite": ([("dog", 1, 1, "inf", 2)], "", MarkError, "object 1: xmax is 'inf'"),
    "no name": ([("", 1, 1, 2, 2)], "", MarkError, "object 1: <object> has no <name>"),
    "another size": (
        [],
        SIZE.format(60, 40),
        MarkError,
        "is for 40 x 60 pixels, its picture 'a' has 20 x 30",
    ),
    "broken": ([], "<object>", MarkError, "is no XML"),
}


@pytest.mark.parametrize("case", BAD_VOC)
def test_bad_voc_is_refused(tmp_path, case):
    objects, head, kind, words = BAD_VOC[case]
    voc(tmp_path, [("dog", 1, 1, 2, 2)], "b")
    path = voc(tmp_path, objects, head=head)
    with pytest.raises(kind, match=words) as caught:
        read(tmp_path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "a.xml"
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    path.write_bytes(f"{head}{LAUGHS}<annotation>&c;</annotation>".encode(encoding))
    with pytest.raises(MarkError, match="declares a document type"):
        read(path)
    path.write_bytes(f"{head}<annotation/>".encode(encoding))
    assert read(path) == ({}, ())


@pytest.mark.parametrize(
    "text", [b"", b"\0\1", b"<kml/>", b'<?xml version="1.0" encoding="klingon"?><annotation/>']
)
def test_what_is_no_voc_xml_is_refused(tmp_path, text):
    path = tmp_path / "a.xml"
    path.write_bytes(text)
    with pytest.raises(MarkError, match=re.escape(str(path))):
        read(path)


def test_sizes_of_zero_say_nothing(tmp_path):
    assert read(voc(tmp_path, [("dog", 1, 1, 2, 2)], head=SIZE.format(0, 0)))[0] == {
        "a": [Box(2, 0, 0, 2, 2)]
    }


def test_xml_of_a_picture_that_is_not_there(tmp_path):
    path = voc(tmp_path, [], "z")
    with pytest.raises(MarkError, match=rf"{path} belongs to no picture"):
        read(tmp_path)


def test_yolo_boxes(tmp_path):
    folder = yolo(tmp_path, "1 .5 .5 .2 .5\n\n0 0.25 0.75 0.5 0.5 0.93\n")
    yolo(tmp_path, "", "b")
    yolo(tmp_path, "a.png\n", "train")
    yolo(tmp_path, "cell\ndog\n", "classes")
    wanted = {"a": [Box(2, 5, 12, 15, 18), Box(1, 10, 0, 20, 15)]}
    nothing = {"b": [Tag(0, complete=True)]}  # the file of b is there, and empty
    assert read(folder) == (wanted | nothing, ())
    assert read(folder / "labels") == (wanted | nothing, ())
    assert read(folder / "labels/a.txt") == (wanted, ())


def test_the_box_around_a_yolo_polygon(tmp_path):
    folder = yolo(tmp_path, "0 0.1 0.2 0.5 0.1 0.3 0.9\n")
    ((box,),) = read(folder)[0].values()
    np.testing.assert_allclose([box.top, box.left, box.bottom, box.right], [2, 3, 18, 15])


@pytest.mark.parametrize(
    "text", ["names: &a [x]", "names: [x", "names: x", "names:\n  - x\n  y: z", "names:", "names: {a: b}"]
)
def test_names_that_are_not_understood(tmp_path, text):
    folder = yolo(tmp_path, "0 .5 .5 .2 .5\n", names=text)
    with pytest.raises(MarkError, match=r"data\.yaml, line 1: names is not understood") as caught:
        read(folder)
    assert "names: [" in caught.value.remedy


@pytest.mark.parametrize("name", ["classes.txt", "obj.names"])
def test_names_one_a_line(tmp_path, name):
    folder = yolo(tmp_path, "0 .5 .5 .2 .5\n", names=None)
    (folder / "labels" / name).write_text("dog\ncell\n")
    assert read(folder) == ({"a": [Box(2, 5, 12, 15, 18)]}, ())


@pytest.mark.parametrize("names", [None, "names: [Zelle, Hund]"])
def test_yolo_numbers_without_names_of_ours_count_classes_other_than_background(tmp_path, names):
    folder = yolo(tmp_path, "0 .5 .5 .2 .5\n", names=names)
    marks, (warning,) = read(folder)
    assert marks == {"a": [Box(1, 5, 12, 15, 18)]}
    assert "0 is 'cell'" in warning
    yolo(tmp_path, "2 .5 .5 .2 .5\n", names=names)
    with pytest.raises(ClassError, match=r"line 1 has the class number 2.*0 cell, 1 dog"):
        read(folder)
    assert read(folder, ClassTable.from_names(["x", "y", "z"]))[0] == {"a": [Box(2, 5, 12, 15, 18)]}


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("0 1.5 .5 .5 .5", MarkError, "line 2 .*outside 'a', 30 wide and 20 high"),
        ("0 15 10 3 5", MarkError, "line 2 .*outside 'a'"),
        ("7 .5 .5 .5 .5", ClassError, "line 2 has the class number 7.*0 cell, 1 dog"),
        ("0 .5 .5 .5", MarkError, "line 2 holds '0 .5 .5 .5'"),
        ("cell .5 .5 .5 .5", MarkError, "line 2 holds"),
        ("-1 .5 .5 .5 .5", MarkError, "line 2 holds"),
        ("0 .5 nan .5 .5", MarkError, "line 2 holds"),
        ("0 .1 .2 .3 .4 .5 .6 .7", MarkError, "line 2 holds"),
        ("\0\0", MarkError, "line 2 holds"),
    ],
)
def test_bad_yolo_is_refused(tmp_path, line, kind, words):
    folder = yolo(tmp_path, f"0 .5 .5 .5 .5\n{line}\n")
    with pytest.raises(kind, match=words) as caught:
        read(folder)
    assert str(folder / "labels/a.txt") in str(caught.value)
    assert caught.value.remedy


def test_yolo_of_a_picture_that_is_not_there(tmp_path):
    folder = yolo(yolo(tmp_path, ""), "", "zebra")
    with pytest.raises(MarkError, match=r"zebra\.txt belongs to no picture"):
        read(folder)


def test_places_without_boxes_or_with_too_many(tmp_path):
    with pytest.raises(MarkError, match=r"There is no .*gone"):
        read(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("hello")
    with pytest.raises(MarkError, match="There are no boxes in"):
        read(tmp_path / "empty")
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(MarkError, match=r"a\.csv is no file of boxes"):
        read(tmp_path / "a.csv")
    voc(tmp_path / "mixed", [])
    coco(tmp_path / "mixed", [])
    with pytest.raises(MarkError, match="holds COCO JSON and Pascal VOC XML"):
        read(tmp_path / "mixed")
    for name in ("train", "val"):
        (tmp_path / "two").mkdir(exist_ok=True)
        (tmp_path / "two" / f"{name}.json").write_text("{}")
    with pytest.raises(MarkError, match="holds 2 JSON files"):
        read(tmp_path / "two")


def around_instances(items, classes):
    """The boxes around the connected pieces of each class but the background."""
    return {
        item.name: [
            Box(i.class_index, i.top, i.left, i.top + i.mask.shape[0], i.left + i.mask.shape[1])
            for i in find_instances(item.labels, range(1, len(classes)))
        ]
        for item in items
        if np.isin(item.labels, range(1, len(classes))).any()
    }


def rounded(marks):
    return {
        name: [Box(b.class_index, *(round(n, 3) for n in (b.top, b.left, b.bottom, b.right))) for b in boxes]
        for name, boxes in marks.items()
    }


@pytest.mark.parametrize("format", ["coco", "yolo-seg"])
def test_exported_pieces_come_back_as_the_boxes_around_them(export, three, classes, format):
    out, _ = export(format, three)
    sizes = {item.name: item.labels.shape for item in three}
    marks, lines = read(out, classes, sizes)
    assert all("Outlines were left out" in line for line in lines) and len(lines) == 1
    empty = {name for name, found in marks.items() if found == [Tag(0, complete=True)]}
    with_objects = around_instances(three, classes)
    assert empty == (set(sizes) - set(with_objects) if format == "yolo-seg" else set())
    assert rounded({name: found for name, found in marks.items() if name not in empty}) == with_objects
