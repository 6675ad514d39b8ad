import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import UNTOUCHED, Patch, Point, rasterize
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io import read_masks, read_points, read_scribbles

CLASSES = ClassTable.from_names(["background", "cell"])
SIZES = {"a": (20, 30), "b": (16, 16), "c.v2": (20, 20)}


def save(path, codes):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(codes, np.uint8)).save(path)


def test_scribbles_become_small_patches_with_255_untouched(tmp_path):
    codes = np.full((20, 30), 255, np.uint8)
    codes[4, 6:9] = 1
    codes[6, 7] = 0
    save(tmp_path / "deep/er/a.PNG", codes)
    save(tmp_path / "b.png", np.full((16, 16), 255))
    save(tmp_path / ".hidden.png", codes)
    marks = read_scribbles(tmp_path, SIZES, CLASSES)
    raster = np.full((3, 3), UNTOUCHED, np.uint8)
    raster[0] = 1
    raster[2, 1] = 0
    assert marks == {"a": [Patch(4, 6, raster)]}
    labels = rasterize(marks["a"], (20, 30), 2)
    assert np.array_equal(labels, np.where(codes == 255, 2, codes))


def test_masks_label_every_pixel_and_255_is_void(tmp_path):
    codes = np.random.default_rng(0).choice([0, 1, 255], (20, 30)).astype(np.uint8)
    save(tmp_path / "a.png", codes)
    marks = read_masks(tmp_path, SIZES, CLASSES)
    assert np.array_equal(rasterize(marks["a"], (20, 30), 2), codes)


@pytest.mark.parametrize("reader", [read_scribbles, read_masks])
@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (
            lambda f: save(f / "sub/a.png", np.zeros((30, 20))),
            MarkError,
            r"a\.png is 30 x 20 pixels, its picture 20 x 30",
        ),
        (
            lambda f: save(f / "a.png", np.full((20, 30), 2)),
            ClassError,
            r"a\.png holds the class index 2.*0 background",
        ),
        (lambda f: save(f / "zebra.png", np.zeros((9, 9))), MarkError, r"zebra\.png belongs to no picture"),
        (lambda f: (f / "a.png").write_bytes(b"junk"), MarkError, r"a\.png"),
        (lambda f: save(f / "a.png", np.zeros((20, 30, 3))), MarkError, "colours"),
        (lambda f: [save(f / d / "a.png", np.zeros((20, 30))) for d in "xy"], MarkError, r"Two files .*'a'"),
    ],
)
def test_an_import_is_whole_or_it_is_not(tmp_path, reader, spoil, kind, words):
    save(tmp_path / "b.png", np.zeros((16, 16)))
    assert set(reader(tmp_path, SIZES, CLASSES)) == {"b"}
    spoil(tmp_path)
    with pytest.raises(kind, match=words) as caught:
        reader(tmp_path, SIZES, CLASSES)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reader", [read_scribbles, read_masks])
def test_folders_without_pngs(tmp_path, reader):
    with pytest.raises(MarkError, match=r"no PNG (or XML )?in"):
        reader(tmp_path, SIZES, CLASSES)
    with pytest.raises(MarkError, match=r"no folder .*gone"):
        reader(tmp_path / "gone", SIZES, CLASSES)


def test_points_by_stem_or_file_name_and_class_name_or_index(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "image,x,y,class\na,29,19,cell\na.tif,0.5,1.5,0\nsub/b.png,3,4,1\nc.v2,1,1,cell\nc.v2.jpg,2,2,cell\n"
        "sub\\b.png,-0.5,15.9,cell\n"
    )
    assert read_points(path, SIZES, CLASSES) == {
        "a": [Point(1, 19, 29), Point(0, 1.5, 0.5)],
        "b": [Point(1, 4, 3), Point(1, 15, -0.5)],
        "c.v2": [Point(1, 1, 1), Point(1, 2, 2)],
    }


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        ("a,30,5,cell", MarkError, "line 3: the point x = 30, y = 5 lies outside a, 30 wide and 20 high"),
        ("a,5,20,cell", MarkError, "x = 5, y = 20"),
        ("a,-1,5,cell", MarkError, "x = -1, y = 5"),
        ("a,5,5,zebra", ClassError, "line 3: Unknown class 'zebra'.*0 background"),
        ("a,5,5,2", ClassError, "'2'"),
        ("a,5,5,-1", ClassError, "'-1'"),
        ("zebra.png,5,5,cell", MarkError, r"line 3: there is no picture 'zebra\.png'"),
        ("a,five,5,cell", MarkError, "line 3: x is 'five'"),
    ],
)
def test_a_wrong_point_stops_the_import(tmp_path, row, kind, words):
    path = tmp_path / "p.csv"
    path.write_text(f"image,x,y,class\na,1,1,cell\n{row}\n")
    with pytest.raises(kind, match=words) as caught:
        read_points(path, SIZES, CLASSES)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("said", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_excel_that_name_their_separator(tmp_path, end, said, encoding):
    from spml_core.io.tables import read_table

    path = tmp_path / "t.csv"
    text = end.join([said, "image;x;y;class", "a;1,5;2;cell, round", ""])
    path.write_bytes(text.encode(encoding))
    (row,) = read_table(path, ("image", "x", "y", "class"))
    assert (row.number("x"), row.cells["class"], row.line) == (1.5, "cell, round", 3)
