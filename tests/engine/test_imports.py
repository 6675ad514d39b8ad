import json

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Box, Erasure, KeyPoint, Patch, Point, Scribble, Tag
from spml_core.engine.imports import import_marks
from spml_core.errors import ClassError, MarkError


@pytest.fixture
def project(picture_project, tmp_path):
    """Pictures p0 to p3, 64 x 80, of sky, tree and road."""
    with picture_project(tmp_path, 4) as made:
        yield made


@pytest.fixture
def files(tmp_path):
    """One good file or folder of each kind."""
    for folder in ("masks", "scribbles", "voc"):
        (tmp_path / folder).mkdir()
    Image.fromarray(np.ones((64, 80), np.uint8)).save(tmp_path / "masks/p0.png")
    (tmp_path / "scribbles/p0.xml").write_text(
        "<annotation><polygon><tag>road</tag><point><X>4</X><Y>5</Y></point></polygon></annotation>"
    )
    (tmp_path / "points.csv").write_text("image,x,y,class\np0,3,3,sky\n")
    (tmp_path / "clicks.json").write_text(json.dumps({"p1": [{"x": 3, "y": 4, "cls": 2}], "2007_1": []}))
    (tmp_path / "voc/p2.xml").write_text(
        "<annotation><object><name>tree</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>8</ymax>"
        "</bndbox></object></annotation>"
    )
    (tmp_path / "parts.csv").write_text("image,x,y,class,size\np1,9,9,tree,5\n")
    (tmp_path / "labelme.json").write_text(
        json.dumps(
            {
                "imagePath": "p0.png",
                "shapes": [{"label": "sky", "points": [[0, 0], [9, 0], [0, 9]]}],
                "flags": {"sky": True, "tree": True, "road": True},
            }
        )
    )
    (tmp_path / "tags.csv").write_text("image,class\np3,tree\np3,road\np2,tree\n")
    return {
        "masks": tmp_path / "masks",
        "labelme": tmp_path / "labelme.json",
        "scribbles": tmp_path / "scribbles",
        "points": tmp_path / "points.csv",
        "clicks": tmp_path / "clicks.json",
        "boxes": tmp_path / "voc",
        "key_points": tmp_path / "parts.csv",
        "tags": tmp_path / "tags.csv",
    }


def marks_of(project):
    return {record.name: list(project.marks(record.id).values()) for record in project.pictures}


def test_all_kinds_at_once_are_one_step_with_masks_below(project, files):
    done = import_marks(project, **files)
    assert done.marks == {kind: {"labelme": 4, "tags": 3}.get(kind, 1) for kind in files}
    assert done.pictures == 4
    (warning,) = done.warnings
    assert "1 picture that the project doesn't have" in warning
    marks = marks_of(project)
    kinds = [type(mark) for mark in marks["p0"]]
    assert kinds == [Patch, Patch, Tag, Tag, Tag, Scribble, Point]
    assert marks["p1"] == [Point(2, 4, 3), KeyPoint(1, 9, 9, 5)]
    assert marks["p2"] == [Box(1, 0, 0, 8, 9), Tag(1)]
    assert marks["p3"] == [Tag(1), Tag(2)]
    assert project.weak_labels(project.picture("p0"))[5, 4] in (0, 2)
    entry = project.undo()
    assert entry.note == "Import masks, labelme, scribbles, points, clicks, boxes, key points and tags"
    assert not any(marks_of(project).values())


def test_tags_may_be_incomplete(project, files):
    import_marks(project, tags=files["tags"], labelme=files["labelme"], complete_tags=False)
    tags = [mark for marks in marks_of(project).values() for mark in marks if isinstance(mark, Tag)]
    assert len(tags) == 6
    assert not any(tag.complete for tag in tags)


@pytest.mark.parametrize(
    ("kind", "text", "error"),
    [
        ("tags", "image,class\np3,zebra\n", ClassError),
        ("points", "image,x,y,class\np0,99,3,sky\n", MarkError),
        ("key_points", "image,x,y,class\np1,9,9,tree\n", MarkError),
        ("clicks", "[]", MarkError),
        ("labelme", "{}", MarkError),
    ],
)
def test_one_bad_file_and_nothing_is_added(project, files, kind, text, error):
    files[kind].write_text(text)
    with pytest.raises(error):
        import_marks(project, **files)
    assert project.history() == ()
    assert not any(marks_of(project).values())


def test_nothing_to_import(project, files):
    with pytest.raises(MarkError, match=r"nothing to import\. Give masks, .*key points and tags"):
        import_marks(project)
    files["clicks"].write_text('{"2007_1": [{"x": 3, "y": 4, "cls": 2}]}')
    with pytest.raises(MarkError, match=r"clicks\.json holds no mark on a picture of the project"):
        import_marks(project, **files)
    assert project.history() == ()


SAYS = "Tags said to be complete lack a class that is marked in the picture; the marks count"


@pytest.mark.parametrize(
    "mark",
    [
        Scribble(2, ((5, 5), (9, 9)), 3),
        Point(2, 4, 4),
        Box(2, 1, 1, 5, 5),
        KeyPoint(2, 4, 4, 3),
        Patch(0, 0, np.full((3, 3), 2, np.uint8)),
    ],
)
def test_complete_tags_that_lack_a_marked_class_are_told(project, files, mark):
    number = project.picture("p2").id
    project.add_marks({number: [mark]}, "draw")
    done = import_marks(project, tags=files["tags"])
    assert done.warnings == (f"{SAYS}: 'road' on 'p2'.",)
    assert marks_of(project)["p2"] == [mark, Tag(1)]  # the mark stays


def test_marks_that_contradict_earlier_tags_are_told_too(project, files):
    project.add_marks({project.picture("p0").id: [Tag(1)], project.picture("p1").id: [Tag(1)]}, "tag")
    done = import_marks(project, points=files["points"], scribbles=files["scribbles"], clicks=files["clicks"])
    assert f"{SAYS}: 'road' on 'p0' and 1 more." in done.warnings


@pytest.mark.parametrize(
    "marks",
    [
        [Point(0, 4, 4)],  # background is never in a list
        [Point(1, 4, 4)],
        [Point(2, 4, 4), Erasure(((4, 4),), 20)],
        [Point(2, 4, 4), Patch(0, 0, np.full((20, 20), 1, np.uint8))],
        [Tag(0, False), Point(2, 4, 4)],
        [Tag(2), Point(2, 4, 4)],
    ],
)
def test_tags_that_contradict_nothing_pass_silently(project, files, marks):
    project.add_marks({project.picture("p2").id: marks}, "draw")
    assert import_marks(project, tags=files["tags"]).warnings == ()
