"""Frames in the session: gone to like pictures, marked like pictures, with what was propagated over them."""

import numpy as np
import pytest
from answers import FakeAnswers
from qtpy.QtCore import QSettings

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.engine.background.messages import Predict
from spml_core.engine.background.suggest_messages import Suggest
from spml_core.project import Project
from spml_napari.session import Session
from spml_napari.suggestion_control import SuggestionControl
from spml_napari.view_state import OverlayMode, ShownFilmResult, ShownPrediction, ShownSuggestion


def result(record, value=1, **more):
    labels = np.full((record.height, record.width), value, np.uint8)
    return ShownFilmResult(record.id, "", 1, labels, **more)


def suggestion(record):
    labels = np.full((record.height, record.width), 2, np.uint8)
    return ShownSuggestion(record.id, labels, labels * 0, None, None, True)


def test_a_project_of_films_opens_at_its_first_marked_frame(film_session, film_project):
    assert film_session.film == film_project.films[0]
    assert film_session.frame_index == 12
    assert film_session.picture == film_project.record(film_session.picture.id)
    assert len(film_session.marks()) == 1


def test_a_project_of_an_unmarked_film_opens_at_frame_0(tmp_path, film_folder):
    session = Session()
    table = ClassTable.from_names(["a", "b"])
    assert session.create(tmp_path / "new.spml", [], table) is False
    Project.create(tmp_path / "new.spml", [], table, films=[film_folder]).close()
    assert session.open(tmp_path / "new.spml")
    assert session.frame_index == 0
    session.close()
    assert (session.film, session.frame_index) == (None, None)


def test_frames_are_gone_to_by_number_and_by_step_within_the_film(film_session):
    shown = []
    film_session.picture_changed.connect(lambda: shown.append(film_session.frame_index))
    film_session.go_to_frame(20)
    film_session.step_frame(-3)
    film_session.step_frame(1)
    film_session.step_frame(100)
    film_session.step_frame(1)
    film_session.go_to_frame(-5)
    assert shown == [20, 17, 18, 29, 0]
    film_session.go_to(film_session.project.frame(film_session.film, 7).id)
    assert film_session.frame_index == 7


def test_marks_on_a_frame_are_its_own_and_undo_goes_to_the_frame_that_changed(film_session, film_project):
    film_session.go_to_frame(3)
    assert film_session.marks() == {}
    changed = []
    film_session.marks_changed.connect(changed.append)
    assert film_session.add_marks([Point(2, 5, 5)], "A point")
    frame = film_session.picture.id
    assert changed == [frozenset({frame})]
    assert film_project.marked_frames(film_session.film) == (3, 12)
    film_session.go_to_frame(25)
    film_session.undo()
    assert film_session.frame_index == 3
    assert film_session.marks() == {}
    film_session.go_to_frame(0)
    film_session.redo()
    assert film_session.frame_index == 3
    assert len(film_session.marks()) == 1


def test_tags_and_selection_work_on_a_frame(film_session):
    film_session.go_to_frame(4)
    assert film_session.selected == {film_session.picture.id}
    assert film_session.set_tag(1, True)
    assert film_session.tag_counts() == {1: 1}
    film_session.select([])
    assert film_session.selected == {film_session.picture.id}


def test_going_back_to_a_film_shows_the_frame_that_was_looked_at_last(small_project, film_folder):
    session = Session()
    small_project.add_film(film_folder)
    session.adopt(small_project)
    session.go_to_film(small_project.films[0])
    assert session.frame_index == 0
    session.go_to_frame(17)
    session.step(1)
    assert session.picture.name == "first"
    assert session.film is None
    session.go_to_film(small_project.films[0])
    assert session.frame_index == 17
    session.step(1)  # a film is passed as a whole
    session.step(-1)
    assert session.frame_index == 17


def test_a_range_stays_inside_the_film_and_belongs_to_it(small_project, film_folder):
    session = Session()
    session.adopt(small_project)
    session.set_film_range((2, 5))
    assert session.film_range is None
    assert session.add_film(film_folder.with_name("none")) is None
    film = session.add_film(film_folder, frame_rate=25)
    assert (session.film, film.frame_rate) == (film, 25)
    session.set_film_range((40, 5))
    assert session.film_range == (5, 29)
    session.step(1)
    assert session.film_range is None


def test_what_was_propagated_lies_over_a_frame_unless_its_marks_are_newer(film_session):
    results = {}
    film_session.film_results = lambda record: results.get(record.frame)
    for index in (5, 6):
        results[index] = result(film_session.project.frame(film_session.film, index))
    film_session.go_to_frame(5)
    here = film_session.picture
    assert film_session.seen is results[5]
    # The suggestion made of other frames' marks knows less than what was carried along the film.
    film_session.show_suggestion(suggestion(here))
    assert film_session.seen is results[5]
    film_session.add_marks([Point(2, 5, 5)], "A correction")
    assert film_session.seen is film_session.suggestion
    film_session.go_to_frame(6)
    assert film_session.seen is results[6]
    film_session.go_to_frame(5)
    film_session.show_suggestion(suggestion(here))
    assert film_session.seen is film_session.suggestion
    # Propagated again, with the new mark.
    film_session.take_in({here.id})
    results[5] = result(here, 2)
    film_session.show_film_result()
    assert film_session.seen is results[5]


def test_the_models_own_prediction_is_seen_where_nothing_was_propagated_or_it_is_asked_for(film_session):
    own = film_session.picture
    prediction = ShownPrediction(own.id, "run", 1, np.zeros((own.height, own.width), np.uint8))
    film_session.show_prediction(prediction)
    assert film_session.seen is prediction
    film_session.film_results = result
    film_session.show_film_result()
    assert film_session.seen is film_session.film_result
    film_session.view(suggested=False)
    assert film_session.seen is prediction
    film_session.view(suggested=True, mode=OverlayMode.UNCERTAINTY)
    assert film_session.seen is prediction


@pytest.fixture
def suggestions(film_session, tmp_path, qtbot):
    made = []
    memory = QSettings(str(tmp_path / "memory.ini"), QSettings.Format.IniFormat)
    control = SuggestionControl(film_session, lambda path: made.append(FakeAnswers(path)) or made[-1], memory)
    control.start()
    control.made = made
    yield control
    control.close()


def test_nothing_is_asked_of_frames_that_pass_by(suggestions, film_session, qtbot):
    answers = suggestions.made[-1]
    answers.asked.clear()
    film_session.set_passing(True)
    for index in range(13, 20):
        film_session.go_to_frame(index)
        qtbot.wait(100)  # longer than a question waits for the user to go on
    assert answers.asked_for(Suggest) == []
    assert answers.asked_for(Predict) == []
    film_session.set_passing(False)
    qtbot.waitUntil(lambda: len(answers.asked_for(Suggest)) == 1, timeout=10_000)
    assert answers.asked_for(Suggest)[0].picture_id == film_session.picture.id


def test_a_film_that_is_gone_is_reported_and_nothing_breaks(film_session, film_project, film_folder):
    told = []
    film_session.reported.connect(lambda level, text: told.append(text))
    film_folder.rename(film_folder.with_name("elsewhere"))
    film_project.refresh()
    film_session.go_to_frame(20)
    film_session.step(1)
    film_session.go_to(-1)
    assert told
