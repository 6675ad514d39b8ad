"""Frames on the canvas: the right pixels, no flicker between them, marks drawn on them."""

import threading

import numpy as np
import pytest

from spml_core.annotations import Scribble
from spml_core.errors import FilmError
from spml_core.films import Film
from spml_napari.canvas import Canvas
from spml_napari.view_state import ShownFilmResult, Tool

LONG = 20_000


@pytest.fixture
def canvas(viewer, film_session, executor, qtbot):
    canvas = Canvas(viewer, film_session, executor)
    qtbot.waitUntil(lambda: canvas.is_ready, timeout=LONG)
    qtbot.wait(100)
    canvas.fit()
    yield canvas
    canvas.close()


@pytest.fixture
def gate(monkeypatch):
    """Reading a frame waits until the gate is open; the frames that were read, in order."""
    gate, read = threading.Event(), Film.frame
    gate.set()
    gate.read = []

    def slowly(film, index):
        gate.wait(30)
        gate.read.append(index)
        return read(film, index)

    monkeypatch.setattr(Film, "frame", slowly)
    yield gate
    gate.set()


def shown_value(canvas):
    return int(np.asarray(canvas.picture.layer.data)[0, 0, 0])


def wait_for(canvas, index, qtbot):
    qtbot.waitUntil(lambda: canvas.is_ready and canvas.session.frame_index == index, timeout=LONG)


def test_each_frame_is_shown_with_its_own_pixels(canvas, qtbot):
    assert shown_value(canvas) == 12 * 8
    for index in (13, 14, 3, 29, 0):
        canvas.session.go_to_frame(index)
        wait_for(canvas, index, qtbot)
        assert shown_value(canvas) == index * 8


def test_the_frame_before_stays_until_the_next_one_is_there(canvas, gate, qtbot):
    gate.clear()
    canvas.session.go_to_frame(25)
    qtbot.wait(50)
    assert not canvas.is_ready
    assert canvas.picture.layer.visible
    assert shown_value(canvas) == 12 * 8
    assert len(canvas.marks.points.data) == 1  # its mark belongs to what is seen
    qtbot.waitUntil(lambda: canvas.picture.layer.opacity < 1, timeout=LONG)  # that it isn't the one is seen
    gate.set()
    wait_for(canvas, 25, qtbot)
    assert shown_value(canvas) == 25 * 8
    assert canvas.picture.layer.opacity == 1
    assert len(canvas.marks.points.data) == 0


def test_of_many_wishes_only_the_newest_is_decoded(canvas, gate, qtbot):
    qtbot.waitUntil(lambda: not canvas.frames._is_reading, timeout=LONG)
    gate.clear()
    gate.read.clear()
    for index in (20, 22, 24, 26, 28):
        canvas.session.go_to_frame(index)
    gate.set()
    wait_for(canvas, 28, qtbot)
    assert gate.read[:2] == [20, 28]


def test_frames_that_come_next_are_decoded_ahead_in_the_direction_of_play(canvas, gate, qtbot):
    canvas.session.go_to_frame(20)
    wait_for(canvas, 20, qtbot)
    canvas.session.go_to_frame(19)
    wait_for(canvas, 19, qtbot)
    qtbot.waitUntil(lambda: not canvas.frames._is_reading, timeout=LONG)
    ahead = [canvas.session.project.frame(canvas.session.film, index) for index in range(8, 19)]
    assert all(map(canvas.frames.is_kept, ahead))
    gate.clear()  # what was decoded ahead shows without waiting
    canvas.session.go_to_frame(18)
    assert canvas.is_ready
    assert shown_value(canvas) == 18 * 8


def test_a_stroke_is_a_mark_of_the_frame_that_is_seen(canvas, gate, qtbot, film_project):
    from mouse import Mouse

    mouse = Mouse(canvas, qtbot)
    session = canvas.session
    session.set_tool(Tool.SCRIBBLE)
    session.go_to_frame(7)
    wait_for(canvas, 7, qtbot)
    mouse.drag((10, 10), (10, 20), (12, 30))
    assert film_project.marked_frames(session.film) == (7, 12)
    assert isinstance(next(iter(session.marks().values())), Scribble)
    # While the next frame is on its way nothing can be drawn: what is seen isn't what would be marked.
    gate.clear()
    session.go_to_frame(27)
    mouse.drag((20, 10), (20, 20), (22, 30))
    assert film_project.marked_frames(session.film) == (7, 12)


def test_what_was_propagated_appears_with_its_frame_and_not_before(canvas, gate, qtbot):
    session = canvas.session

    def result(record):
        labels = np.full((record.height, record.width), 1 + record.frame % 2, np.uint8)
        return ShownFilmResult(record.id, "", 1, labels)

    session.film_results = result
    session.show_film_result()
    qtbot.waitUntil(lambda: canvas.overlay.labels.visible, timeout=LONG)
    assert np.all(np.asarray(canvas.overlay.labels.data) == 2)
    gate.clear()
    session.go_to_frame(25)
    qtbot.wait(50)
    assert canvas.overlay.labels.visible
    assert np.all(np.asarray(canvas.overlay.labels.data) == 2)
    gate.set()
    wait_for(canvas, 25, qtbot)
    assert np.all(np.asarray(canvas.overlay.labels.data) == 3)


def test_a_frame_that_cannot_be_read_is_told_and_not_shown_as_another(canvas, qtbot, monkeypatch):
    told = []
    canvas.session.reported.connect(lambda level, text: told.append(text))

    def broken(film, index):
        raise FilmError(f"Frame {index} is broken.", "Leave it out.")

    monkeypatch.setattr(Film, "frame", broken)
    canvas.session.go_to_frame(28)
    qtbot.waitUntil(lambda: bool(told), timeout=LONG)
    assert told == ["Frame 28 is broken. Leave it out."]
    assert not canvas.picture.layer.visible
    assert not canvas.is_ready


def test_the_view_stays_while_frames_go_by(canvas, qtbot):
    canvas.viewer.scene.camera.zoom = 20
    canvas.center_on(5, 5)
    before = canvas._camera_now()
    canvas.session.go_to_frame(13)
    wait_for(canvas, 13, qtbot)
    assert np.allclose(canvas._camera_now(), before)


def test_what_no_reader_foresaw_is_told_and_the_film_goes_on(canvas, qtbot, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    told, read = [], Film.frame
    canvas.session.reported.connect(lambda level, text: told.append((level, text)))

    def broken(film, index):
        if index >= 20:
            raise KeyError("a decoder's own words")
        return read(film, index)

    monkeypatch.setattr(Film, "frame", broken)
    canvas.session.go_to_frame(28)
    qtbot.waitUntil(lambda: bool(told), timeout=LONG)
    ((level, text),) = told
    assert level == "error" and "a decoder's own words" in text and "Report it with the traceback in" in text
    assert not canvas.picture.layer.visible and not canvas.is_ready
    (log,) = (tmp_path / "state").rglob("bug-*.log")
    assert "KeyError" in log.read_text()
    canvas.session.go_to_frame(3)
    wait_for(canvas, 3, qtbot)
    assert shown_value(canvas) == 3 * 8
    canvas.session.go_to_frame(19)  # those that come next are read ahead, and break
    wait_for(canvas, 19, qtbot)
    canvas.session.go_to_frame(5)
    wait_for(canvas, 5, qtbot)
    assert len(told) == 1, "what nobody looks at is told when it is"
