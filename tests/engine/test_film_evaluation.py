"""How good and how steady films' labels are, from files and from a project."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point, Scribble
from spml_core.classes import ClassTable
from spml_core.engine.film_evaluation import (
    check_flicker_path,
    evaluate_film,
    evaluate_film_files,
    evaluate_project_film,
    match_frames,
    write_flicker_map,
)
from spml_core.errors import ConfigError, MarkError, ProjectError
from spml_core.films import film_from_array, open_film
from spml_core.metrics import ConfusionMatrix

sys.path.insert(0, str(Path(__file__).parent))  # pytest puts no test folder there
from small_films import (
    COUNT,
    SIZE,
    accept,
    labels_of,
    make_project,
    pixels_of,
    put,
    write_sequence,
    write_video,
)

CLASSES = ClassTable.from_names(["background", "ball", "wall"])


def write_masks(folder, names, labels=labels_of):
    folder.mkdir()
    for name, index in names.items():
        Image.fromarray(labels(index)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def shots(tmp_path):
    """Frames shot007.png to shot012.png."""
    return write_sequence(tmp_path / "shots")


def test_perfect_and_steady(shots, tmp_path):
    predictions = write_masks(tmp_path / "p", {f"shot{i + 7:03d}": i for i in range(COUNT)})
    masks = write_masks(tmp_path / "m", {"shot008": 1, "shot011": 4})
    told = []
    found = evaluate_film_files(
        shots, predictions, masks, CLASSES, progress=lambda done, total: told.append((done, total))
    )
    assert (found.frames, found.scored, found.pairs) == (COUNT, 2, COUNT - 1)
    assert found.scores.miou == 1
    assert found.corrected > 0.97
    assert found.literature <= found.corrected
    assert told == [(i + 1, COUNT) for i in range(COUNT)]
    assert found.flicker.shape == SIZE


def test_without_masks_only_steadiness(shots, tmp_path):
    predictions = write_masks(tmp_path / "p", {f"{i}": i for i in range(COUNT)})
    found = evaluate_film_files(shots, predictions, None, CLASSES, flow="identity")
    assert found.scores is None
    assert found.scored == 0
    # Without motion the ball's new place counts as a change: what is there in both frames over what is in either.
    frames = [labels_of(i) for i in range(COUNT)]
    ious = []
    for code in (0, 1):
        both = sum(((a == code) & (b == code)).sum() for a, b in pairwise(frames))
        either = sum(((a == code) | (b == code)).sum() for a, b in pairwise(frames))
        ious.append(both / either)
    assert found.corrected == pytest.approx(np.mean(ious))
    assert found.literature == pytest.approx(np.mean(ious))
    changes = sum((a != b).astype(float) for a, b in pairwise(frames)) / (COUNT - 1)
    np.testing.assert_allclose(found.flicker, changes, atol=1e-6)


def test_only_frames_that_follow_one_another_are_compared():
    film = film_from_array(np.stack([pixels_of(0)] * 5))
    asked = {0: labels_of(0), 1: labels_of(0), 3: labels_of(5), 4: labels_of(5)}
    found = evaluate_film(film, asked.get, lambda index: None, 3, flow="identity")
    assert (found.frames, found.pairs, found.corrected) == (4, 2, 1.0)
    nothing = evaluate_film(film, lambda index: None, lambda index: None, 3)
    assert (nothing.frames, nothing.pairs, nothing.scores) == (0, 0, None)
    assert np.isnan(nothing.corrected)
    assert np.isnan(nothing.flicker).all()


@pytest.mark.parametrize(
    "names",
    [
        {f"shot{i + 7:03d}": i for i in (0, 2, 5)},
        {f"shots_shot{i + 7:03d}": i for i in (1, 5)},
        {f"anything_{i:06d}": i for i in (1, 4)},
        {f"{i}": i for i in (0, 5)},
        {f"{i:05d}": i for i in range(COUNT)},
        {f"frame-{chr(97 + i)}": i for i in range(COUNT)},
        {f"{i + 1:04d}": i for i in range(COUNT)},
    ],
    ids=["stems", "name and stem", "name and number", "numbers", "all numbers", "in order", "numbers from 1"],
)
def test_files_find_their_frames(shots, tmp_path, names):
    files = {stem: tmp_path / f"{stem}.png" for stem in names}
    with open_film(shots) as film:
        assert match_frames(files, film) == {index: files[stem] for stem, index in names.items()}


@pytest.mark.parametrize(
    ("stems", "odd"),
    [
        (["shot007", "shot099"], "shot099.png fits no frame"),
        (["000001", "000006"], "000006.png fits no frame"),
        (["a_000001", "b_000002"], "a_000001.png fits no frame"),
        (["1", "01"], "others fit one frame"),
        (["0", "x", "2"], "x.png fits no frame"),
    ],
)
def test_a_file_that_fits_no_frame_is_named(shots, tmp_path, stems, odd):
    with (
        open_film(shots) as film,
        pytest.raises(MarkError, match=rf"{odd} of .*shots; there are .* and 6 frames"),
    ):
        match_frames({stem: tmp_path / f"{stem}.png" for stem in stems}, film)


def test_files_that_dont_fit_are_named(tmp_path, shots):
    predictions = write_masks(tmp_path / "p", {f"{i}": i for i in (0, 1)})
    lonely = write_masks(tmp_path / "m1", {"3": 3})
    with pytest.raises(MarkError, match=r"3\.png has no prediction in .*p\."):
        evaluate_film_files(shots, predictions, lonely, CLASSES)
    small = write_masks(tmp_path / "m2", {"1": 1}, labels=lambda index: np.zeros((4, 5), np.uint8))
    with pytest.raises(
        MarkError, match=r"1\.png against .*1\.png: the truth is 4 x 5 pixels, the film 32 x 48"
    ):
        evaluate_film_files(shots, predictions, small, CLASSES)
    strange = write_masks(tmp_path / "m3", {"1": 1}, labels=lambda index: np.full(SIZE, 9, np.uint8))
    with pytest.raises(MarkError, match=r"1\.png against .*m3.*code 9"):
        evaluate_film_files(shots, predictions, strange, CLASSES)
    with pytest.raises(ConfigError, match="'fast'"):
        evaluate_film_files(shots, predictions, None, CLASSES, flow="fast")


def test_a_project_film_against_its_marks(tmp_path):
    with make_project(tmp_path, [write_video(tmp_path / "v" / "clip.mp4")]) as project:
        film = project.film("clip")
        with pytest.raises(ProjectError, match="Nothing was propagated"):
            evaluate_project_film(project, film)
        put(project, film, range(4))
        marks = {
            project.frame(film, 0).id: [
                Scribble(1, ((15, 8), (15, 15)), 1),
                Scribble(0, ((3, 2), (3, 40)), 1),
            ],
            project.frame(film, 2).id: [Point(2, 30, 25)],
            project.frame(film, 5).id: [Point(2, 30, 25)],  # nothing was propagated to it
        }
        project.add_marks(marks, "Draw")
        found = evaluate_project_film(project, film, flow="identity")
        assert (found.frames, found.scored, found.pairs) == (4, 2, 3)
        matrix = ConfusionMatrix(3)
        for index in (0, 2):
            matrix.update(project.weak_labels(project.frame(film, index)), labels_of(index))
        assert found.scores == matrix.scores()
        assert 0 < found.scores.accuracy < 1
        assert 0 < found.corrected < 1


def test_predictions_of_a_deleted_class_dont_count(tmp_path):
    with make_project(tmp_path, [write_video(tmp_path / "v" / "clip.mp4")]) as project:
        film = project.film("clip")
        put(project, film, range(2))
        project.delete_class(1)
        accept(project, film, 0, 0)
        found = evaluate_project_film(project, film, flow="identity")
        assert found.scores.accuracy == 1
        assert found.scored == 1


def test_a_flicker_map_is_a_heat_map(tmp_path):
    flicker = np.zeros((20, 30), np.float32)
    flicker[5:10, 5:10] = 0.25
    flicker[12, 12] = 0.5
    flicker[:, -1] = np.nan
    assert write_flicker_map(tmp_path / "f.png", flicker) == 0.5
    shown = np.array(Image.open(tmp_path / "f.png").convert("RGB")).astype(int)
    assert (shown[0, 0] <= 16).all()
    assert (shown[12, 12] >= 240).all()
    assert shown[0, 0].sum() < shown[7, 7].sum() < shown[12, 12].sum()
    assert shown[7, 7, 0] > shown[7, 7, 2]
    np.testing.assert_array_equal(shown[:, -1], 96)
    assert write_flicker_map(tmp_path / "g.png", np.full((4, 4), np.nan, np.float32)) == 0


def test_where_no_flicker_map_can_be(tmp_path):
    with pytest.raises(ConfigError, match=r"map\.jpg"):
        check_flicker_path(tmp_path / "map.jpg")
    with pytest.raises(ConfigError, match=r"none.*isn't there"):
        check_flicker_path(tmp_path / "none" / "map.png")
    check_flicker_path(tmp_path / "map.png")
