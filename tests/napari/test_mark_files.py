"""Which kind of marks a file or folder is taken for, and that it imports."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Box, KeyPoint, Patch, Point, Scribble, Tag
from spml_core.errors import ClassError, MarkError
from spml_napari.mark_files import import_any, options_for

SIZE = (48, 64)
VOC = (
    "<annotation><filename>first.png</filename><size><width>64</width><height>48</height><depth>3</depth></size>"
    "<object><name>leaf</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object>"
    "</annotation>"
)
LINES = (
    "<annotation><polygon><tag>leaf</tag><point><X>5</X><Y>7</Y></point><point><X>15</X><Y>9</Y></point>"
    "</polygon></annotation>"
)


def coco(**fields):
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 10, 10], "area": 100, "iscrowd": 0}
    return {
        "images": [{"id": 1, "file_name": "first.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "leaf", "keypoints": ["leaf"], "skeleton": []}],
        "annotations": [annotation | fields],
    }


def labelme():
    shape = {"label": "leaf", "points": [[3, 4]], "shape_type": "point", "flags": {}}
    return {"imagePath": "first.png", "imageHeight": 48, "imageWidth": 64, "shapes": [shape], "flags": {}}


def png(path, share):
    codes = np.full(SIZE, 255, np.uint8)
    codes[: round(share * SIZE[0])] = 1
    Image.fromarray(codes).save(path)


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("name", "content", "kind", "mark"),
    [
        ("a.csv", "image,class\nfirst,leaf\n", "tags", Tag),
        ("a.csv", "image,x,y,class\nfirst,3,4,leaf\n", "points", Point),
        ("a.csv", "image;x;y;class;size\nfirst;3;4;leaf;20\n", "key_points", KeyPoint),
        ("a.json", coco(), "boxes", Box),
        ("a.json", coco(keypoints=[8, 9, 2], num_keypoints=1), "key_points", KeyPoint),
        ("a.json", labelme(), "labelme", Point),
        ("a.json", {"first": [{"x": 3, "y": 8, "cls": 1}]}, "clicks", Point),
        ("a.xml", VOC, "boxes", Box),
        ("voc/first.xml", VOC, "boxes", Box),
        ("lines/first.xml", LINES, "scribbles", Scribble),
        ("labelme/first.json", labelme(), "labelme", Point),
        ("yolo/first.txt", "1 0.5 0.5 0.2 0.2\n", "boxes", Box),
        ("yolo/first.txt", "1 0.1 0.1 0.5 0.1 0.6 0.3 0.5 0.5 0.1 0.5\n", "masks", Patch),
        ("yolo/first.txt", "1 0.5 0.4 0.7 0.5 0.5 0.6 0.3 0.5\n", "boxes", Box),
        ("a.json", coco(segmentation=[[5, 5, 15, 5, 10, 15]]), "masks", Patch),
        ("a.csv", "sep=;\nimage;x;y;class\nfirst;3,5;4;leaf\n", "points", Point),
    ],
)
def test_files_and_folders_of_all_kinds(small_project, tmp_path, name, content, kind, mark):
    (tmp_path / "marks").mkdir()
    path = write(tmp_path / "marks", name, content)
    given = path.parent if "/" in name else path
    assert next(iter(options_for(given))) == kind
    first = small_project.picture("first").id
    before = small_project.marks(first)
    _, summary = import_any(small_project, given)
    assert summary.pictures == 1
    new = [made for number, made in small_project.marks(first).items() if number not in before]
    assert new and all(isinstance(made, mark) for made in new)


@pytest.mark.parametrize(("share", "kind"), [(0.1, "scribbles"), (0.9, "masks")])
def test_index_pngs_are_scribbles_where_little_is_marked(small_project, tmp_path, share, kind):
    folder = tmp_path / "pngs"
    folder.mkdir()
    png(folder / "first.png", share)
    assert options_for(folder) == {kind: folder}
    words, summary = import_any(small_project, folder)
    assert words == kind and summary.pictures == 1
    assert any(
        isinstance(mark, Patch) for mark in small_project.marks(small_project.picture("first").id).values()
    )


def test_what_holds_no_marks_is_said(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, words in (
        (empty, "nothing in"),
        (write(tmp_path, "a.docx", "x"), "doesn't look like marks"),
        (write(tmp_path, "a.json", "[1]"), "a.json"),
        (write(tmp_path, "first.xml", LINES), "Choose the folder"),
        (tmp_path / "nowhere.csv", "can't be read"),
    ):
        with pytest.raises(MarkError, match=words):
            options_for(path)


def test_an_import_that_fails_adds_nothing(small_project, tmp_path):
    steps = len(small_project.history())
    with pytest.raises(ClassError):
        import_any(small_project, write(tmp_path, "a.csv", "image,class\nfirst,unicorn\n"))
    assert len(small_project.history()) == steps


def test_the_window_needs_no_torch_for_it():
    code = "import sys, spml_napari.mark_files; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_data_set_with_its_pictures_and_notes(small_project, tmp_path):
    """As labelling programs export for YOLO: labels, pictures as PNGs, and a JSON file about themselves."""
    folder = tmp_path / "export"
    for name in ("labels", "images"):
        (folder / name).mkdir(parents=True)
    write(folder, "notes.json", {"categories": [{"id": 0, "name": "leaf"}], "info": {"year": 2026}})
    write(folder, "classes.txt", "leaf\n")
    write(folder / "labels", "first.txt", "0 0.5 0.5 0.2 0.2\n")
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(folder / "images/first.png")
    assert options_for(folder) == {"boxes": folder}
    kind, summary = import_any(small_project, folder)
    assert (kind, summary.pictures, summary.marks) == ("boxes", 1, {"boxes": 1})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])
def test_tables_of_excel_are_told_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("sep=;\r\nimage;x;y;class\r\nfirst;3,5;4;leaf\r\n".encode(encoding))
    assert options_for(path) == {"points": path}
