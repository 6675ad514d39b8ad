"""Propagation from the window: states, following, marks made meanwhile, and a real child that is killed."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point, Scribble
from spml_core.classes import ClassTable
from spml_core.engine.film_results import FilmResults
from spml_core.project import Project
from spml_napari.film_overview import FilmOverviews
from spml_napari.frame_follower import FrameFollower
from spml_napari.measure_control import MeasureControl
from spml_napari.propagation_control import PROPAGATION, PropagationControl
from spml_napari.propagation_state import Pace, PropagationState
from spml_napari.session import Session

LONG = 60_000


@pytest.fixture(autouse=True)
def targets(monkeypatch):
    """Children find their targets beside this file."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def place():
    """Canvas and player in one: a frame is on the canvas at once, unless said otherwise."""
    return SimpleNamespace(is_ready=True, is_drawing=False, is_playing=False)


class Heard:
    """A control, and what it and its session said."""

    def __init__(self, session, executor, place, target):
        self.session = session
        self.overviews = FilmOverviews(session, executor.submit)
        self.follower = FrameFollower(session, place, place)
        self.control = PropagationControl(
            session, self.overviews, executor.submit, self.follower, target=target
        )
        self.states, self.progress, self.ends, self.told = [], [], [], []
        self.control.state_changed.connect(self.states.append)
        self.control.progressed.connect(self.progress.append)
        self.control.finished.connect(self.ends.append)
        session.reported.connect(lambda level, text: self.told.append(text))

    def close(self):
        self.control.close()
        self.overviews.close()


@pytest.fixture
def make(film_session, executor, place):
    made = []

    def make(target, session=film_session):
        name = target if ":" in target else f"propagation_targets:{target}"
        made.append(Heard(session, executor, place, name))
        return made[-1]

    yield make
    for heard in made:
        heard.close()


# States -------------------------------------------------------------------------------------------------


def test_a_propagation_tells_of_its_frames_and_its_end(make, film_session, qtbot):
    heard = make("do_a_few_frames")
    control, film = heard.control, film_session.film
    control.choose(direction="forward", flow="deepflow", follow=False)
    film_session.set_film_range((0, 20))
    assert control.start()
    assert not control.start()
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=LONG)
    assert heard.states == ["starting", "running", "idle"]
    assert [(p.index, p.done, p.total) for p in heard.progress] == [(0, 1, 3), (1, 2, 3), (2, 3, 3)]
    assert heard.progress[-1].share == 1
    assert heard.progress[-1].is_final
    assert heard.ends[0].worst_frame == 2
    order = heard.told[0]
    for words in ("direction='forward'", "flow='deepflow'", "first=0", "last=20", "around=12", film.name):
        assert words in order
    assert heard.told[1:] == ["the same"]
    assert np.isfinite(heard.overviews.of(film).confidences).tolist() == [True] * 3 + [False] * 27
    assert film_session.frame_index == 12


def test_the_frame_on_the_canvas_shows_its_result_as_soon_as_it_is_there(make, film_session, qtbot):
    heard = make("go_on_until_stopped")
    heard.control.choose(follow=False)
    assert film_session.film_result is None
    heard.control.start()
    qtbot.waitUntil(lambda: film_session.film_result is not None, timeout=LONG)
    assert (film_session.seen_film_result.labels == 1).all()


def test_pause_go_on_and_stop(make, qtbot):
    heard = make("go_on_until_stopped")
    control = heard.control
    control.toggle()
    qtbot.waitUntil(lambda: bool(heard.progress), timeout=LONG)
    control.toggle()
    assert control.state is PropagationState.PAUSED
    qtbot.waitUntil(lambda: any(text.startswith("Pause") for text in heard.told), timeout=LONG)
    before = len(heard.progress)
    qtbot.wait(150)
    assert len(heard.progress) == before
    control.toggle()
    assert control.state is PropagationState.RUNNING
    qtbot.waitUntil(lambda: len(heard.progress) > before, timeout=LONG)
    control.stop()
    assert control.state is PropagationState.STOPPING
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=LONG)
    assert heard.ends[0].stopped
    assert control.state is PropagationState.IDLE


def test_to_stop_twice_ends_a_deaf_process_at_once(make, qtbot):
    heard = make("be_deaf")
    heard.control.start()
    qtbot.waitUntil(lambda: bool(heard.progress), timeout=LONG)
    pid = heard.control._child.pid
    heard.control.stop()
    heard.control.stop()
    assert heard.control.state is PropagationState.IDLE
    assert heard.ends == [None]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_goes_wrong_is_told_in_words(make, qtbot):
    heard = make("say_why_not")
    heard.control.start()
    qtbot.waitUntil(lambda: bool(heard.told), timeout=LONG)
    assert heard.told == ["The film was moved. Put it back."]
    assert heard.control.state is PropagationState.IDLE


def test_a_process_that_dies_leaves_its_frames(make, film_session, qtbot):
    heard = make("be_killed")
    heard.control.start()
    qtbot.waitUntil(lambda: bool(heard.told), timeout=LONG)
    assert "killed (signal 9)" in heard.told[0]
    assert "goes on" in heard.told[0]
    assert heard.control.state is PropagationState.IDLE
    assert np.isfinite(heard.overviews.of(film_session.film).confidences[0])


def test_closing_the_project_ends_the_process(make, film_session, qtbot):
    heard = make("go_on_until_stopped")
    heard.control.start()
    qtbot.waitUntil(lambda: bool(heard.progress), timeout=LONG)
    pid = heard.control._child.pid
    film_session.close()
    assert heard.control.state is PropagationState.IDLE
    qtbot.waitUntil(lambda: not _is_there(pid), timeout=LONG)
    assert not heard.control.start()
    assert "No film is shown" in heard.told[-1]


# Marks --------------------------------------------------------------------------------------------------


def test_marks_made_meanwhile_are_told(make, film_session, qtbot):
    heard = make("go_on_until_stopped")
    heard.control.start()
    qtbot.waitUntil(lambda: bool(heard.progress), timeout=LONG)
    film_session.add_marks([Point(2, 5, 5)], "A point")
    qtbot.waitUntil(lambda: any(text.startswith("MarksChanged") for text in heard.told), timeout=LONG)


def test_marks_make_results_outdated_and_are_counted(make, film_session, qtbot):
    heard = make("do_a_few_frames")
    control, project, film = heard.control, film_session.project, film_session.film
    qtbot.waitUntil(lambda: control.outlook is not None, timeout=LONG)
    assert "leaf" in control.outlook.missing  # only that is marked
    assert control.outlook.todo == 0
    film_session.add_marks([Scribble(0, ((2, 2), (2, 40)), 3)], "Background")
    qtbot.waitUntil(lambda: control.outlook.todo == 30, timeout=LONG)
    assert control.outlook.missing == ""
    assert control.outlook.outdated == frozenset()
    film_session.set_film_range((10, 13))
    qtbot.waitUntil(lambda: control.outlook.todo == 4, timeout=LONG)
    film_session.set_film_range(None)
    _put_as_if_propagated(project, film)
    heard.control._watch.look_soon()
    qtbot.waitUntil(lambda: control.outlook.todo == 0, timeout=LONG)
    film_session.go_to_frame(20)
    film_session.add_marks([Point(1, 8, 8)], "A correction")
    # Between the first marked frame and this one, and behind it: what comes before stays.
    qtbot.waitUntil(lambda: control.outlook.todo == 17, timeout=LONG)
    assert control.outlook.outdated == frozenset(range(13, 30))
    assert heard.overviews.of(film).outdated == frozenset(range(13, 30))
    film_session.undo()
    qtbot.waitUntil(lambda: control.outlook.todo == 0, timeout=LONG)
    assert heard.overviews.of(film).outdated == frozenset()


def test_what_was_missing_until_the_last_stroke_keeps_nobody_from_propagating(make, film_session, qtbot):
    heard = make("do_a_few_frames")
    control = heard.control
    qtbot.waitUntil(lambda: control.outlook is not None and bool(control.outlook.missing), timeout=LONG)
    control.toggle()
    assert control.state is PropagationState.IDLE
    assert "leaf" in heard.told[-1]
    film_session.add_marks([Scribble(0, ((2, 2), (2, 40)), 3)], "Background")
    control.toggle()  # before it could be looked up again
    assert control.state is PropagationState.STARTING


def test_other_choices_are_another_computation(make, film_session, qtbot):
    heard = make("do_a_few_frames")
    control = heard.control
    film_session.add_marks([Scribble(0, ((2, 2), (2, 40)), 3)], "Background")
    _put_as_if_propagated(film_session.project, film_session.film)
    qtbot.waitUntil(lambda: control.outlook is not None and not control.outlook.todo, timeout=LONG)
    control.choose(direction="forward")
    qtbot.waitUntil(lambda: control.outlook.reached == 18, timeout=LONG)
    assert control.outlook.todo == 0
    control.choose(flow="deepflow")
    qtbot.waitUntil(lambda: control.outlook.todo == 18, timeout=LONG)
    film_session.set_film_range((0, 5))
    qtbot.waitUntil(lambda: "after" in control.outlook.missing, timeout=LONG)


def test_it_begins_by_itself_after_a_mark_where_that_is_chosen(make, film_session, qtbot):
    heard = make("do_a_few_frames")
    film_session.add_marks([Scribble(0, ((2, 2), (2, 40)), 3)], "Background")
    qtbot.waitUntil(lambda: heard.control.outlook is not None, timeout=LONG)
    qtbot.wait(300)
    assert heard.states == []
    heard.control.choose(after_every_mark=True)
    film_session.add_marks([Point(1, 8, 8)], "A point")
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=LONG)
    assert film_session.frame_index == 12  # who marks stays there


# Following ----------------------------------------------------------------------------------------------


def test_the_canvas_goes_along_and_comes_back(make, film_session, qtbot):
    heard, shown = make("do_a_few_frames"), []
    film_session.picture_changed.connect(
        lambda: shown.append((film_session.frame_index, film_session.is_passing))
    )
    heard.control.start()
    assert heard.follower.is_following
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=LONG)
    assert film_session.frame_index == 12
    assert all(index in (0, 1, 2, 12) for index, _ in shown)
    assert not film_session.is_passing
    assert not heard.follower.is_following


def test_pace_forgets_what_was_before_a_pause():
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert np.isnan(pace.frames_per_second)
    for _ in range(5):
        pace.note()
        now[0] += 0.25
    assert pace.frames_per_second == 4
    pace.begin()
    assert np.isnan(pace.frames_per_second)


# A real child -------------------------------------------------------------------------------------------


@pytest.fixture
def moving(tmp_path):
    """A session with a film of 8 frames, 64 x 48: a bright square wanders over dark noise; frame 0 is marked."""
    folder = tmp_path / "square"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(8):
        pixels = rng.integers(20, 60, (48, 64, 3), dtype=np.uint8)
        pixels[14:34, 10 + 2 * index : 30 + 2 * index] = (220, 180, 60)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    table = ClassTable.from_names(["background", "square"])
    project = Project.create(tmp_path / "square.spml", [], table, films=[folder])
    session = Session()
    session.adopt(project)
    session.add_marks([Scribble(1, ((24, 14), (24, 26)), 5), Scribble(0, ((5, 4), (5, 60)), 5)], "Strokes")
    yield session
    session.close()


def test_a_real_child_is_killed_goes_on_and_computes_only_what_a_correction_needs(make, moving, qtbot):
    heard = make(PROPAGATION, moving)
    control, film = heard.control, moving.film
    qtbot.waitUntil(lambda: control.outlook is not None and control.outlook.todo == 8, timeout=LONG)
    control.start(follows=False)
    qtbot.waitUntil(lambda: len(heard.progress) >= 2, timeout=LONG)
    os.kill(control._child.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=LONG)
    done = int(np.isfinite(heard.overviews.of(film).confidences).sum())
    assert done >= 2
    if done < 8:
        qtbot.waitUntil(lambda: 0 < control.outlook.todo < 8, timeout=LONG)
    control.start(follows=False)
    qtbot.waitUntil(lambda: len(heard.ends) == 2, timeout=LONG)
    assert heard.ends[1].frames == 8
    assert heard.ends[1].computed < 8
    with FilmResults.of(moving.project, film) as results:
        labels = results.labels(7)
    assert labels[24, 34] == 1
    assert labels[4, 10] == 0
    qtbot.waitUntil(lambda: control.outlook.todo == 0, timeout=LONG)

    moving.go_to_frame(6)
    moving.add_marks([Scribble(0, ((44, 4), (44, 60)), 3)], "A correction")
    qtbot.waitUntil(lambda: control.outlook.todo == 7, timeout=LONG)
    control.start(follows=False)
    qtbot.waitUntil(lambda: len(heard.ends) == 3, timeout=LONG)
    assert heard.ends[2].computed == 7
    qtbot.waitUntil(lambda: control.outlook.todo == 0, timeout=LONG)
    assert heard.overviews.of(film).outdated == frozenset()

    measuring = MeasureControl(moving)
    measuring.measure()
    qtbot.waitUntil(lambda: measuring.scored is not None, timeout=LONG)
    scored = measuring.scored
    assert (scored.frames, scored.pairs, scored.scored) == (8, 7, 2)
    assert 0.5 < scored.corrected <= 1
    assert scored.flicker.shape == (48, 64)
    assert not measuring.is_measuring
    moving.add_marks([Point(1, 24, 30)], "A point")
    assert measuring.is_old
    assert [text for text in heard.told if "killed" not in text] == []


def test_nothing_to_measure_is_told_in_words(moving, qtbot):
    told = []
    moving.reported.connect(lambda level, text: told.append(text))
    measuring = MeasureControl(moving)
    measuring.measure()
    assert measuring.is_measuring
    qtbot.waitUntil(lambda: bool(told), timeout=LONG)
    assert "Nothing was propagated" in told[0]
    assert not measuring.is_measuring


def _put_as_if_propagated(project, film):
    """Results of all frames with the keys that both ways of the quick flow have now."""
    from spml_core.engine.marked_frames import read_marked_frames
    from spml_core.engine.propagation_keys import base_key, frame_keys

    keys = frame_keys(read_marked_frames(project, film), 0, film.count - 1, "both", base_key(film, "dis"))
    labels = np.zeros((film.height, film.width), np.uint8)
    with FilmResults.of(project, film) as results:
        for index, (_, _, key) in keys.items():
            found = SimpleNamespace(
                index=index, labels=labels, confidence=0.9, source="both", final=True, is_cut=False
            )
            results.put(found, key)


def _is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
