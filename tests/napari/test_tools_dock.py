import numpy as np
import pytest
from napari.qt import get_stylesheet
from qtpy.QtCore import QPoint, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QWheelEvent
from qtpy.QtWidgets import QApplication, QScrollArea, QToolButton

from spml_core.annotations import Point, Tag
from spml_napari.docks.brush import diameter_of, place_of
from spml_napari.docks.icons import ICONS, paint_icon
from spml_napari.docks.region_count import count_of
from spml_napari.docks.region_count import place_of as place_of_count
from spml_napari.docks.tool_buttons import TOOLS
from spml_napari.docks.tools import ToolsDock
from spml_napari.view_state import Tool


@pytest.fixture
def dock(session, qtbot):
    dock = ToolsDock(session)
    qtbot.addWidget(dock)
    dock.resize(300, 500)
    dock.show()
    qtbot.waitExposed(dock)
    return dock


def button(dock, name):
    found = dock.findChild(QToolButton, name)
    assert found is not None, name
    return found


def steps(dock):
    return [dock.history.steps.item(row).text() for row in range(dock.history.steps.count())]


def test_each_tool_has_a_button_that_chooses_it_and_it_alone(session, dock):
    assert set(TOOLS) == set(Tool)
    for tool in Tool:
        button(dock, f"tool_{tool.value}").click()
        assert session.tool is tool
        assert [t for t in Tool if dock.buttons.button(t).isChecked()] == [tool]
        assert f"({TOOLS[tool].key})" in dock.buttons.button(tool).toolTip()
    session.set_tool(Tool.BOX)
    assert [t for t in Tool if dock.buttons.button(t).isChecked()] == [Tool.BOX]
    button(dock, "tool_box").click()
    assert session.tool is Tool.BOX and dock.buttons.button(Tool.BOX).isChecked()


def test_keys_of_tools_are_all_different():
    keys = [look.key for look in TOOLS.values()]
    assert len({*keys, "T"}) == len(keys) + 1


def test_tags_unfold_by_button_key_and_title_and_leave_the_tool(session, dock):
    session.set_tool(Tool.SCRIBBLE)
    for change in (
        dock.toggle_tags,
        button(dock, "tool_tag").click,
        button(dock, "tags_fold").click,
        button(dock, "tool_tag").click,
    ):
        was = dock.tags.isVisible()
        change()
        assert dock.tags.isVisible() is not was
        assert button(dock, "tool_tag").isChecked() is button(dock, "tags_fold").isChecked() is not was
        assert session.tool is Tool.SCRIBBLE


def test_the_brush_size_goes_both_ways(session, dock):
    slider, number = dock.brush.slider, dock.brush.number
    slider.setValue(slider.maximum())
    assert session.brush == 500 == number.value()
    slider.setValue(0)
    assert session.brush == 1 == number.value()
    number.setValue(37)
    assert session.brush == 37
    assert session.brush == pytest.approx(diameter_of(slider.value() / slider.maximum()), rel=0.05)
    session.set_brush(2)
    assert number.value() == 2
    for size in range(1, 501):  # showing a size never changes it
        session.set_brush(size)
        assert (session.brush, number.value()) == (size, size)


def test_the_slider_grows_by_the_same_factor_everywhere():
    places = np.linspace(0, 1, 11)
    sizes = [diameter_of(place) for place in places]
    assert np.allclose(np.diff(np.log(sizes)), np.log(500) / 10)
    assert np.allclose([place_of(size) for size in sizes], places)
    assert place_of(0) == 0


def test_the_number_of_regions_is_told(dock, qtbot):
    assert dock.region_count == 300
    with qtbot.waitSignal(dock.region_count_changed) as blocker:
        dock.regions.number.setValue(800)
    assert blocker.args == [800] and dock.region_count == 800
    assert count_of(dock.regions.slider.value() / 100) == pytest.approx(800, rel=0.04)
    dock.regions.slider.setValue(0)
    assert dock.region_count == 10
    for count in (10, 11, 299, 300, 4999, 5000):  # showing a number never changes it
        dock.regions.number.setValue(count)
        assert dock.region_count == count
    assert [place_of_count(count_of(place)) for place in (0, 0.5, 1)] == pytest.approx([0, 0.5, 1], abs=0.01)


def test_the_wheel_changes_no_number_that_it_passes_over(session, dock):
    for widget in (dock.regions.number, dock.regions.slider, dock.brush.number, dock.brush.slider):
        widget.clearFocus()
        center = QPointF(widget.rect().center())
        QApplication.sendEvent(
            widget,
            QWheelEvent(
                center,
                QPointF(widget.mapToGlobal(center.toPoint())),
                QPoint(0, 120),
                QPoint(0, 120),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            ),
        )
    assert (dock.region_count, session.brush) == (300, 8)


def test_undo_and_redo_say_what_they_would_do_and_do_it(session, dock):
    undo, redo = button(dock, "undo"), button(dock, "redo")
    session.set_tag(1, True)
    assert undo.toolTip() == "Undo Tag leaf (Ctrl+Z)" and undo.isEnabled()
    assert redo.toolTip() == "Nothing to redo" and not redo.isEnabled()
    undo.click()
    assert Tag(1) not in session.marks().values()
    assert undo.toolTip() == "Undo First marks (Ctrl+Z)"
    assert redo.toolTip() == "Redo Tag leaf (Ctrl+Shift+Z)" and redo.isEnabled()
    redo.click()
    assert Tag(1) in session.marks().values() and not redo.isEnabled()
    undo.click()
    undo.click()
    assert not undo.isEnabled() and undo.toolTip() == "Nothing to undo"


def test_the_history_lists_the_latest_steps_and_greys_what_was_undone(session, dock):
    button(dock, "history_fold").click()
    session.set_tag(1, True)
    session.edit_classes(lambda project: project.rename_class(2, "trunk"), "renamed")
    session.undo()
    assert steps(dock) == ["Rename class stem to trunk", "Tag leaf", "First marks"]
    faded = [dock.history.steps.item(row).foreground().color().alpha() < 255 for row in range(3)]
    italic = [dock.history.steps.item(row).font().italic() for row in range(3)]
    assert italic == [True, False, False]
    assert faded[0]
    session.add_marks([Point(0, 3, 3)], "Point background")
    assert steps(dock) == ["Point background", "Tag leaf", "First marks"], "what can't be redone is gone"
    for number in range(60):
        session.add_marks([Point(0, 3, 3)], f"Point {number}")
    assert len(steps(dock)) == 50 and steps(dock)[0] == "Point 59"


def test_a_folded_history_is_read_when_it_unfolds(session, dock):
    session.set_tag(1, True)
    assert steps(dock) == []
    button(dock, "history_fold").click()
    assert steps(dock) == ["Tag leaf", "First marks"]


def test_without_a_project_the_dock_says_what_to_do(session, dock, small_project):
    button(dock, "history_fold").click()
    session.close()
    assert dock._hint.isVisible() and "Open a project" in dock._hint.text()
    for name in ("tool_scribble", "tool_tag", "undo", "redo", "tags_fold"):
        assert not button(dock, name).isEnabled()
    assert not dock.brush.slider.isEnabled() and not dock.regions.isEnabled()
    assert steps(dock) == []
    session.open(small_project.path)
    assert not dock._hint.isVisible()
    assert button(dock, "tool_scribble").isEnabled() and button(dock, "undo").isEnabled()


def test_a_narrow_dock_wraps_and_a_wide_one_puts_groups_side_by_side(session, dock, qtbot):
    buttons = [dock.buttons.button(tool) for tool in Tool]

    def place(widget):
        return widget.mapTo(dock, QPoint(0, 0))

    def lines():
        return len({place(one).y() for one in buttons})

    dock.resize(200, 600)
    qtbot.waitUntil(lambda: lines() >= 3)
    assert all(one.geometry().right() <= dock.buttons.width() for one in buttons)
    dock.resize(1200, 140)
    qtbot.waitUntil(lambda: place(dock.brush).x() > max(place(one).x() for one in buttons))
    assert place(dock.brush).y() == min(place(one).y() for one in buttons)
    assert place(dock.history).x() > place(dock.brush).x()
    dock.resize(300, 600)
    qtbot.waitUntil(lambda: place(dock.brush).y() > max(place(one).y() for one in buttons))
    assert lines() == 2


def test_names_are_left_out_where_four_of_them_have_no_room(dock, qtbot):
    named = Qt.ToolButtonStyle.ToolButtonTextUnderIcon

    def names():
        return {dock.buttons.button(tool).toolButtonStyle() == named for tool in Tool}

    dock.resize(300, 600)
    qtbot.waitUntil(lambda: names() == {True})
    line = dock.buttons.button(Tool.MOVE).height()
    dock.resize(190, 600)
    qtbot.waitUntil(lambda: names() == {False})
    assert dock.buttons.button(Tool.MOVE).height() < line
    qtbot.waitUntil(lambda: dock.buttons.height() == dock.buttons.heightForWidth(dock.buttons.width()))
    for tool in Tool:
        one = dock.buttons.button(tool)
        assert TOOLS[tool].title in one.toolTip() and one.accessibleName() == TOOLS[tool].title
        assert dock.buttons.rect().contains(one.geometry())
    dock.resize(300, 600)
    qtbot.waitUntil(lambda: names() == {True})
    for button_ in (dock.buttons.button(tool) for tool in Tool):
        button_.setText("Regionenauswahlwerkzeug")
    qtbot.waitUntil(lambda: names() == {False})


def test_the_setting_that_the_tool_uses_is_shown(session, dock):
    for tool in Tool:
        session.set_tool(tool)
        assert dock.regions.isVisible() is (tool in (Tool.PICK, Tool.ANSWER))
        assert dock.brush.isVisible() is (tool not in (Tool.PICK, Tool.ANSWER))


def test_the_dock_scrolls_only_when_it_must(dock, qtbot):
    bar = dock.findChild(QScrollArea).verticalScrollBar()
    dock.resize(300, dock.sizeHint().height())
    qtbot.waitUntil(lambda: bar.maximum() == 0)
    dock.resize(300, dock.sizeHint().height() // 2)
    qtbot.waitUntil(lambda: bar.maximum() > 0)


def test_icons_follow_the_theme(dock):
    one = button(dock, "tool_move")

    def lightness():
        image = one.icon().pixmap(22, 22).toImage()
        colors = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
        return np.mean([color.lightness() for color in colors if color.alpha() > 200])

    dock.setStyleSheet(get_stylesheet("dark"))
    QApplication.processEvents()
    assert lightness() > 180
    dock.setStyleSheet(get_stylesheet("light"))
    QApplication.processEvents()
    assert lightness() < 80


def test_icons_are_all_drawn_inside_their_square_and_differ(qapp):
    seen = set()
    for name in ICONS:
        image = QImage(72, 72, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        paint_icon(painter, name, QRectF(12, 12, 48, 48), QColor("red"))
        painter.end()
        alpha = np.array([[image.pixelColor(x, y).alpha() for x in range(72)] for y in range(72)])
        assert (alpha > 0).sum() > 100, name
        alpha[11:61, 11:61] = 0
        assert not alpha.any(), name
        seen.add(bytes(image.constBits().asstring(image.sizeInBytes())))
    assert len(seen) == len(ICONS)


def test_a_dock_that_is_gone_is_not_called_any_more(session, qtbot):
    dock = ToolsDock(session)
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    session.set_brush(99)
    session.set_tool(Tool.WHY)
    session.set_tag(0, True)
    session.edit_classes(lambda project: project.add_class("x"), "added")
    session.step(1)
    session.close()


def test_it_docks_in_a_viewer_at_the_right_and_at_the_bottom(session, make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    dock = ToolsDock(session)
    pressed = []
    viewer.bind_key("9", lambda _: pressed.append("9"), overwrite=True)
    viewer.window.add_dock_widget(dock, name="Tools", area="right")
    button(dock, "tool_box").click()
    assert session.tool is Tool.BOX
    qtbot.keyClick(dock.brush.slider, Qt.Key.Key_9)
    dock.toggle_tags()
    dock.tags.list.setFocus()
    qtbot.keyClick(dock.tags.list, Qt.Key.Key_9)
    assert pressed == ["9", "9"]
