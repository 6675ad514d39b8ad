"""A film is marked, propagated, corrected and survives a kill, with the real window, real keys and a real mouse."""

import shutil
import signal

import av
import numpy as np
import pytest
from desktop import wait_for
from project_window import SLOW, ProjectWindow

from sample_data import sample_path
from spml_core.annotations import Scribble
from spml_core.classes import ClassTable
from spml_core.engine.film_results import FilmResults
from spml_core.engine.propagate import propagate_film
from spml_core.engine.worst_frame import worst_frame
from spml_core.io import read_index_png
from spml_core.project import Project

COUNT = 10
SECOND = 5  # the other marked frame
NUCLEUS = 1
CUT = np.s_[60:180, 80:240]  # of the sample's frames: (120, 160)

ON_GROUND = [(500, 300), (530, 315), (560, 320)]


@pytest.fixture
def film_path(tmp_path):
    """A project of one film: the first frames of the sample, a part of each, brighter than the empty canvas."""
    sample = sample_path("film") / "film.mp4"
    path = tmp_path / "cells.mp4"
    with av.open(str(sample)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=10)
        stream.height, stream.width = 120, 160
        stream.pix_fmt = "yuv420p"
        stream.options = {"flags": "+qscale", "global_quality": "236"}
        for _, frame in zip(range(COUNT), source.decode(video=0), strict=False):
            part = frame.to_ndarray(format="rgb24")[CUT]
            bright = (60 + 0.75 * part).astype(np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(bright, format="rgb24")))
        target.mux(stream.encode(None))
    project = tmp_path / "cells.spml"
    Project.create(project, path, ClassTable.from_names(["ground", "nucleus"])).close()
    return project


class FilmWindow(ProjectWindow):
    """The window of the film's project."""

    def results(self):
        """Keys, label maps and confidences of the frames, as a reader finds them on the disk now."""
        return results_of(self.path)

    def propagate(self):
        """Propagate by key, and wait for the end; the frames that were told as final."""
        states, told = (len(self.desktop.said_of(kind)) for kind in ("propagation", "propagated"))
        self.desktop.key("r")
        self.wait_for_word("propagation", "idle", after=states)
        assert "Traceback" not in self.desktop.log_text()
        return self.final_frames(told)

    def final_frames(self, after=0):
        """Frames that the window was told are done, in the order of their coming."""
        lines = self.desktop.said_of("propagated")[after:]
        return [int(index) for index, is_final in lines if is_final == "True"]

    def frame(self):
        """The frame that the window shows."""
        return int(self.desktop.said_of("picture")[-1][0].rpartition("_")[2])

    def press_and_wait(self, key, frame):
        """Press a key that shows another frame."""
        self.desktop.key(key)
        wait_for(lambda: self.frame() == frame, f"frame {frame}", SLOW)
        wait_for(lambda: self.desktop.said_of("shown")[-1][0].endswith(f"_{frame:06d}"), "its pixels", SLOW)

    def draw_on_ground(self):
        """Draw on what is ground in all frames; where the picture lies on the screen, by this stroke."""
        self.desktop.key("s", "1")
        self.draw(ON_GROUND)
        points = np.array(self.newest_mark().points)
        drawn = np.array(ON_GROUND, float)[:, ::-1]
        self.zoom = np.linalg.norm(drawn[-1] - drawn[0]) / np.linalg.norm(points[-1] - points[0])
        self.corner = drawn[0] - self.zoom * points[0]

    def draw_on_a_nucleus(self, frame):
        """Draw through the middle of the frame's largest nucleus."""
        self.desktop.key("s", "2")
        row, column = middle_of_a_nucleus(frame)
        places = [self.corner + self.zoom * np.array([row, column + step]) for step in (-2, 0, 2)]
        self.draw([(x, y) for y, x in places])

    def newest_mark(self):
        """The mark that was made last, of the frame that is shown."""
        with Project.open(self.path, write=False) as project:
            marks = project.marks(project.frame(project.films[0], self.frame()).id)
            return marks[max(marks)]


def results_of(path):
    with Project.open(path, write=False) as project:
        film = project.films[0]
        with FilmResults.of(project, film) as results:
            return (
                results.keys(),
                [results.labels(index) for index in range(film.count)],
                results.confidences(),
            )


def middle_of_a_nucleus(frame):
    """Row and column in the film's frame of the pixel that is farthest from all that is no nucleus."""
    from scipy.ndimage import distance_transform_edt

    truth = read_index_png(sample_path("film") / "labels" / f"film_{frame:06d}.png")[CUT]
    inside = distance_transform_edt(np.pad(truth > 0, 1))[1:-1, 1:-1]
    return divmod(int(inside.argmax()), truth.shape[1])


def assert_same_labels(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_mark_propagate_step_correct_and_propagate_again(desktop, film_path):
    window = FilmWindow(desktop, film_path, watched=True)
    window.wait_for_word("shown")
    assert window.frame() == 0

    # Two classes on the first frame, by mouse, reach all frames.
    window.draw_on_ground()
    window.draw_on_a_nucleus(0)
    assert [mark.class_index for mark in window.marks()["cells_000000"]] == [0, NUCLEUS]
    assert sorted(window.propagate()) == list(range(COUNT))
    keys, labels, confidences = window.results()
    assert sorted(keys) == list(range(COUNT))
    assert all(frame.shape == (120, 160) for frame in labels)
    assert not np.isnan(confidences).any()
    row, column = middle_of_a_nucleus(COUNT - 1)
    assert labels[-1][row, column] == NUCLEUS
    assert set(np.unique(labels[-1])) == {0, NUCLEUS}

    # By keys through the film, with its labels.
    start = window.frame()
    step, back = ("period", "comma") if start < COUNT - SECOND else ("comma", "period")
    sign = 1 if step == "period" else -1
    window.press_and_wait(step, start + sign)
    window.press_and_wait(step, start + 2 * sign)
    window.press_and_wait(back, start + sign)
    while window.frame() != SECOND:
        sign = np.sign(SECOND - window.frame())
        window.press_and_wait("period" if sign > 0 else "comma", window.frame() + sign)

    # A second marked frame: what lies before and after it is computed from it too.
    window.draw_on_ground()
    window.draw_on_a_nucleus(SECOND)
    assert sorted(set(window.propagate())) == list(range(1, COUNT))
    before, labels_before, _ = window.results()

    # The worst frame, corrected: what lies beyond the neighbouring marked frames stays as it is.
    desktop.key("h")
    with Project.open(film_path, write=False) as project, FilmResults.of(project, project.films[0]) as found:
        worst = worst_frame(found, (0, SECOND))
    wait_for(lambda: window.frame() == worst, f"the worst frame, {worst}", SLOW)
    window.wait_for_word("shown", f"cells_{worst:06d}")
    window.draw_on_ground()
    assert isinstance(window.newest_mark(), Scribble)
    window.draw_on_a_nucleus(worst)
    reached = list(range(1, SECOND)) if worst < SECOND else list(range(SECOND + 1, COUNT))
    assert sorted(set(window.propagate())) == reached
    after, labels_after, _ = window.results()
    assert [index for index in range(COUNT) if after[index] != before[index]] == reached
    others = [index for index in range(COUNT) if index not in reached]
    assert_same_labels([labels_after[index] for index in others], [labels_before[index] for index in others])


@pytest.mark.slow  # a shorter one of the same is in tests/napari/test_propagation_control.py
def test_killed_in_the_middle_it_goes_on_and_comes_to_the_same(desktop, film_path, tmp_path):
    with Project.open(film_path) as project:
        film = project.films[0]
        for frame in (0, SECOND):
            row, column = middle_of_a_nucleus(frame)
            nucleus = Scribble(NUCLEUS, ((row, column - 2), (row, column + 2)), 3)
            ground = Scribble(0, ((4, 4), (4, 30)), 3)
            project.add_marks({project.frame(film, frame).id: [ground, nucleus]}, "Marks")
    copy = tmp_path / "copy.spml"
    shutil.copytree(film_path, copy)

    window = FilmWindow(desktop, film_path, watched=True)
    marks = window.marks()
    desktop.key("r")
    wait_for(window.final_frames, "the first frame that is done", SLOW)
    kill_all(desktop)
    told = set(window.final_frames())
    known, labels, _ = window.results()
    assert told <= set(known)  # what was told was on the disk
    assert 0 < len(known) < COUNT
    assert window.marks() == marks

    window = FilmWindow(desktop, film_path, watched=True)
    assert window.marks() == marks
    assert sorted(window.propagate()) == [index for index in range(COUNT) if index not in known]
    keys, finished, confidences = window.results()
    assert {index: keys[index] for index in known} == known
    assert_same_labels([finished[index] for index in known], [labels[index] for index in known])

    with Project.open(copy) as project:
        list(propagate_film(project, project.films[0]))
    copy_keys, expected, copy_confidences = results_of(copy)
    assert keys == copy_keys
    assert_same_labels(finished, expected)
    np.testing.assert_allclose(confidences, copy_confidences, atol=1e-6)


def kill_all(desktop):
    """The window and its processes, as a power cut ends them."""
    children = desktop.children()
    desktop.kill()
    for child in children:
        if child.is_running():
            child.send_signal(signal.SIGKILL)
