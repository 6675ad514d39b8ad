"""The film bar: stepping, dragging, playing, the strip, and the worst frame; by real mouse events."""

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from spml_core.annotations import Point
from spml_core.engine.film_results import FilmResults
from spml_napari.docks.film_bar import FilmBar
from spml_napari.film_overview import FilmOverviews
from spml_napari.film_player import FilmPlayer
from spml_napari.layers.frame_loader import FilmFacts

LONG = 20_000
LEFT = Qt.MouseButton.LeftButton


def put(project, frames, is_cut=False, value=1):
    """Results of frames of the film, as the propagating process writes them: frame -> confidence."""
    film = project.films[0]
    labels = np.full((film.height, film.width), value, np.uint8)
    with FilmResults.of(project, film) as results:
        for index, confidence in frames.items():
            found = SimpleNamespace(
                index=index, labels=labels, confidence=confidence, source="forward", final=True, is_cut=is_cut
            )
            results.put(found, "key")


@pytest.fixture
def overviews(film_session, executor):
    overviews = FilmOverviews(film_session, executor.submit)
    yield overviews
    overviews.close()


@pytest.fixture
def player(film_session, qtbot):
    return FilmPlayer(film_session, lambda: True)


@pytest.fixture
def bar(film_session, overviews, player, qtbot):
    bar = FilmBar(film_session, player, overviews)
    qtbot.addWidget(bar)
    bar.resize(616, bar.sizeHint().height())
    bar.show()
    qtbot.waitExposed(bar)
    return bar


def at(widget, index):
    return QPoint(round(widget.scale.x_of(index) - 0.5), widget.height() // 2)


def drag_to(slider, index):
    place = at(slider, index)
    where = QPointF(place), QPointF(slider.mapToGlobal(place))
    nothing = Qt.MouseButton.NoButton, LEFT, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(slider, QMouseEvent(QEvent.Type.MouseMove, *where, *nothing))


def test_it_shows_where_in_the_film_one_is(bar, film_session):
    assert (bar.number.value(), bar.number.maximum(), bar.last.text()) == (12, 29, "of 30 (0\u201329)")
    assert (bar.slider.value(), bar.slider.maximum()) == (12, 29)
    assert not bar.time.isVisible()  # a sequence has no rate
    bar.on.click()
    assert film_session.frame_index == 13
    bar.back.click()
    bar.back.click()
    assert film_session.frame_index == 11
    bar.number.setValue(29)
    assert film_session.frame_index == 29
    assert not bar.on.isEnabled()
    assert bar.slider.value() == 29


def test_dragging_goes_along_and_lets_frames_be_looked_at_once_it_rests(bar, film_session, qtbot):
    slider, passing = bar.slider, []
    film_session.passing_changed.connect(lambda: passing.append(film_session.is_passing))
    QTest.mousePress(slider, LEFT, pos=at(slider, 20))
    qtbot.waitUntil(lambda: film_session.frame_index == 20, timeout=LONG)
    for index in (22, 25, 27):
        drag_to(slider, index)
    qtbot.waitUntil(lambda: film_session.frame_index == 27, timeout=LONG)
    QTest.mouseRelease(slider, LEFT, pos=at(slider, 26))
    qtbot.waitUntil(lambda: film_session.frame_index == 26, timeout=LONG)
    qtbot.waitUntil(lambda: not film_session.is_passing, timeout=LONG)
    assert passing[0] is True
    assert passing[-1] is False


def test_of_places_dragged_over_at_once_only_the_newest_is_gone_to(bar, film_session, qtbot):
    shown = []
    film_session.picture_changed.connect(lambda: shown.append(film_session.frame_index))
    slider = bar.slider
    QTest.mousePress(slider, LEFT, pos=at(slider, 1))
    for index in range(2, 25):
        slider.setSliderPosition(index)
    qtbot.waitUntil(lambda: film_session.frame_index == 24, timeout=LONG)
    assert shown == [24]
    QTest.mouseRelease(slider, LEFT, pos=at(slider, 24))


def test_a_tick_is_clicked_to_go_to_its_marked_frame(bar, film_session):
    film_session.go_to_frame(0)
    strip = bar.strip
    beside = QPoint(round(strip.scale.x_of(12) + 4), 3)
    QTest.mouseClick(strip, LEFT, pos=beside)
    assert film_session.frame_index == 12
    QTest.mouseClick(strip, LEFT, pos=QPoint(round(strip.scale.x_of(5)), 13))
    assert film_session.frame_index == 5


def test_the_strip_tells_of_marks_review_confidence_and_cuts(
    bar, film_session, film_project, overviews, qtbot
):
    put(film_project, {4: 0.5, 5: 0.25})
    put(film_project, {8: 0.75}, is_cut=True)
    overviews.refresh(film_session.film)
    qtbot.waitUntil(lambda: overviews.of(film_session.film).has_results, timeout=LONG)
    strip = bar.strip
    assert strip.words(4) == "Frame 4\nconfidence 0.50"
    assert strip.words(8) == "Frame 8\na new scene begins here\nconfidence 0.75"
    assert strip.words(12) == "Frame 12\nmarked\nnothing propagated yet"
    film_session.go_to_frame(3)
    height, width = film_session.picture.height, film_session.picture.width
    film_session.accept(np.ones((height, width), np.uint8))
    assert strip.words(3) == "Frame 3\nreviewed\nnothing propagated yet"


def test_the_strip_shows_each_frame_in_its_colour_and_the_worst_where_they_share_a_column(
    bar, film_session, overviews, qtbot
):
    film = film_session.film
    for index in range(30):
        overviews.note_frame(film, index, 1.0)
    overviews.note_frame(film, 7, 0.0)
    qtbot.wait(300)
    image = bar.strip.grab().toImage()
    ratio = bar.strip.devicePixelRatioF()

    def color(index):
        place = bar.strip.scale.x_of(index)
        return image.pixelColor(round(place * ratio), round(14 * ratio)).getRgb()[:3]

    assert color(3) == color(20)
    assert color(7) != color(3)
    bar.resize(80, bar.height())  # fewer columns than frames
    film_session.go_to_frame(0)
    qtbot.wait(50)
    image = bar.strip.grab().toImage()
    seen = {image.pixelColor(x, round(14 * ratio)).getRgb()[:3] for x in range(image.width())}
    assert len(seen) >= 2


def test_what_was_propagated_to_the_shown_frame_is_shown_as_soon_as_it_is_there(
    bar, film_session, film_project, overviews
):
    film = film_session.film
    assert film_session.film_result is None
    film_session.add_marks([Point(2, 5, 5)], "A correction")
    put(film_project, {12: 0.9}, value=2)
    overviews.note_frame(film, 12, 0.9)
    assert film_session.film_result is not None
    assert np.all(film_session.film_result.labels == 2)
    assert film_session.film_result.confidence == pytest.approx(0.9)
    assert film_session.marked_since == frozenset()
    film_session.go_to_frame(13)
    assert film_session.film_result is None
    film_session.go_to_frame(12)
    assert film_session.film_result is not None


def test_the_worst_frame_is_gone_to_once_there_are_results(bar, film_session, overviews):
    assert not bar.worst.isEnabled()
    assert "propagate" in bar.worst.toolTip()
    overviews.note_frame(film_session.film, 12, 0.9)
    bar._on_overview(film_session.film.id)
    assert not bar.worst.isEnabled()  # nobody knows which it is
    bar.set_worst_frame(lambda: 21)
    assert bar.worst.isEnabled()
    bar.worst.click()
    assert film_session.frame_index == 21


def test_playing_goes_to_the_end_and_stops_there(bar, film_session, player, qtbot):
    film_session.go_to_frame(24)
    seen = []
    film_session.picture_changed.connect(lambda: seen.append(film_session.frame_index))
    bar.play.click()
    assert player.is_playing
    assert film_session.is_passing
    qtbot.waitUntil(lambda: not player.is_playing, timeout=LONG)
    assert film_session.frame_index == 29
    assert seen == sorted(seen)
    assert not film_session.is_passing
    bar.play.click()  # from the start again
    assert film_session.frame_index == 0
    bar.play.click()
    assert not player.is_playing


def test_playing_skips_frames_rather_than_falling_behind(film_session, qtbot):
    ready = [True]
    player = FilmPlayer(film_session, lambda: ready[0])
    film_session.go_to_frame(0)
    player.play()
    ready[0] = False
    qtbot.wait(450)  # at 10 frames a second four or more are due
    before = film_session.frame_index
    ready[0] = True
    qtbot.waitUntil(lambda: film_session.frame_index != before, timeout=LONG)
    assert film_session.frame_index >= before + 3
    player.stop()


def test_going_elsewhere_ends_playing(film_session, player):
    player.play()
    film_session.go_to_frame(3)
    assert not player.is_playing
    assert not film_session.is_passing


def test_exact_times_and_warnings_are_shown_once_the_film_is_open(
    bar, film_session, film_project, monkeypatch
):
    film = film_session.film
    bar.show_facts(FilmFacts(film.id, np.arange(30) / 10.0, ("The last 3 frames are broken.",)))
    assert bar.warnings.isVisible()
    assert "broken" in bar.warnings.toolTip()


def test_the_chosen_range_is_drawn(bar, film_session):
    plain = bar.strip.grab().toImage()
    film_session.set_film_range((5, 15))
    assert bar.strip.grab().toImage() != plain
    film_session.set_film_range(None)
    assert bar.strip.grab().toImage() == plain
