"""Suggestions on frames that something was propagated to: marks correct it."""

import numpy as np
import pytest

from spml_core.annotations import Scribble, Tag
from spml_core.classes import ClassTable
from spml_core.engine.film_results import FilmResults
from spml_core.engine.suggest import Suggester
from spml_core.films import write_zarr_film
from spml_core.project import Project
from spml_core.video.span import FrameResult

SIZE = (72, 96)


def picture():
    """Two discs alike on a striped ground, and where they are."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    left, right = ((y - 36) ** 2 + (x - at) ** 2 < 200 for at in (24, 72))
    rgb = np.stack([90 + 20 * (y // 6 % 2)] * 3, -1)
    rgb[left | right] = (200, 60, 40)
    return (rgb + np.random.default_rng(0).normal(0, 4, rgb.shape)).clip(0, 255).astype(np.uint8), left, right


@pytest.fixture
def project(tmp_path):
    rgb, left, right = picture()
    film = write_zarr_film(np.stack([rgb] * 4), tmp_path / "discs.zarr", 5)
    classes = ClassTable.from_names(["ground", "disc", "other"])
    with Project.create(tmp_path / "p.spml", (), classes, films=[film]) as made:
        with FilmResults.of(made, made.films[0]) as results:
            labels = (left | right).astype(np.uint8)
            results.put(FrameResult(2, labels, 0.9, True, "forward"), "key")
        yield made


def suggested(project, index, marks):
    found = Suggester(project, "cpu").suggest(project.frame(project.films[0], index), marks)
    assert found is not None
    return found.labels


def test_one_stroke_corrects_what_was_propagated_and_the_rest_stays(project):
    _, left, right = picture()
    stroke = [Scribble(2, ((36, 66), (36, 78)), 6)]
    labels = suggested(project, 2, stroke)
    assert (labels[right] == 2).mean() > 0.7
    assert (labels[left] == 1).mean() > 0.8
    assert (labels[~(left | right)] == 0).mean() > 0.9
    # Of a frame that nothing was propagated to, the stroke alone can't tell that.
    assert (suggested(project, 0, stroke)[left] == 1).mean() == 0


def test_what_came_of_the_frames_own_marks_is_not_taken_for_a_base(project):
    stroke = [Scribble(2, ((36, 66), (36, 78)), 6)]
    before = suggested(project, 0, stroke)
    with FilmResults.of(project, project.films[0]) as results:
        results.put(FrameResult(0, np.ones(SIZE, np.uint8), 0.9, True, "mark"), "key")
    np.testing.assert_array_equal(suggested(project, 0, stroke), before)


def test_one_class_says_nothing_of_another_frame(project):
    project.add_marks({project.frame(project.films[0], 1).id: [Scribble(1, ((36, 66), (36, 78)), 6)]}, "disc")
    assert (suggested(project, 3, []) == 3).all()


def test_one_class_that_was_propagated_stays_where_it_was(project):
    _, left, right = picture()
    with FilmResults.of(project, project.films[0]) as results:
        labels = np.where(left | right, 1, 3).astype(np.uint8)
        results.put(FrameResult(3, labels, 0.9, True, "forward"), "key")
    labels = suggested(project, 3, [])
    assert (labels[left | right] == 1).mean() > 0.8
    assert (labels[~(left | right)] == 3).mean() > 0.9


def test_what_was_propagated_is_corrected_by_a_complete_list_of_tags(project):
    assert 1 in suggested(project, 2, [])
    assert set(np.unique(suggested(project, 2, [Tag(2)]))) <= {0, 2}
