"""What YOLO's lines are: told by the data set, or by all lines together, and never guessed in silence."""

import numpy as np
import pytest

from spml_core.annotations import Box, Tag
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io import ImportWarnings, read_boxes
from spml_core.io.imports.yolo_names import hints_in_yaml

CLASSES = ClassTable.from_names(["background", "cell", "dog"])
SIZES = {"a": (100, 100), "b": (100, 100)}
NAMES = "names: [cell, dog]\n"

PLAIN = Box(1, 40, 30, 60, 70)  # 0.5 0.5 0.4 0.2
BOX = "0 0.5 0.5 0.4 0.2"
KEY_POINTS_2 = "0.35 0.45 0.5 0.55"
KEY_POINTS_3 = "0.35 0.45 2 0.5 0.55 1 0 0 0"
SKEWED = "0.3 0.42 0.7 0.41 0.66 0.6 0.33 0.58"


def dataset(folder, *files, yaml=NAMES, name="data.yaml"):
    """A data set with the lines of each file, of pictures a, b."""
    (folder / "labels").mkdir(parents=True)
    for stem, lines in zip("ab", files, strict=False):
        (folder / "labels" / f"{stem}.txt").write_text("\n".join(lines))
    (folder / name).write_text(yaml)
    return folder


def read(folder):
    warnings = ImportWarnings()
    marks = read_boxes(folder, SIZES, CLASSES, warnings)
    return {
        name: [
            Box(m.class_index, *(round(n, 6) for n in (m.top, m.left, m.bottom, m.right)))
            if isinstance(m, Box)
            else m
            for m in its_marks
        ]
        for name, its_marks in marks.items()
    }, warnings.lines


BOXES = {
    "plain": ([BOX], NAMES),
    "score": ([f"{BOX} 0.87"], NAMES),
    "track number": ([f"{BOX} 12"], NAMES),
    "score and track number": ([f"{BOX} 0.87 3", f"{BOX} 0.5 1"], NAMES),
    "track number and score": ([f"{BOX} 3 0.87"], NAMES),
    "only the first track": ([f"{BOX} 0.9 1"], NAMES),
    "some not tracked": ([BOX, f"{BOX} 0.4", f"{BOX} 0.9 1"], NAMES),
    "2D pose": ([f"{BOX} {KEY_POINTS_2}"], f"{NAMES}kpt_shape: [2, 2]"),
    "3D pose": ([f"{BOX} {KEY_POINTS_3}"], f"{NAMES}kpt_shape: [3, 3]"),
    "pose with score": ([f"{BOX} {KEY_POINTS_2} 0.9"], f"{NAMES}kpt_shape: [2, 2]"),
    "pose with track": ([f"{BOX} {KEY_POINTS_2} 0.9 4"], f"{NAMES}kpt_shape: [2, 2]"),
    "a box among poses": ([f"{BOX} {KEY_POINTS_2}", BOX], f"kpt_shape:\n- 2\n- 2\n{NAMES}"),
    "one key point": ([f"{BOX} 0.4 0.5"], f"{NAMES}kpt_shape: [1, 2]"),
    "3D pose, unsaid": ([f"{BOX} {KEY_POINTS_3}"], NAMES),
    "3D pose with score, unsaid": ([f"{BOX} {KEY_POINTS_3} 0.7"], NAMES),
    "task detect": ([f"{BOX} 0.1 0.2 0.3 0.4"], f"{NAMES}task: detect\n"),
    "task pose": ([f"{BOX} {KEY_POINTS_2}"], f"{NAMES}task: 'pose'\n"),
}


@pytest.mark.parametrize("case", BOXES)
def test_boxes_with_more_behind_them(tmp_path, case):
    lines, yaml = BOXES[case]
    marks, told = read(dataset(tmp_path, lines, [], yaml=yaml))
    assert marks == {"a": [PLAIN] * len(lines), "b": [Tag(0, complete=True)]}
    assert told == ()


def numbers(*pairs):
    return " ".join(f"{share:g}" for share in np.ravel(pairs))


TRIANGLE = numbers((0.3, 0.4), (0.7, 0.6), (0.35, 0.55))
TURNED = numbers((0.5, 0.4), (0.7, 0.5), (0.5, 0.6), (0.3, 0.5))
FIVE = numbers((0.3, 0.4), (0.5, 0.4), (0.7, 0.5), (0.5, 0.6), (0.4, 0.58))
SEVEN = numbers((0.3, 0.4), (0.5, 0.4), (0.7, 0.5), (0.6, 0.58), (0.5, 0.6), (0.4, 0.58), (0.35, 0.5))
OUTLINES = {
    "triangles": [f"0 {TRIANGLE}", f"0 {TRIANGLE}"],
    "a triangle among others": [f"0 {TRIANGLE}", f"0 {FIVE}", f"0 {SEVEN}"],
    "oriented boxes": [f"0 {TURNED}"],
    "oriented boxes with score": [f"0 {TURNED} 0.8"],
    "oriented boxes with score and track": [f"0 {TURNED} 0.8 2"],
    "outlines with scores": [f"0 {FIVE} 0.8", f"0 {SEVEN} 0.3"],
    "outlines with scores and tracks": [f"0 {FIVE} 0.8 1", f"0 {SEVEN} 0.3 2"],
    "outlines with scores and the first track": [f"0 {FIVE} 0.95 1", f"0 {SEVEN} 0.95 1"],
    "four corners": [f"0 {SKEWED}"],
}


@pytest.mark.parametrize("case", OUTLINES)
def test_of_outlines_the_box_around_them_and_of_true_ones_a_line(tmp_path, case):
    marks, told = read(dataset(tmp_path, OUTLINES[case]))
    if case == "four corners":
        assert marks == {"a": [Box(1, 41, 30, 60, 70)]}
    else:
        assert marks == {"a": [PLAIN] * len(OUTLINES[case])}
    assert len(told) == ("oriented" not in case)
    assert all("Outlines were left out" in line and "masks" in line for line in told)


def test_upright_boxes_as_outlines_lose_nothing(tmp_path):
    corners = numbers((0.3, 0.4), (0.7, 0.4), (0.7, 0.6), (0.3, 0.6))
    assert read(dataset(tmp_path, [f"0 {corners}"])) == ({"a": [PLAIN]}, ())


def pose_like(count):
    """Lines that may be boxes with two key points each, or outlines of four corners."""
    rng = np.random.default_rng(count)
    return [f"0 0.5 0.5 0.4 0.2 {numbers(*rng.uniform(0.42, 0.58, (2, 2)))}" for _ in range(count)]


def test_what_may_be_key_points_or_outlines_is_said(tmp_path):
    _, told = read(dataset(tmp_path / "unsaid", pose_like(3)))
    assert "taken for outlines" in told[0] and "kpt_shape" in told[0]
    marks, _ = read(dataset(tmp_path / "said", pose_like(3), yaml=f"{NAMES}task: segment"))
    assert len(marks["a"]) == 3
    marks, _ = read(dataset(tmp_path / "pose", pose_like(3), yaml=f"{NAMES}kpt_shape: [2, 2]"))
    assert marks == {"a": [PLAIN] * 3}


@pytest.mark.parametrize(
    ("lines", "yaml", "words"),
    [
        (
            [f"{BOX} {KEY_POINTS_2}"],
            f"{NAMES}kpt_shape: [5, 3]",
            "line 1 has 8 numbers behind its class; by kpt_shape a pose has 19",
        ),
        ([BOX, f"{BOX} 0.1 0.2 0.3"], NAMES, "line 2 holds"),
        ([f"0 {TRIANGLE} 0.8"], NAMES, "line 1 holds"),
        (["0 0.5 0.5 0.4 0.2 0.5 7", "0 0.1 0.1 0.9 0.9 0.5 1"], NAMES, "line 2 is neither a box"),
        ([BOX], f"{NAMES}kpt_shape: many", "kpt_shape is not understood: 'many'"),
        ([BOX], f"{NAMES}kpt_shape: [0, 2]", "kpt_shape is not understood"),
    ],
)
def test_what_fits_nothing_is_refused(tmp_path, lines, yaml, words):
    with pytest.raises(MarkError, match=words) as caught:
        read(dataset(tmp_path, lines, yaml=yaml))
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "kpt_shape: [17, 3]",
        "kpt_shape: [ 17,3 ]  # x, y, visible",
        "kpt_shape:\n- 17\n- 3",
        "kpt_shape:\n  - 17\n  - 3\nnc: 1",
    ],
)
def test_the_forms_of_kpt_shape(tmp_path, text):
    path = tmp_path / "data.yaml"
    path.write_text(f"train: x\n{text}\nflip_idx: [0, 1]\n")
    assert hints_in_yaml(path).key_points == (17, 3)


STRAYS = {
    "README.roboflow.txt": "Provided by a Roboflow user\nLicense: CC BY 4.0\n",
    "README.dataset.txt": "x",
    "LICENSE.txt": "MIT",
    "notes.txt": "1 2 3\n",
    "empty.txt": "",
    "readme.txt": "0 0.5 0.5 0.1 0.1 is what a line looks like",
    "list.txt": "images/a.png\nimages/b.png\n",
}


def test_texts_that_are_no_labels_are_left_out(tmp_path):
    folder = dataset(tmp_path, [BOX])
    for name, text in STRAYS.items():
        (folder / name).write_text(text)
    marks, (line,) = read(folder)
    assert marks == {"a": [PLAIN]}
    assert "Text files that hold no labels were left out" in line and "6 more" in line


def test_labels_of_a_picture_that_is_not_there_are_refused_among_strays(tmp_path):
    folder = dataset(tmp_path, [BOX])
    (folder / "README.txt").write_text("x")
    for text in (BOX, ""):
        (folder / "labels/zebra.txt").write_text(text)
        with pytest.raises(MarkError, match=r"zebra\.txt belongs to no picture"):
            read(folder)


@pytest.mark.slow
def test_a_million_names(tmp_path):
    names = "".join(f"  {i}: {'cell' if i == 7 else f'class{i}'}\n" for i in range(10**6))
    folder = dataset(tmp_path, ["7 0.5 0.5 0.4 0.2"], yaml="names:\n" + names)
    assert read(folder)[0] == {"a": [PLAIN]}
