"""Keys, by real key events."""

import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QDockWidget,
    QLineEdit,
    QListWidget,
    QMainWindow,
    QPushButton,
    QSpinBox,
    QWidget,
)

from spml_napari.docks.key_bar import KeyBar, hints
from spml_napari.shortcuts import SHORTCUTS, Shortcuts
from spml_napari.tools.native import main_window, native_canvas
from spml_napari.view_state import OverlayMode, Tool

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.area = QWidget()
    window.area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    window.setCentralWidget(window.area)
    window.show()
    return window


@pytest.fixture
def done():
    return []


@pytest.fixture
def shortcuts(session, window, done):
    def action(name, answer=None):
        return lambda: (done.append(name), answer)[1]

    actions = {"accept_picture": action("accept"), "cancel": action("cancel", True), "fit": action("fit")}
    shortcuts = Shortcuts(session, window, actions)
    yield shortcuts
    shortcuts.detach()


def press(window, key, modifiers=Qt.KeyboardModifier.NoModifier, widget=None):
    QTest.keyClick(widget or window.area, key, modifiers)


@pytest.mark.parametrize(
    ("key", "tool"),
    [
        (Qt.Key.Key_S, Tool.SCRIBBLE),
        (Qt.Key.Key_P, Tool.POINT),
        (Qt.Key.Key_B, Tool.BOX),
        (Qt.Key.Key_E, Tool.ERASE),
        (Qt.Key.Key_G, Tool.PICK),
        (Qt.Key.Key_W, Tool.WHY),
        (Qt.Key.Key_V, Tool.MOVE),
    ],
)
def test_tools(shortcuts, session, window, key, tool):
    session.set_tool(Tool.BOX if tool is not Tool.BOX else Tool.MOVE)
    press(window, key)
    assert session.tool is tool


def test_classes_brush_and_view(shortcuts, session, window):
    press(window, Qt.Key.Key_3)
    assert session.class_index == 2
    press(window, Qt.Key.Key_1)
    assert session.class_index == 0
    press(window, Qt.Key.Key_0)
    assert session.class_index == 0, "there is no tenth class"
    brush = session.brush
    press(window, Qt.Key.Key_BracketRight)
    assert session.brush > brush
    press(window, Qt.Key.Key_BracketLeft)
    assert session.brush == brush
    press(window, Qt.Key.Key_O)
    assert session.overlay.contour > 0
    press(window, Qt.Key.Key_U)
    assert session.overlay.mode is OverlayMode.UNCERTAINTY
    press(window, Qt.Key.Key_U)
    assert session.overlay.mode is OverlayMode.CLASSES
    press(window, Qt.Key.Key_D)
    assert session.overlay.mode is OverlayMode.SEEDS
    press(window, Qt.Key.Key_D)
    assert session.overlay.mode is OverlayMode.CLASSES


def test_undo_redo_and_pictures(shortcuts, session, window):
    press(window, Qt.Key.Key_Z, CONTROL)
    assert session.marks() == {}
    press(window, Qt.Key.Key_Z, CONTROL | SHIFT)
    assert len(session.marks()) == 3
    press(window, Qt.Key.Key_Z, CONTROL)
    press(window, Qt.Key.Key_Y, CONTROL)
    assert len(session.marks()) == 3
    press(window, Qt.Key.Key_N)
    assert session.picture.name == "second"
    press(window, Qt.Key.Key_Right)
    assert session.picture.name == "third"
    press(window, Qt.Key.Key_Left)
    press(window, Qt.Key.Key_N, SHIFT)
    assert session.picture.name == "first"


def test_given_actions_are_called_and_unknown_ones_left_alone(shortcuts, window, done):
    press(window, Qt.Key.Key_A)
    press(window, Qt.Key.Key_F)
    press(window, Qt.Key.Key_Escape)
    assert done == ["accept", "fit", "cancel"]
    event = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_T, Qt.KeyboardModifier.NoModifier, "t")
    event.ignore()
    assert not shortcuts.eventFilter(window.area, event) and not event.isAccepted()


def key_event(kind, repeated=False):
    no = Qt.KeyboardModifier.NoModifier
    return QKeyEvent(kind, Qt.Key.Key_Space, no, " ", repeated)


def test_space_hides_the_overlay_while_it_is_held(shortcuts, session, window):
    send = QApplication.sendEvent
    send(window.area, key_event(QEvent.Type.KeyPress))
    assert not session.overlay.visible
    for _ in range(3):  # a held key repeats on X11 as release and press
        send(window.area, key_event(QEvent.Type.KeyRelease, repeated=True))
        send(window.area, key_event(QEvent.Type.KeyPress, repeated=True))
        assert not session.overlay.visible
    send(window.area, key_event(QEvent.Type.KeyRelease))
    assert session.overlay.visible
    session.view(visible=False)
    send(window.area, key_event(QEvent.Type.KeyPress))
    send(window.area, key_event(QEvent.Type.KeyRelease))
    assert not session.overlay.visible, "an overlay that was hidden stays hidden"


@pytest.mark.parametrize("kind", [QLineEdit, QSpinBox])
def test_fields_keep_their_keys(shortcuts, session, window, qtbot, kind):
    field = kind(window)
    field.show()
    press(window, Qt.Key.Key_3, widget=field)
    press(window, Qt.Key.Key_S, widget=field)
    assert "3" in field.text()
    press(window, Qt.Key.Key_Z, CONTROL, widget=field)
    assert session.class_index == 0 and session.tool is Tool.MOVE and len(session.marks()) == 3


def test_lists_and_buttons_keep_arrows_and_space_only(shortcuts, session, window):
    pressed = []
    button, entries = QPushButton("Go", window), QListWidget(window)
    button.clicked.connect(lambda: pressed.append(1))
    entries.addItems(["a", "b"])
    for widget in (button, entries):
        widget.show()
        press(window, Qt.Key.Key_Space, widget=widget)
        press(window, Qt.Key.Key_Right, widget=widget)
    assert pressed and session.overlay.visible and session.picture.name == "first"
    press(window, Qt.Key.Key_S, widget=entries)
    assert session.tool is Tool.SCRIBBLE


def test_other_windows_keep_their_keys(shortcuts, session, qtbot):
    other = QWidget()
    qtbot.addWidget(other)
    other.show()
    QTest.keyClick(other, Qt.Key.Key_S)
    assert session.tool is Tool.MOVE


def test_floating_docks_belong_to_the_window(shortcuts, session, window):
    dock, inside = QDockWidget(window), QWidget()
    dock.setWidget(inside)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    dock.setFloating(True)
    dock.show()
    assert inside.window() is dock
    press(window, Qt.Key.Key_S, widget=inside)
    assert session.tool is Tool.SCRIBBLE


def test_override_is_taken_so_that_naparis_actions_do_not_get_the_key(canvas, session, qtbot):
    shortcuts = Shortcuts(session, main_window(canvas.viewer), {"cancel": canvas.cancel})
    native = native_canvas(canvas.viewer)
    ndisplay, layers = canvas.viewer.dims.ndisplay, list(canvas.viewer.layers)
    canvas.viewer.layers.selection.active = canvas.marks.painted
    for key in (Qt.Key.Key_S, Qt.Key.Key_3, Qt.Key.Key_E, Qt.Key.Key_V, Qt.Key.Key_M):
        QTest.keyClick(native, key)
    QTest.keyClick(native, Qt.Key.Key_Y, CONTROL)
    assert canvas.viewer.dims.ndisplay == ndisplay, "Ctrl+Y is napari's key for 3D"
    assert canvas.marks.painted.mode == "pan_zoom" and canvas.marks.painted.visible
    assert session.class_index == 2 and session.tool is Tool.MOVE
    QTest.keyClick(native, Qt.Key.Key_Z, CONTROL)
    assert session.marks() == {} and not canvas.marks.painted.data.any()
    assert list(canvas.viewer.layers) == layers
    shortcuts.detach()


def test_every_key_stands_once_and_says_what_it_does():
    keys = [key for shortcut in SHORTCUTS for key in shortcut.keys]
    assert len(keys) == len(set(keys))
    assert all(shortcut.text for shortcut in SHORTCUTS)


def test_key_bar_shows_the_keys_of_the_tool_and_what_was_saved(session, qtbot):
    bar = KeyBar(session)
    qtbot.addWidget(bar)
    bar.resize(2400, 30)
    bar.show()
    session.set_tool(Tool.SCRIBBLE)
    assert bar.strip.shown() == hints(Tool.SCRIBBLE)
    shown = {hint.text: hint.key for hint in hints(Tool.SCRIBBLE)}
    assert shown["Brush size"] == "[  ]" and shown["Class"] == "1-9, 0" and "Undo, redo" in shown
    session.set_tool(Tool.WHY)
    assert "Brush size" not in [hint.text for hint in bar.strip.shown()]
    session.undo()
    qtbot.waitUntil(lambda: "undo" in bar.status.text())
    bar.say("a very long word " * 30)
    bar.resize(300, 30)
    qtbot.waitUntil(lambda: bar.status.text().endswith("…") and bar.status.width() <= 150)
    assert bar.minimumSizeHint().width() < 200
    assert len(bar.strip.shown()) < len(hints(Tool.WHY))
    assert "Undo, redo" in bar.strip.toolTip(), "what has no room is in the tooltip"


def test_tab_and_enter_answer_on_the_canvas_and_move_in_docks(session, window, done, qtbot):
    actions = {"enter": lambda: done.append("enter"), "next_region": lambda: done.append("next")}
    given = []
    shortcuts = Shortcuts(session, window, actions, lambda index: given.append(index) or index == 2)
    dock = QDockWidget(window)
    button = QPushButton()
    dock.setWidget(button)
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    window.area.setFocus()
    for key in (Qt.Key.Key_Tab, Qt.Key.Key_Return, Qt.Key.Key_Enter):
        press(window, key)
    assert done == ["next", "enter", "enter"]
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Tab):
        button.setFocus()
        press(window, key, widget=button)
    assert len(done) == 3
    press(window, Qt.Key.Key_2)
    press(window, Qt.Key.Key_3)
    assert given == [1, 2] and session.class_index == 1, "who gives a region a class keeps the current one"
    assert session.overlay.suggested
    press(window, Qt.Key.Key_Y)
    assert not session.overlay.suggested
    press(window, Qt.Key.Key_Q)
    assert session.tool is Tool.ANSWER
    shortcuts.detach()
