"""Lines of YOLO label files as detectors, trackers, pose estimators and segmenters write them."""

import pytest

from spml_core.annotations import Box
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io import ImportWarnings, read_boxes

CLASSES = ClassTable.from_names(["background", "cell", "dog"])
SIZES = {"a": (100, 100), "b": (100, 100)}
BOX = "0.4 0.5 0.2 0.4"
PLACE = (30, 30, 70, 50)  # top, left, bottom and right of that


def read(tmp_path, *files, yaml="names: [cell, dog]\n"):
    (tmp_path / "labels").mkdir(exist_ok=True)
    for name, lines in zip("ab", files, strict=False):
        (tmp_path / "labels" / f"{name}.txt").write_text("\n".join(lines))
    (tmp_path / "data.yaml").write_text(yaml)
    warnings = ImportWarnings()
    marks = read_boxes(tmp_path, SIZES, CLASSES, warnings)
    found = {
        name: [
            (m.class_index, *(round(edge, 3) for edge in (m.top, m.left, m.bottom, m.right))) for m in each
        ]
        for name, each in marks.items()
        if all(isinstance(m, Box) for m in each)
    }
    return found, warnings.lines


@pytest.mark.parametrize("tail", ["", " 0.93", " 0.93 7", " 1 3", " 7", " 0.5 1"])
def test_scores_and_numbers_of_tracks_are_left_out(tmp_path, tail):
    assert read(tmp_path, [f"0 {BOX}{tail}"]) == ({"a": [(1, *PLACE)]}, ())


def test_one_track_tells_of_the_others(tmp_path):
    lines = [f"0 {BOX} 0.93 1", f"1 {BOX} 0.4 2"]
    assert read(tmp_path, lines) == ({"a": [(1, *PLACE), (2, *PLACE)]}, ())


def test_three_corners_are_an_outline(tmp_path):
    found, (warning,) = read(tmp_path, ["0 0.1 0.2 0.5 0.2 0.3 0.9"])
    assert found == {"a": [(1, 20, 10, 90, 50)]}
    assert "Outlines were left out" in warning


def test_what_may_be_a_track_or_an_outline_is_refused(tmp_path):
    with pytest.raises(MarkError, match=r"a\.txt, line 1 may be a box with a score and .*an outline"):
        read(tmp_path, ["0 5e-1 5e-1 5e-1 5e-1 1 1"])


@pytest.mark.parametrize(
    ("shape", "points"),
    [
        ("kpt_shape: [2, 3]", "0.41 0.45 2 0.38 0.6 1"),
        ("kpt_shape: [2, 2]", "0.41 0.45 0.38 0.6"),
        ("kpt_shape:\n  - 2\n  - 2", "0.9 0.9 0.1 0.1"),
        ("kpt_shape: [1, 2]  # one", "0.41 0.45"),
        ("kpt_shape: [2, 2]", "0.41 0.45 0.38 0.6 0.9"),
        ("kpt_shape: [2, 2]", "0.41 0.45 0.38 0.6 0.9 12"),
    ],
)
def test_poses_are_told_by_the_data_set(tmp_path, shape, points):
    yaml = f"names: [cell, dog]\n{shape}\n"
    assert read(tmp_path, [f"1 {BOX} {points}"], yaml=yaml) == ({"a": [(2, *PLACE)]}, ())


def test_a_pose_of_another_length_is_refused(tmp_path):
    with pytest.raises(MarkError, match=r"line 1 has 10 numbers.*kpt_shape a pose has 13"):
        read(tmp_path, [f"0 {BOX} 0.4 0.5 2 0.4 0.5 2"], yaml="names: [cell]\nkpt_shape: [3, 3]\n")
    with pytest.raises(MarkError, match=r"data\.yaml: kpt_shape is"):
        read(tmp_path, [f"0 {BOX}"], yaml="names: [cell]\nkpt_shape: many\n")


def test_poses_of_three_numbers_are_told_by_how_well_points_are_seen(tmp_path):
    lines = [f"0 {BOX} 0.41 0.45 2 0.38 0.6 0", f"1 {BOX} 0.4 0.5 1 0 0 0"]
    assert read(tmp_path, lines) == ({"a": [(1, *PLACE), (2, *PLACE)]}, ())


def test_poses_of_two_numbers_that_nobody_tells_of_are_warned_of(tmp_path):
    lines = [f"0 {BOX} 0.41 0.45 0.38 0.6", f"1 {BOX} 0.4 0.5 0.42 0.41"]
    _, (warning, _) = read(tmp_path, lines)
    assert "were taken for outlines" in warning and "kpt_shape" in warning


def test_turned_boxes_and_outlines_of_any_length(tmp_path):
    turned = "0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5"
    found = {"a": [(1, 10, 10, 90, 90)]}
    assert read(tmp_path, [turned]) == (found, ())
    assert read(tmp_path, [turned, turned]) == ({"a": found["a"] * 2}, ())
    many = "1 0.1 0.1 0.3 0.1 0.5 0.2 0.5 0.4 0.2 0.5"
    assert read(tmp_path, [turned, many])[0]["a"][1] == (2, 10, 10, 50, 50)


def test_outlines_of_a_segmenter_with_scores_and_tracks(tmp_path):
    outline = "1 0.1 0.1 0.3 0.1 0.5 0.2 0.5 0.4 0.2 0.5"
    for tail in (" 0.88", " 0.88 12", " 12"):
        assert read(tmp_path, [outline + tail])[0] == {"a": [(2, 10, 10, 50, 50)]}


@pytest.mark.parametrize("name", ["README.roboflow.txt", "README.dataset.txt", "LICENSE.txt", "notes.txt"])
@pytest.mark.parametrize("where", ["", "labels"])
def test_other_texts_are_left_out_with_a_line(tmp_path, name, where):
    (tmp_path / "labels").mkdir()
    (tmp_path / where / name).write_text("Provided by somebody\nhttps://example.org 3 of 4\n")
    found, (warning,) = read(tmp_path, [f"0 {BOX}"])
    assert found == {"a": [(1, *PLACE)]}
    assert name in warning and "hold no labels" in warning


def test_labels_of_no_picture_are_no_other_texts(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "zebra.txt").write_text(f"0 {BOX}\n")
    with pytest.raises(MarkError, match=r"zebra\.txt belongs to no picture"):
        read(tmp_path, [f"0 {BOX}"])
