import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Patch, Scribble, rasterize
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io import ImportWarnings, read_scribbles

CLASSES = ClassTable.from_names(["background", "bird", "boat"])
SIZES = {"a": (20, 30), "b": (16, 16)}


def write(
    folder,
    *lines,
    name="a",
    size="<size><width>30</width><height>20</height><depth>3</depth></size>",
    head="",
):
    body = "".join(
        f"<polygon><tag>{tag}</tag>{''.join(f'<point><X>{x}</X><Y>{y}</Y></point>' for x, y in points)}</polygon>"
        for tag, points in lines
    )
    path = folder / f"{name}.xml"
    path.write_text(
        f"<annotation><folder>VOC2012</folder><filename>a.jpg</filename>{size}{head}<segmented>1</segmented>{body}</annotation>"
    )
    return path


def read(folder):
    warnings = ImportWarnings()
    return read_scribbles(folder, SIZES, CLASSES, warnings), warnings.lines


def test_a_scribble_without_a_point_or_with_too_many_is_left_out(tmp_path):
    write(tmp_path, ("bird", []), ("boat", [(2, 5), (8, 5)]), ("bird", [(1, 1), (2, 2)] * 301))
    marks, (empty, endless) = read(tmp_path)
    assert marks == {"a": [Scribble(2, ((5, 2), (5, 8)), 3)]}
    assert "without a point" in empty and "scribble 1" in empty
    assert "more points than" in endless and "scribble 3, 602 points" in endless


def test_lines_become_scribbles_of_width_three(tmp_path):
    write(
        tmp_path,
        ("bird", [(2, 5), (8, 5), (8, 5), (8, 12)]),
        ("background", [(20, 1)]),
        ("2", [(0, 0), (29, 19)]),
    )
    marks, lines = read(tmp_path)
    assert marks == {
        "a": [
            Scribble(1, ((5, 2), (5, 8), (12, 8)), 3),
            Scribble(0, ((1, 20),), 3),
            Scribble(2, ((0, 0), (19, 29)), 3),
        ]
    }
    assert lines == ()
    labels = rasterize(marks["a"][:2], (20, 30), 3)
    assert (labels[4:7, 2:9] == 1).all() and (labels[5:13, 7:10] == 1).all()
    assert (labels[0:3, 20] == 0).all()


def test_xml_and_png_side_by_side(tmp_path):
    write(tmp_path, ("bird", [(2, 5), (8, 5)]))
    codes = np.full((16, 16), 255, np.uint8)
    codes[3, 4] = 2
    Image.fromarray(codes).save(tmp_path / "b.png")
    marks, _ = read(tmp_path)
    assert marks == {"a": [Scribble(1, ((5, 2), (5, 8)), 3)], "b": [Patch(3, 4, np.array([[2]], np.uint8))]}
    codes[:] = 0
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(MarkError, match=r"Two files belong to the picture 'a'"):
        read(tmp_path)


def test_the_file_name_inside_counts_if_its_own_is_no_picture(tmp_path):
    write(tmp_path, ("bird", [(2, 5)]), name="scribble_17")
    assert set(read(tmp_path)[0]) == {"a"}


def test_points_outside_move_to_the_border(tmp_path):
    write(tmp_path, ("bird", [(28, 5), (30, 5), (10**12, 5), (28, -(10**12))]), ("boat", [(3, 3)]))
    marks, (line,) = read(tmp_path)
    assert marks["a"][0] == Scribble(1, ((5, 28), (5, 29), (5, 29), (0, 28)), 3)
    assert marks["a"][1] == Scribble(2, ((3, 3),), 3)
    assert "scribble 1" in line and "more" not in line


def test_a_file_without_lines_marks_nothing(tmp_path):
    write(tmp_path)
    assert read(tmp_path) == ({}, ())


@pytest.mark.parametrize(
    ("lines", "options", "kind", "words"),
    [
        ([("zebra", [(1, 1)])], {}, ClassError, "scribble 2: Unknown class 'zebra'"),
        ([("", [(1, 1)])], {}, MarkError, "scribble 2: <polygon> has no <tag>"),
        ([("boat", [("x", 1)])], {}, MarkError, "scribble 2: X is 'x'"),
        ([("boat", [(1, "nan")])], {}, MarkError, "scribble 2: Y is 'nan'"),
        (
            [],
            {"size": "<size><width>3</width><height>4</height></size>"},
            MarkError,
            "4 x 3 pixels, its picture 'a'",
        ),
        ([], {"size": "<size/>"}, MarkError, "<size> has no <height>"),
        ([], {"head": "<polygon>"}, MarkError, "is no XML"),
    ],
)
def test_bad_scribbles_are_refused(tmp_path, lines, options, kind, words):
    path = write(tmp_path, ("bird", [(2, 5)]), *lines, **options)
    with pytest.raises(kind, match=words) as caught:
        read(tmp_path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_other_xml_is_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<annotation><object/></annotation>")
    with pytest.raises(MarkError, match=r"holds boxes, no scribbles\. Import it as boxes"):
        read(tmp_path)
    path.write_text("<kml/>")
    with pytest.raises(MarkError, match="holds <kml> where <annotation> belongs"):
        read(tmp_path)
    path.write_text('<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotation/>')
    with pytest.raises(MarkError, match="declares a document type"):
        read(tmp_path)


def test_a_file_of_no_picture(tmp_path):
    path = tmp_path / "z.xml"
    path.write_text("<annotation/>")
    with pytest.raises(MarkError, match=rf"{path} belongs to no picture: there is none named 'z'"):
        read(tmp_path)
