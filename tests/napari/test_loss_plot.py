import math

import numpy as np
import pytest

from spml_napari.docks.loss_plot import LossPlot
from spml_napari.docks.loss_trace import LossTrace, smooth


def test_a_short_trace_keeps_every_value():
    trace = LossTrace(capacity=8)
    assert trace.points()[0].size == 0
    for step in range(1, 9):
        trace.append(step, step * 0.5)
    steps, values = trace.points()
    np.testing.assert_array_equal(steps, np.arange(1, 9))
    np.testing.assert_array_equal(values, np.arange(1, 9) * 0.5)


@pytest.mark.parametrize("count", [9, 16, 17, 100, 1001, 20_000])
def test_a_long_trace_stays_small_and_true(count):
    trace = LossTrace(capacity=8)
    for step in range(1, count + 1):
        trace.append(step, 3.0 * step + 1)
    steps, values = trace.points()
    assert 4 <= len(steps) <= 8
    assert (np.diff(steps) > 0).all()
    np.testing.assert_allclose(values, 3 * steps + 1)  # means of a line lie on it
    assert trace.latest == 3.0 * count + 1
    assert trace._sums[2, : len(steps)].sum() == count  # nothing is lost


def test_what_is_not_finite_is_left_out():
    trace = LossTrace()
    for step, value in enumerate([1.0, math.nan, math.inf, 2.0], 1):
        trace.append(step, value)
    assert trace.points()[0].tolist() == [1, 4]
    assert trace.latest == 2.0


def test_smoothing_is_a_mean_of_neighbours():
    values = np.array([0.0, 3.0, 0.0, 3.0, 0.0])
    np.testing.assert_allclose(smooth(values, 3), [1.5, 1, 2, 1, 1.5])
    assert smooth(values, 1) is values
    assert smooth(np.array([]), 5).size == 0
    np.testing.assert_allclose(smooth(np.array([1.0, 2.0, 6.0, 7.0]), 9), [1.5, 3, 5, 6.5])


@pytest.fixture
def plot(qtbot):
    plot = LossPlot()
    qtbot.addWidget(plot)
    return plot


def test_terms_are_drawn_a_little_later_with_a_legend(plot, qtbot):
    plot.show()
    for step in range(1, 6):
        plot.append(step, {"total": 2.0 / step, "annotation": 1.0 / step})
    assert not plot._curves  # not at every step
    qtbot.waitUntil(lambda: len(plot._curves) == 2)
    raw, smoothed = plot._curves["total"]
    np.testing.assert_allclose(raw.getData()[1], 2.0 / np.arange(1, 6))
    assert len(smoothed.getData()[0]) == 5
    assert plot.terms == ("total", "annotation")
    text = plot._legend.text()
    assert "total&nbsp;0.4" in text
    assert "annotation&nbsp;0.2" in text


def test_nothing_is_drawn_while_hidden_and_all_when_shown(plot, qtbot):
    plot.append(1, {"total": 1.0})
    qtbot.wait(300)
    assert not plot._curves
    plot.show()
    assert plot._curves["total"][0].getData()[1].tolist() == [1.0]


def test_clear_begins_anew(plot, qtbot):
    plot.show()
    plot.append(7, {"total": 1.0, "affinity": 3.0})
    qtbot.waitUntil(lambda: bool(plot._curves))
    plot.clear()
    assert plot.terms == ()
    assert not plot._plot.listDataItems()
    assert "affinity" not in plot._legend.text()
    plot.append(1, {"total": 2.0})
    qtbot.waitUntil(lambda: bool(plot._curves))
    assert plot._curves["total"][0].getData()[0].tolist() == [1]


def test_the_total_has_the_color_of_the_text_in_every_theme(plot, qtbot):
    plot.show()
    plot.append(1, {"total": 1.0})
    qtbot.waitUntil(lambda: bool(plot._curves))
    for color in ("#ffffff", "#000000"):
        plot.setStyleSheet(f"QWidget {{ color: {color}; }}")
        assert plot._curves["total"][1].opts["pen"].color().name() == color
        assert color in plot._legend.text()


def test_the_wheel_scrolls_the_dock_and_not_the_plot(plot, qtbot):
    assert plot._plot.getViewBox().state["mouseEnabled"] == [False, False]
    plot.show()
    assert plot.childAt(plot._plot.geometry().center()) is None  # mouse events fall through to the dock
