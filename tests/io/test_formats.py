import json

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io import read_classes, read_index_png, read_point_rows, write_classes, write_index_png

CLASSES = ClassTable.from_names(["background", "cell", "größer"])


def test_classes_round_trip_and_skip_255(tmp_path):
    path = tmp_path / "classes.json"
    write_classes(path, CLASSES)
    assert read_classes(path) == CLASSES
    path.write_text('{"1": "b", "255": "void", "0": "a"}', encoding="utf-8-sig")
    assert read_classes(path).names == ("a", "b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ('["a"]', "no JSON object"),
        ("7", "no JSON object"),
        ('{"0": "a", "2": "c"}', "no class 1"),
        ('{"1": "a"}', "no class 0"),
        ('{"0": "a", "one": "b"}', "'one'"),
        ('{"0": "a", "-1": "b"}', "'-1'"),
        ('{"0": "a", "1": 7}', "class 1 7"),
        ('{"0": "a", "0": "b"}', "class 0 twice"),
        ('{"0": "a", "1": "a"}', "'a' stands twice"),
        ('{"0": "a", "1": " "}', "empty name"),
        ('{"255": "void"}', "empty"),
        ("{}", "empty"),
    ],
)
def test_wrong_class_files_are_refused_by_name(tmp_path, text, words):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(ClassError, match=words) as caught:
        read_classes(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"\u00b2": "a"}', "has the key '\u00b2'"),
        ('{"--1": "a"}', "has the key '--1'"),
        ('{"' + "9" * 5000 + '": "a"}', r"has the key '9{60}'\.\.\."),
        ('{"0": ' + "9" * 5000 + "}", "is no JSON"),
        ('{"0": ' + "[" * 900 + "]" * 900 + "}", "names class 0 a list"),
        ('{"0": ' + "[" * 100_000 + "]" * 100_000 + "}", "is no JSON"),
        (json.dumps({str(i): f"c{i}" for i in range(10**6)}), "names 1000000 classes; 254 is the most"),
    ],
    ids=["superscript", "dashes", "digits", "number", "nested", "deep", "a million"],
)
def test_class_files_made_to_do_harm(tmp_path, text, words):
    path = tmp_path / "c.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClassError, match=words) as caught:
        read_classes(path)
    assert len(str(caught.value)) < 500


def test_a_missing_or_binary_class_file(tmp_path):
    with pytest.raises(ClassError, match=r"gone\.json"):
        read_classes(tmp_path / "gone.json")
    (tmp_path / "b.json").write_bytes(b"\xff\x00\xfe\x80")
    with pytest.raises(ClassError, match=r"b\.json"):
        read_classes(tmp_path / "b.json")


CODES = np.array([[0, 1, 2, 3], [255, 2, 1, 0]], np.uint8)


def test_index_png_round_trip_in_the_classes_colours(tmp_path):
    path = tmp_path / "a.png"
    write_index_png(path, CODES.astype(np.int64), CLASSES)
    assert np.array_equal(read_index_png(path), CODES)
    with Image.open(path) as image:
        assert image.mode == "P"
        colors = np.asarray(image.convert("RGB"))
    for index, info in enumerate(CLASSES):
        assert tuple(colors[0, index]) == info.color
    assert tuple(colors[1, 0]) == (255, 255, 255)


def test_254_classes_fit_into_the_palette(tmp_path):
    table = ClassTable.from_names([str(i) for i in range(254)])
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_index_png(tmp_path / "a.png", codes, table)
    assert np.array_equal(read_index_png(tmp_path / "a.png"), codes)


@pytest.mark.parametrize(
    "codes", [np.array([[4]]), np.array([[-1]]), np.array([[300]]), np.zeros(3, int), np.zeros((2, 2))]
)
def test_what_is_no_label_map_is_not_written(tmp_path, codes):
    with pytest.raises(MarkError, match=r"a\.png"):
        write_index_png(tmp_path / "a.png", codes, CLASSES)
    assert not list(tmp_path.iterdir())


def test_grey_palette_1_bit_and_16_bit_are_read(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(CODES).save(path)
    assert np.array_equal(read_index_png(path), CODES)
    for bits in (2, 4, 8):
        image = Image.fromarray(CODES % 4)
        image.putpalette([9, 9, 9] * 4)  # all of one colour: the indexes count
        image.save(path, bits=bits)
        assert np.array_equal(read_index_png(path), CODES % 4)
    Image.fromarray(CODES > 1).save(path)
    assert np.array_equal(read_index_png(path), (CODES > 1).astype(np.uint8))
    path.write_bytes(imagecodecs.png_encode(CODES.astype(np.uint16)))
    assert np.array_equal(read_index_png(path), CODES)


def test_what_is_no_index_png_is_refused_by_name(tmp_path, capfd):
    path = tmp_path / "a.png"
    for mode in ("RGB", "RGBA", "LA"):
        Image.fromarray(CODES).convert(mode).save(path)
        with pytest.raises(MarkError, match=rf"a\.png holds colours \({mode}\).*palette or grey"):
            read_index_png(path)
    path.write_bytes(imagecodecs.png_encode(CODES.astype(np.uint16) + 300))
    with pytest.raises(MarkError, match="value 555"):
        read_index_png(path)
    with pytest.raises(MarkError, match=r"gone\.png"):
        read_index_png(tmp_path / "gone.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 3, (99, 99), dtype=np.uint8)).save(path)
    data = path.read_bytes()
    for share in (0, 0.05, 0.5, 0.9):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(MarkError, match=r"a\.png"):
            read_index_png(path)
    Image.fromarray(CODES).save(path, format="jpeg")
    with pytest.raises(MarkError, match=r"a\.png"):
        read_index_png(path)
    assert capfd.readouterr() == ("", "")


TABLE = "image,x,y,class\na.png,1,2.5,cell\nb,3,4,0\n"


def points(path):
    return [(row.line, row.image, row.x, row.y, row.class_word) for row in read_point_rows(path)]


WANTED = [(2, "a.png", 1, 2.5, "cell"), (3, "b", 3, 4, "0")]


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.replace(",", ";"),
        TABLE.replace(",", ";").replace("2.5", "2,5"),
        TABLE.replace(",", "\t"),
        "Class, Y ,IMAGE,note,X\ncell,2.5,a.png,hm,1\n0,4,b,,3\n",
        'image,x,y,class\n"a.png","1","2.5","cell"\nb,3,4,0\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_points_as_spreadsheets_save_them(tmp_path, text, encoding):
    path = tmp_path / "p.csv"
    path.write_bytes(text.encode(encoding))
    assert points(path) == WANTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_names_with_other_letters(tmp_path, encoding):
    path = tmp_path / "p.csv"
    path.write_bytes("image,x,y,class\nüber.png,1,2,größer\n".encode(encoding))
    assert points(path) == [(2, "über.png", 1, 2, "größer")]


def test_empty_lines_are_skipped_but_counted(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("image,x,y,class\n\na,1,2,c\n , , , \nb,3,4,c\n")
    assert [row.line for row in read_point_rows(path)] == [3, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,x,label\na,1,c\n", "lacks the columns y, class; it has image, x, label"),
        ("", "it has none"),
        ("image,x,y,class\n", "no line below its header"),
        ("image,x,y,class\na,1,2,c\na,one,2,c\n", "line 3: x is 'one'"),
        ("image,x,y,class\na,1,nan,c\n", "line 2: y is 'nan'"),
        ("image,x,y,class\na,1,,c\n", "line 2: y is empty"),
        ("image,x,y,class\na,1,2\n", "line 2 has only 3 cells"),
        ("image,x,y,class\n,1,2,c\n", "line 2: image is empty"),
        ("image,x,y,class\na,1,2,\n", "line 2: class is empty"),
        ('image,x,y,class\n"' + "a" * 200_000 + '",1,2,c\n', "line 2"),
    ],
)
def test_wrong_tables_are_refused_by_file_and_line(tmp_path, text, words):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(MarkError, match=words) as caught:
        read_point_rows(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(MarkError, match=r"gone\.csv"):
        read_point_rows(tmp_path / "gone.csv")
