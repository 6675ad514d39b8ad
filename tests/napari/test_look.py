"""The window holds on a small screen, with long words, and in both themes."""

import itertools

import numpy as np
import pytest
from napari.qt import get_stylesheet
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QDialog,
    QLabel,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from spml_core.engine.background.messages import Reason, Reasons
from spml_napari import app
from spml_napari.docks.primary_button import PrimaryButton
from spml_napari.docks.probability_bars import ProbabilityBars
from spml_napari.docks.reasons import ReasonsList
from spml_napari.view_state import ShownPrediction, Tool
from spml_napari.workbench import DOCKS, Workbench

SMALL = (1280, 800)
LONG = 30_000
TABS = ("training", "inspect", "export")


pytestmark = pytest.mark.usefixtures("light_answers")


@pytest.fixture
def arrangement(arrangement, small_project, qtbot):
    """The app in a small window, with a project of long class names."""
    for number in range(20):
        small_project.add_class(f"Mediterranean evergreen shrubland with scattered trees, kind {number}")
    path = small_project.path
    small_project.close()
    arrangement.window.resize(*SMALL)
    arrangement.bench.session.open(path)
    qtbot.waitUntil(lambda: arrangement.bench.canvas.picture.layer.visible, timeout=LONG)
    qtbot.wait(100)
    return arrangement


def areas(arrangement, name):
    return [area for area in arrangement.docks[name].findChildren(QScrollArea) if area.widget() is not None]


def make_longer(window):
    """Make all words as long as German ones are: 35 % longer."""
    for kind in (QLabel, QPushButton, QCheckBox, QRadioButton):
        for widget in window.findChildren(kind):
            text = widget.text()
            if text.strip():
                widget.setText(text + "n" * round(0.35 * len(text)))


def cut_off(dock):
    """Words and numbers of a dock that have no room."""
    found = []
    for widget in dock.findChildren(QWidget):
        if not isinstance(widget, QLabel | QPushButton | QCheckBox | QRadioButton | QSpinBox):
            continue
        if widget.visibleRegion().isEmpty() or widget.objectName() == "accept_class":  # which elides itself
            continue
        if isinstance(widget, QLabel) and widget.wordWrap():
            needed = widget.heightForWidth(widget.width()) - widget.height()
        elif isinstance(widget, QLabel):
            needed = widget.sizeHint().width() - widget.width()
        elif isinstance(widget, QSpinBox):
            longest = f"{widget.maximum()}{widget.suffix()}"
            needed = widget.fontMetrics().horizontalAdvance(longest) - widget.lineEdit().width()
        else:
            needed = widget.minimumSizeHint().width() - widget.width()
        if needed > 0:
            found.append((widget.objectName(), getattr(widget, "text", str)(), needed))
    return found


@pytest.mark.parametrize("longer", [False, True], ids=["English", "35 % longer"])
def test_nothing_is_cut_off_in_a_small_window(arrangement, longer, qtbot):
    if longer:
        make_longer(arrangement.window)
    qtbot.wait(100)
    assert (arrangement.window.width(), arrangement.window.height()) == SMALL
    for tab in TABS:
        arrangement.docks[tab].raise_()
        qtbot.wait(50)
        for name in ("tools", "pictures", "classes", tab):
            assert cut_off(arrangement.docks[name]) == [], name
            for area in areas(arrangement, name):
                assert area.widget().minimumSizeHint().width() <= area.viewport().width(), name
    assert arrangement.window.centralWidget().width() > SMALL[0] / 2


def test_the_tools_need_no_scroll_bar_in_a_small_window(arrangement, qtbot):
    (area,) = areas(arrangement, "tools")
    tools = arrangement.bench.docks["tools"]
    for tool in Tool:
        arrangement.bench.session.set_tool(tool)
        qtbot.wait(20)
        assert area.verticalScrollBar().maximum() == 0
    assert tools.buttons.is_named
    arrangement.bench.session.set_tool(Tool.SCRIBBLE)
    qtbot.wait(20)
    for widget in (tools.buttons, tools.brush, tools.history.undo, tools.history.redo):
        corner = widget.mapTo(area.viewport(), widget.rect().bottomRight())
        assert area.viewport().rect().contains(corner), widget


def test_unfolded_tags_come_into_view(arrangement, qtbot):
    (area,) = areas(arrangement, "tools")
    tools = arrangement.bench.docks["tools"]
    tools.toggle_tags()

    def in_view():
        top = tools.tags.list.mapTo(area.viewport(), QPoint(0, 0)).y()
        return 0 <= top <= area.viewport().height() - 3 * tools.tags.list.sizeHintForRow(0)

    qtbot.waitUntil(in_view)
    column = arrangement.docks["tools"].height() + arrangement.docks["pictures"].height()
    qtbot.waitUntil(lambda: arrangement.docks["tools"].height() > 0.45 * column)
    tools.toggle_tags()
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() == 0)


def test_a_closed_dock_stays_closed_when_a_project_is_opened_again(arrangement, qtbot):
    session = arrangement.bench.session
    path = session.project.path
    for name in ("tools", "training"):
        arrangement.docks[name].destroyOnClose()
    qtbot.waitUntil(lambda: not {"tools", "training"} & set(arrangement.docks))
    session.close()
    assert session.open(path)
    qtbot.wait(50)
    visible = {name for name, dock in arrangement.docks.items() if not dock.isHidden()}
    assert visible == set(DOCKS) - {"welcome", "tools", "training", "film", "propagate"}


def test_without_a_project_the_canvas_says_how_to_begin(arrangement):
    overlay = arrangement.viewer.canvas.overlays["text"]
    assert not overlay.visible
    arrangement.bench.session.close()
    assert overlay.visible and ".spml" in overlay.text


def test_the_app_prefers_our_reader_and_opens_the_project(
    make_napari_viewer, small_project, monkeypatch, qtbot
):
    small_project.close()
    viewer = make_napari_viewer()
    preferred, bench = [], Workbench.of(viewer)
    monkeypatch.setattr(app, "prefer_this_reader", lambda: preferred.append(True))
    monkeypatch.setattr(app.napari, "Viewer", lambda **_: viewer)
    monkeypatch.setattr(app.napari, "run", lambda: None)
    app.run(small_project.path)
    assert preferred and bench.session.project.path == small_project.path
    bench.close()


# Parts --------------------------------------------------------------------------------------------------


def test_probability_bars_keep_their_height(qtbot):
    bars, host = ProbabilityBars(), QWidget()
    layout = QVBoxLayout(host)
    layout.addWidget(bars)
    layout.addStretch(1)
    qtbot.addWidget(host)
    host.resize(250, 400)
    host.show()
    bars.reserve(5)
    bars.say("Point at the picture to see what the model thinks there.")
    QApplication.processEvents()
    height = bars.height()
    bars.show_rows([(f"class {k}", (255, 0, 0), 0.125) for k in range(8)])
    QApplication.processEvents()
    assert bars.height() == height and len(bars.rows) == 5
    reds = [QColor(255, 0, 0) == bars.grab().toImage().pixelColor(x, y) for x in range(250) for y in (8, 30)]
    assert any(reds)
    bars.reserve(2)
    QApplication.processEvents()
    assert bars.height() < height


def test_the_inspect_dock_waits_for_a_model_that_is_there(arrangement, monkeypatch):
    bench = arrangement.bench
    inspect, session = bench.docks["inspect"], bench.session
    assert "train" in inspect.state.text()
    monkeypatch.setattr(bench.predictions, "current_run", lambda: object())
    session.prediction_changed.emit()
    assert "moment" in inspect.state.text()
    picture = session.picture
    labels = np.zeros((picture.height, picture.width), np.uint8)
    session.show_prediction(ShownPrediction(picture.id, "run-0001", 1, labels))
    assert "accept" in inspect.state.text()


def test_the_primary_button_stands_out_in_both_themes(qtbot):
    host = QWidget()
    layout = QVBoxLayout(host)
    button, other = PrimaryButton("Start", "Learn"), QPushButton("Start")
    for widget in (button, other):
        layout.addWidget(widget)
    qtbot.addWidget(host)
    host.show()

    def back(widget):
        color = widget.grab().toImage().pixelColor(4, widget.height() // 2)
        return np.array([color.red(), color.green(), color.blue()], int)

    seen = []
    for theme in ("dark", "light"):
        host.setStyleSheet(get_stylesheet(theme))
        QApplication.processEvents()
        seen.append(back(button))
        assert np.abs(back(button) - back(other)).max() > 40
        text = button.palette().color(button.foregroundRole())
        assert abs(text.lightness() - QColor(*seen[-1]).lightness()) > 60, "words can be read"
        button.setEnabled(False)
        QApplication.processEvents()
        assert np.abs(back(button) - seen[-1]).max() > 20
        button.setEnabled(True)
    assert np.abs(seen[0] - seen[1]).max() > 20


@pytest.mark.parametrize("width", [180, 290])
def test_reasons_take_no_more_room_than_they_need(session, width, qtbot):
    shown = ReasonsList(session, lambda *_, **__: None)
    qtbot.addWidget(shown)
    shown.show()
    heights = []
    for count in (1, 2, 9):
        found = tuple(Reason("first", 5.0, 5.0, 1, 0.9) for _ in range(count))
        shown.show_reasons(Reasons(1, 1, 5.0, 5.0, found))
        shown.resize(width, shown.height())
        QApplication.processEvents()
        heights.append(shown.height())
    wide = width == 290
    assert (heights[0] == heights[1]) is wide and heights[2] > heights[0]


def toasts(window):
    return [d for d in window.findChildren(QDialog) if d.property("expanded") is not None and d.isVisible()]


def is_whole(toast):
    shown = QLabel.text(toast.message).replace("\u200b", "")  # napari's label says what it was given
    label = toast.message
    return (
        "\u2026" not in shown
        and label.height() >= label.heightForWidth(label.width())
        and toast.rect().contains(label.geometry().translated(label.parentWidget().pos()))
        and toast.parentWidget().rect().contains(toast.geometry())
    )


def test_messages_are_shown_whole_and_none_over_another(arrangement, qtbot):
    name = "a_name_that_nobody_can_break_" * 5
    texts = [
        "The picture is no longer where it was: /home/somebody/pictures/of/nuclei/first.png. " * 3,
        "A short one.",
        f"The folder {name} holds no picture. Choose another one.",
    ]
    for text in texts:
        arrangement.bench.session.report_text("warning", text)

    def said():
        shown = [d for d in toasts(arrangement.window) if d.message.text().replace("\u200b", "") in texts]
        return shown if len(shown) == len(texts) and all(map(is_whole, shown)) else []

    qtbot.waitUntil(lambda: bool(said()), timeout=10_000)
    shown = said()
    for below, above in itertools.pairwise(sorted(shown, key=lambda d: -d.y())):
        assert not below.geometry().intersects(above.geometry())
    assert shown[-1].y() == max(d.y() for d in shown)  # the newest is where napari puts one
    assert shown[0].timer.interval() > shown[1].timer.interval()  # and there is time to read it


def test_the_question_before_a_merge_is_not_cut(arrangement, project_path, qtbot):
    arrangement.bench.session.open(project_path)
    classes = arrangement.bench.docks["classes"]
    qtbot.wait(50)
    qtbot.mouseClick(classes.findChild(QWidget, "class_merge"), Qt.MouseButton.LeftButton)
    qtbot.wait(100)
    label = classes.question._text
    assert label.isVisible()
    assert label.height() >= label.heightForWidth(label.width())


def test_a_status_that_just_fits_keeps_its_first_letter(qtbot):
    from spml_napari.docks.key_bar import ElidedLabel

    label = ElidedLabel()
    qtbot.addWidget(label)
    label.set_text("Wsaved: a scribble of leaf")
    label.show()
    whole = label.sizeHint().width()
    for width in range(whole - 30, whole + 6):
        label.resize(width, 20)
        drawn = label.fontMetrics().boundingRect(label.text()).width()
        at_left = bool(label.alignment() & Qt.AlignmentFlag.AlignLeft)
        assert at_left or drawn < label.contentsRect().width()
