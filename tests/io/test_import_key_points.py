import json
import math

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from spml_core.annotations import KeyPoint
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io import ImportWarnings, read_key_points
from spml_core.io.imports.densepose import run_length_mask

CLASSES = ClassTable.from_names(["background", "head", "hand", "dog"])
SIZES = {"a": (20, 30), "b": (16, 16)}


def read(path, classes=CLASSES, **options):
    warnings = ImportWarnings()
    return read_key_points(path, SIZES, classes, warnings, **options), warnings.lines


def coco(folder, *annotations, names=("head", "hand"), category="person"):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "categories": [{"id": 1, "name": category, "keypoints": names}, {"id": 2, "name": "tree"}],
        "annotations": [
            {"id": 10 + i, "image_id": 1, "category_id": 1, **fields} for i, fields in enumerate(annotations)
        ],
    }
    path = folder / "persons.json"
    path.write_text(json.dumps(content))
    return path


def test_coco_key_points_are_of_the_class_with_their_name(tmp_path):
    path = coco(
        tmp_path,
        {"keypoints": [3, 4, 2, 10, 12, 1], "area": 49, "bbox": [0, 0, 4, 4]},
        {"keypoints": [5, 5, 0, 7, 8, 2], "bbox": [1, 2, 4, 9], "image_id": 2},
        {"keypoints": [1, 2, 2, 5, 11, 2], "area": 0},
        {"keypoints": [0, 0, 0, 0, 0, 0]},
        {"category_id": 2, "bbox": [0, 0, 2, 2]},
        {"keypoints": [], "category_id": 2},
    )
    assert read(path) == (
        {
            "a": [KeyPoint(1, 4, 3, 7), KeyPoint(2, 12, 10, 7), KeyPoint(1, 2, 1, 6), KeyPoint(2, 11, 5, 6)],
            "b": [KeyPoint(2, 8, 7, 6)],
        },
        (),
    )


def test_key_points_of_a_category_that_is_a_class(tmp_path):
    path = coco(
        tmp_path, {"keypoints": [3, 4, 2, 10, 12, 1], "area": 4}, names=["ear", "tail"], category="dog"
    )
    assert read(path)[0] == {"a": [KeyPoint(3, 4, 3, 2), KeyPoint(3, 12, 10, 2)]}


def test_unknown_key_points_are_listed_once(tmp_path):
    shown = {"keypoints": [3, 4, 2, 10, 12, 1, 5, 5, 2, 9, 9, 0], "area": 4}
    path = coco(tmp_path, shown, shown, names=["head", "knee", "toe", "ear"], category="dog")
    with pytest.raises(ClassError, match=r"persons\.json .*: knee, toe\. .*1 head"):
        read(path)
    path = coco(tmp_path, shown, names=["neck", "knee", "toe", "ear"])
    with pytest.raises(ClassError, match="neck, knee, toe"):
        read(path)


def test_key_points_outside_and_crowds_are_left_out(tmp_path):
    path = coco(
        tmp_path,
        {"keypoints": [30, 4, 2, 10, 12, 1], "area": 4},
        {"keypoints": [3, 4, 2, 10, 12, 1], "area": 4, "iscrowd": 1},
    )
    marks, (crowds, outside) = read(path)
    assert marks == {"a": [KeyPoint(2, 12, 10, 2)]}
    assert "annotation 11 on 'a'" in crowds
    assert "annotation 10, head on 'a'" in outside


@pytest.mark.parametrize(
    "annotation",
    [
        {"keypoints": [3, 4, 2, 0, 0, 0]},
        {"keypoints": [3, 4, 2, 3, 9, 2], "bbox": [1, 1, 0, 5]},
        {"keypoints": [3, 4, 2, 3, 9, 2], "bbox": [1, 1, 1e200, 1e200]},
    ],
)
def test_an_object_without_a_size_is_left_out(tmp_path, annotation):
    path = coco(tmp_path, annotation, {"keypoints": [10, 12, 1, 0, 0, 0], "area": 4})
    marks, (line,) = read(path)
    assert len(marks["a"]) == 1 and marks["a"][0].size == 2
    assert "of no known size" in line and "annotation 10 on 'a'" in line


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ({"keypoints": [3, 4, 2]}, "annotation 10 has 3 numbers for the 2 key points"),
        ({"keypoints": [3, 4, 2, 5, None, 2]}, "annotation 10: keypoints is"),
        ({"keypoints": "many"}, "annotation 10: keypoints is 'many'"),
        ({"keypoints": [3, 4, 2, 3, 9, 2], "area": "big"}, "annotation 10: area"),
        ({"keypoints": [3, 4, 2, 3, 9, 2], "category_id": 2}, "6 numbers for the 0 key points"),
    ],
)
def test_bad_key_points_are_refused(tmp_path, annotation, words):
    path = coco(tmp_path, annotation)
    with pytest.raises(MarkError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_coco_without_key_points(tmp_path):
    with pytest.raises(MarkError, match="names no key points"):
        read(coco(tmp_path, names=[]))
    with pytest.raises(MarkError, match="names a key point 3"):
        read(coco(tmp_path, names=["head", 3]))


def table(folder, text):
    path = folder / "parts.csv"
    path.write_text(text)
    return path


def test_a_table_with_sizes(tmp_path):
    path = table(tmp_path, "image;x;y;class;size\na.png;3,5;4;head;6,5\nb;0;0;2;1\n")
    assert read(path) == ({"a": [KeyPoint(1, 4, 3.5, 6.5)], "b": [KeyPoint(2, 0, 0, 1)]}, ())


def test_sizes_from_the_box_around_an_instance(tmp_path):
    text = "image,x,y,class,instance,size\na,2,1,head,p\na,11,5,hand,p\na,4,4,head,q,3\nb,1,1,head,p,2\n"
    assert read(table(tmp_path, text))[0] == {
        "a": [KeyPoint(1, 1, 2, 6), KeyPoint(2, 5, 11, 6), KeyPoint(1, 4, 4, 3)],
        "b": [KeyPoint(1, 1, 1, 2)],
    }


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            "image,x,y,class\na,1,1,head\n",
            MarkError,
            "line 2: the object's size is unknown. Add a column size",
        ),
        ("image,x,y,class,size\na,1,1,head,0\n", MarkError, "line 2: size is 0"),
        ("image,x,y,class,size\na,1,1,head,big\n", MarkError, "line 2: size is 'big'"),
        (
            "image,x,y,class,instance\na,1,1,head,p\na,1,5,hand,p\n",
            MarkError,
            "line 2: .*'p' enclose no area",
        ),
        ("image,x,y,class,size\na,30,1,head,2\n", MarkError, "line 2: the point x = 30"),
        ("image,x,y,class,size\nz,3,1,head,2\n", MarkError, "line 2: there is no picture 'z'"),
        ("image,x,y,class,size\na,3,1,knee,2\n", ClassError, "line 2: Unknown class 'knee'"),
        ("image,x,class,size\na,3,head,2\n", MarkError, "lacks the columns y"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, kind, words):
    path = table(tmp_path, text)
    with pytest.raises(kind, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


PARTS = ClassTable.from_names(["background", *(f"part {i}" for i in range(1, 15))])


def packed(mask):
    """COCO's own packing."""
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


@pytest.mark.parametrize("seed", range(6))
def test_run_lengths_as_coco_packs_them(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.random((rng.integers(1, 9), rng.integers(1, 9))) < 0.5
    mask = np.kron(coarse, np.ones((17, 40), bool))
    mask[rng.random(mask.shape) < 0.02] ^= True
    np.testing.assert_array_equal(run_length_mask("x", packed(mask)), mask)
    runs, inside, column = [0], False, mask.T.ravel()
    for value in column:
        if value != inside:
            runs.append(0)
            inside = value
        runs[-1] += 1
    np.testing.assert_array_equal(
        run_length_mask("x", {"size": mask.shape, "counts": runs} | {"size": [*mask.shape]}), mask
    )


def test_densepose_parts_are_points_at_their_centres(tmp_path):
    torso = np.zeros((256, 256), bool)
    torso[64:129, 0:65] = True  # its centre is row 96, column 32
    ring = np.zeros((256, 256), bool)
    ring[100:200, 100:200] = True
    ring[110:200, 110:200] = False
    masks = [packed(torso), [], packed(ring)] + [[]] * 10 + [packed(np.zeros((256, 256), bool))]
    person = {"dp_masks": masks, "bbox": [2, 4, 16, 8], "area": 81, "keypoints": [1, 1, 2, 3, 3, 2]}
    marks, lines = read(coco(tmp_path, person, {"bbox": [0, 0, 3, 3]}), PARTS, densepose=True)
    assert lines == ()
    first, third = marks["a"]
    assert first == KeyPoint(1, 4 + 8 * 96.5 / 256 - 0.5, 2 + 16 * 32.5 / 256 - 0.5, 9)
    assert (third.class_index, third.size) == (3, 9)
    y, x = (third.y + 0.5 - 4) * 256 / 8 - 0.5, (third.x + 0.5 - 2) * 256 / 16 - 0.5
    assert ring[round(y), round(x)]
    ((mean_y, mean_x),) = [np.argwhere(ring).mean(axis=0)]
    best = min(math.dist(place, (mean_y, mean_x)) for place in np.argwhere(ring))
    assert math.dist((y, x), (mean_y, mean_x)) == pytest.approx(best)


def test_densepose_parts_outside_are_left_out(tmp_path):
    whole = packed(np.ones((8, 8), bool))
    path = coco(tmp_path, {"dp_masks": [whole, whole], "bbox": [28, 4, 16, 8]})
    marks, (line,) = read(path, PARTS, densepose=True)
    assert marks == {}
    assert "annotation 10, part 1 and 1 more" in line


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({"size": [4, 4], "counts": [3, 4]}, "part 1: the run lengths .* don't fill 4 x 4"),
        ({"size": [4, 4], "counts": [20, -4]}, "don't fill"),
        ({"size": [4, 4], "counts": "\n"}, "don't fill"),
        ({"size": [4, 4], "counts": "oooooooooooo"}, "don't fill"),
        ({"size": [1 << 40, 1 << 40], "counts": [1 << 80]}, "don't fill"),
        ({"size": [0, 0], "counts": []}, "don't fill"),
        ({"size": [4], "counts": "1"}, "part 1: size is"),
        ({"size": [4, 4]}, "part 1: counts is nothing"),
        ("mask", "part 1 is 'mask', not an object"),
    ],
)
def test_bad_densepose_masks_are_refused(tmp_path, mask, words):
    path = coco(tmp_path, {"dp_masks": [mask], "bbox": [2, 4, 16, 8]})
    with pytest.raises(MarkError, match=words) as caught:
        read(path, PARTS, densepose=True)
    assert str(path) in str(caught.value)


def test_densepose_needs_its_classes_a_box_and_json(tmp_path):
    mask = packed(np.ones((8, 8), bool))
    path = coco(tmp_path, {"dp_masks": [[], [], [], mask], "bbox": [2, 4, 16, 8]})
    with pytest.raises(ClassError, match="part 4 would be class 4; the project has 4 classes"):
        read(path, densepose=True)
    with pytest.raises(MarkError, match="part 1 on 'a' has no bbox"):
        read(coco(tmp_path, {"dp_masks": [mask]}), PARTS, densepose=True)
    with pytest.raises(MarkError, match=r"parts\.csv is no JSON file"):
        read(table(tmp_path, ""), PARTS, densepose=True)
