import base64
import io
import json
import math
import re
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from skimage.draw import polygon2mask

from spml_core.annotations import Box, Patch, Point, Scribble, Tag, rasterize
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io import ImportWarnings, read_labelme
from spml_core.io.imports.polygons import disc_patch, polygon_patch

CLASSES = ClassTable.from_names(["background", "cell", "dog"])
SIZES = {"a": (20, 30), "b": (16, 16)}


def shape(kind, points, label="cell", **more):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def write(folder, *shapes, name="a", **more):
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": f"{name}.jpg",
        "imageData": None,
        "imageHeight": None,
        "imageWidth": None,
        **more,
    }
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def read(path, **options):
    warnings = ImportWarnings()
    return read_labelme(path, SIZES, CLASSES, warnings, **options), warnings.lines


def painted(marks):
    return rasterize(marks, (20, 30), 3)


def packed(mask, mode="1"):
    file = io.BytesIO()
    Image.fromarray(mask).convert(mode).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_every_kind_of_shape_in_the_order_drawn(tmp_path):
    mask = np.array([[1, 0, 1], [0, 1, 1]], bool)
    path = write(
        tmp_path,
        shape("polygon", [[2, 3], [8, 3], [8, 7], [2, 7]]),
        shape("rectangle", [[12.5, 9], [4, 2]], "dog"),
        shape("circle", [[20, 10], [23, 10]]),
        shape("linestrip", [[1, 1], [5.5, 1], [5.5, 1], [6, 9]]),
        shape("line", [[1, 2], [3, 4]], "dog"),
        shape("point", [[3.5, 4.5]]),
        shape("points", [[0, 0], [30, 20]], "dog"),
        shape("mask", [[5, 11], [7, 12]], mask=packed(mask)),
        {"label": "dog", "points": [[0, 0], [2, 0], [0, 2]]},
    )
    marks, lines = read(path)
    assert lines == ()
    square, box, disc, strip, line, point, first, second, patch, triangle = marks["a"]
    assert square == Patch(3, 2, np.ones((4, 6), np.uint8))
    assert box == Box(2, 2, 4, 9, 12.5)
    assert (disc.top, disc.left, disc.labels.shape) == (7, 17, (6, 6))
    assert strip == Scribble(1, ((0.5, 0.5), (0.5, 5), (8.5, 5.5)), 3)
    assert line == Scribble(2, ((1.5, 0.5), (3.5, 2.5)), 3)
    assert point == Point(1, 4, 3)
    assert (first, second) == (Point(2, -0.5, -0.5), Point(2, 19, 29))
    assert patch == Patch(11, 5, np.where(mask, 1, 254).astype(np.uint8))
    assert triangle == Patch(0, 0, np.array([[2]], np.uint8))


@pytest.mark.parametrize("seed", range(8))
def test_polygons_hold_the_pixels_whose_centre_they_enclose(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform([-6, -6], [26, 36], (rng.integers(3, 9), 2))
    patch = polygon_patch(1, [(y, x) for y, x in corners], (20, 30))
    labels = rasterize([patch], (20, 30), 2)
    for row in range(20):
        for column in range(30):
            y, x, inside = row + 0.5, column + 0.5, False
            for (y0, x0), (y1, x1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
                if (y0 > y) != (y1 > y) and x > x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    inside = not inside
            assert (labels[row, column] == 1) == inside, (row, column)
    if seed == 0:
        simple = np.array([[2.2, 3.1], [15.3, 5.7], [9.9, 25.4]])
        labels = rasterize([polygon_patch(1, simple.tolist(), (20, 30))], (20, 30), 2)
        np.testing.assert_array_equal(labels == 1, polygon2mask((20, 30), simple - 0.5))


def test_polygons_that_share_a_side_share_no_pixel_and_leave_none_out():
    left = polygon_patch(1, [(1, 1), (18, 1), (18, 14.5), (1, 9.5)], (20, 30))
    right = polygon_patch(2, [(1, 9.5), (18, 14.5), (18, 28), (1, 28)], (20, 30))
    labels = rasterize([left, right], (20, 30), 3)
    np.testing.assert_array_equal(labels, rasterize([right, left], (20, 30), 3))
    assert (labels[1:18, 1:28] < 3).all() and (labels < 3).sum() == 17 * 27


@pytest.mark.parametrize(
    ("center", "radius"), [((10, 15), 4.0), ((0.3, 29.6), 7.2), ((9.5, 9.5), 0.2), ((18, -2), 5)]
)
def test_discs_hold_the_pixels_whose_centre_is_near(center, radius):
    labels = rasterize([disc_patch(1, center, radius, (20, 30))], (20, 30), 2)
    for row in range(20):
        for column in range(30):
            near = math.dist((row + 0.5, column + 0.5), center) <= radius
            assert (labels[row, column] == 1) == near


@pytest.mark.parametrize("mode", ["1", "L"])
@pytest.mark.parametrize("past", [0, 1])
def test_masks_with_either_corner_are_cut_at_the_border(tmp_path, mode, past):
    mask = np.random.default_rng(0).random((9, 8)) < 0.5
    corner = [25 + 7 + past, 14 + 8 + past]
    marks, _ = read(write(tmp_path, shape("mask", [[25, 14], corner], mask=packed(mask, mode))))
    labels = np.full((20, 30), 3, np.uint8)
    labels[14:, 25:][mask[:6, :5]] = 1
    np.testing.assert_array_equal(painted(marks["a"]), labels)


def test_background_and_void_as_labelme_calls_them(tmp_path):
    square = [[2, 3], [4, 3], [4, 5], [2, 5]]
    path = write(
        tmp_path, shape("polygon", square, "_background_"), shape("oriented_rectangle", square, "__ignore__")
    )
    assert [mark.labels[0, 0] for mark in read(path)[0]["a"]] == [0, 255]
    with pytest.raises(ClassError, match="shape 1, a point, can't mark void"):
        read(write(tmp_path, shape("point", [[1, 1]], "__ignore__")))


def test_flags_that_name_a_class_are_tags(tmp_path):
    flags = {"cell": True, "dog": False, "blurred": True, "background": True}
    path = write(tmp_path, flags=flags)
    assert read(path)[0] == {"a": [Tag(1), Tag(0)]}
    assert read(path, complete=False)[0] == {"a": [Tag(1, False), Tag(0, False)]}
    write(tmp_path, name="b", flags={"blurred": True})
    assert set(read(tmp_path)[0]) == {"a"}
    assert read(write(tmp_path, flags=None))[0] == {}


def test_a_folder_and_names_inside(tmp_path):
    write(tmp_path / "x", shape("point", [[1, 1]]), imageHeight=20, imageWidth=30)
    write(tmp_path / "x", shape("point", [[1, 1]]), name="b9", imagePath="..\\pictures\\b.jpg")
    assert set(read(tmp_path)[0]) == {"a", "b"}
    write(tmp_path / "y", shape("point", [[1, 1]]))
    with pytest.raises(MarkError, match="Two files belong to the picture 'a'"):
        read(tmp_path)


def test_what_is_cut_moved_or_left_out_is_said(tmp_path):
    path = write(
        tmp_path,
        shape("polygon", [[2.1, 3.1], [2.2, 3.1], [2.2, 3.2]]),
        shape("circle", [[100, 100], [101, 100]]),
        shape("rectangle", [[-5, 2], [4, 9]]),
        shape("line", [[1, 1], [1e300, 1]]),
        shape("polygon", [[-1e300, -1e300], [1e300, 0], [0, 1e300]]),
    )
    marks, (empty, cut, moved) = read(path)
    assert marks["a"][0] == Box(1, 2, 0, 9, 4)
    assert marks["a"][1].points == ((0.5, 0.5), (0.5, 29))
    assert len(marks["a"]) == 3
    assert "shape 1 on 'a' and 1 more" in empty
    assert "shape 3 on 'a'" in cut
    assert "shape 4" in moved


def bomb(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return base64.b64encode(data + chunk(b"IEND", b"")).decode()


SQUARE = [[2, 3], [4, 3], [4, 5], [2, 5]]
BAD = {
    "label": (shape("polygon", SQUARE, "zebra"), ClassError, "shape 2: Unknown class 'zebra'.*0 background"),
    "no label": (shape("polygon", SQUARE, None), MarkError, "shape 2: label is nothing"),
    "odd points": (shape("line", [[1, 2], [3]]), MarkError, r"shape 2: points is \[3\], not 2 numbers"),
    "not finite": (shape("point", [[1, float("nan")]]), MarkError, "shape 2: points"),
    "box outside": (shape("rectangle", [[31, 2], [40, 9]]), MarkError, "shape 2 .* outside 'a'"),
    "point outside": (
        shape("point", [[31, 2]]),
        MarkError,
        "shape 2: the point x = 30.5, y = 1.5 lies outside a",
    ),
    "no base64": (shape("mask", [[1, 1], [3, 3]], mask="%%%"), MarkError, "shape 2: the mask is no base64"),
    "not ascii": (shape("mask", [[1, 1], [3, 3]], mask="é"), MarkError, "shape 2: the mask is no"),
    "no PNG": (
        shape("mask", [[1, 1], [3, 3]], mask="aGVsbG8="),
        MarkError,
        "shape 2: the mask is no readable PNG",
    ),
    "short PNG": (shape("mask", [[1, 1], [8, 9]], mask=bomb(8, 900)), MarkError, "shape 2: the mask"),
    "truncated PNG": (shape("mask", [[1, 1], [800, 900]], mask=bomb(800, 900)), MarkError, "no readable PNG"),
    "bomb": (
        shape("mask", [[1, 1], [3, 3]], mask=bomb(100_000, 100_000)),
        MarkError,
        "shape 2: the mask has 100000 x 100000 pixels",
    ),
    "not an object": (7, MarkError, "shape 2 is 7, not an object"),
}


LEFT_OUT = {
    "unknown shape": (shape("spline", SQUARE), "unknown kinds.*shape 2 on 'a' has the shape_type 'spline'"),
    "cuboid": (shape("cuboid", SQUARE * 2), "unknown kinds.*shape 2 on 'a' has the shape_type 'cuboid'"),
    "odd shape": (shape(["polygon"], SQUARE), "shape 2 on 'a' has the shape_type"),
    "two corners": (shape("polygon", SQUARE[:2]), "shape 2 on 'a', a polygon, has 2 points"),
    "three points": (shape("line", SQUARE[:3]), "shape 2 on 'a', a line, has 3 points"),
    "no points": ({"label": "cell"}, "shape 2 on 'a', a polygon, has 0 points"),
    "no rotation": (shape("rotation", []), "shape 2 on 'a', a rotation, has 0 points"),
    "flat": (shape("rectangle", [[1, 2], [1, 9]]), "shape 2 on 'a' is 0 pixels wide and 7 high"),
    "empty": (shape("rectangle", [[20, 20], [20, 20]]), "shape 2 on 'a' is 0 pixels wide and 0 high"),
    "no radius": (shape("circle", [[3, 4], [3, 4]]), "enclose no pixel.*shape 2 on 'a'"),
    "no mask": (shape("mask", [[1, 1], [3, 3]]), "shape 2 on 'a', a mask, has no mask"),
    "endless line": (shape("linestrip", [[1, 1], [9, 9]] * 301), "shape 2 on 'a', a linestrip of 602 points"),
    "endless group": (shape("points", [[1, 1]] * 601), "shape 2 on 'a', a points of 601 points"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_one_empty_or_unknown_shape_is_left_out(tmp_path, case):
    bad, words = LEFT_OUT[case]
    path = write(tmp_path, shape("point", [[1, 1]]), bad, shape("point", [[9, 9]], "dog"))
    marks, (line,) = read(path)
    assert marks == {"a": [Point(1, 0.5, 0.5), Point(2, 8.5, 8.5)]}
    assert re.search(words, line) and "left out" in line, line


@pytest.mark.parametrize("kind", ["rotation", "quadrilateral", "oriented_rectangle"])
def test_the_oriented_shapes_of_labelme_and_x_anylabeling(tmp_path, kind):
    """X-AnyLabeling writes fields of its own beside labelme's."""
    own = {"score": None, "description": "", "difficult": False, "attributes": {}, "direction": 0.785}
    corners = [[10, 2], [16, 8], [10, 14], [4, 8]]
    path = write(tmp_path, shape(kind, corners, **own), version="3.2.1", checked=False, text="")
    marks, lines = read(path)
    assert lines == ()
    assert marks == {"a": [polygon_patch(1, [(y, x) for x, y in corners], (20, 30))]}
    assert (painted(marks["a"]) == 1).sum() == 72


@pytest.mark.parametrize(
    "corners", [[[1e308, 0], [-1e308, 0]], [[5, 5], [1e308, 1e308]], [[1e308, 1e308], [1e308, 1e308]]]
)
def test_circles_larger_than_numbers(tmp_path, corners):
    assert set(read(write(tmp_path, shape("circle", corners), shape("point", [[1, 1]])))[0]) == {"a"}


@pytest.mark.parametrize("wobble", [0, 0.1, 30])
def test_a_polygon_of_hundreds_of_thousands_of_points(tmp_path, wobble):
    angles = np.linspace(0, 2 * np.pi, 800_000, endpoint=False)
    ring = np.stack([15 + 9 * np.cos(angles), 10 + 9 * np.sin(angles)], axis=1)
    ring += np.random.default_rng(0).uniform(-wobble, wobble, ring.shape)
    path = write(tmp_path, shape("point", [[1, 1]]), shape("polygon", ring.round(3).tolist()))
    start = time.perf_counter()
    marks, lines = read(path)
    assert time.perf_counter() - start < 20
    if wobble == 0:
        assert np.array_equal(
            painted([marks["a"][1]]) == 1, painted([disc_patch(1, (10, 15), 9, (20, 30))]) == 1
        )
    if not lines:
        assert len(marks["a"]) == 2


@pytest.mark.parametrize("depth", [900, 100_000])
def test_json_nested_without_end(tmp_path, depth):
    path = write(tmp_path, shape("point", [[1, 1]]))
    deep = "[" * depth + "]" * depth
    path.write_text(path.read_text().replace('"label": "cell"', f'"label": {deep}'))
    with pytest.raises(MarkError, match=re.escape(str(path))) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", BAD)
def test_bad_shapes_are_refused(tmp_path, case):
    bad, kind, words = BAD[case]
    path = write(tmp_path, shape("point", [[1, 1]]), bad)
    with pytest.raises(kind, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"name": "z"}, r"z\.json belongs to no picture"),
        ({"imageHeight": 40, "imageWidth": 60}, "is for 40 x 60 pixels, its picture 'a' has 20 x 30"),
        ({"shapes": 5}, "shapes is 5, not a list"),
        ({"flags": [1]}, r"flags is \[1\], not an object"),
    ],
)
def test_bad_files_are_refused(tmp_path, more, words):
    path = write(tmp_path, **more)
    with pytest.raises(MarkError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_places_without_labelme_files(tmp_path):
    with pytest.raises(MarkError, match=r"gone\.json can't be read"):
        read(tmp_path / "gone.json")
    with pytest.raises(MarkError, match="There is no JSON in"):
        read(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(MarkError, match=r"a\.json is no labelme file"):
        read(tmp_path)
