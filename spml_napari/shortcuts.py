"""The keys of the window: one table, and the filter that listens for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QMainWindow,
    QPlainTextEdit,
    QTabBar,
    QTextEdit,
    QWidget,
)

from spml_napari.session import Session
from spml_napari.view_state import OverlayMode, Tool


@dataclass(frozen=True)
class Shortcut:
    """A key and what it does.

    Attributes
    ----------
    keys : tuple of str
        As Qt writes them; all do the same. Letters as on any keyboard, Ctrl is Command on a Mac.
    text : str
        What it does, in a few words.
    action : str
        Name of the callable; see :meth:`Shortcuts.actions`.
    tools : tuple of Tool
        The key bar shows it with these tools only; empty is always.
    bar : str
        What the key bar says; keys of which it says the same share one entry. Empty leaves the key out.
    film : bool
        Whether it does something only while a frame of a film is shown; else the key is left to others.
    """

    keys: tuple[str, ...]
    text: str
    action: str
    tools: tuple[Tool, ...] = ()
    bar: str = ""
    film: bool = False


_BRUSH = (Tool.SCRIBBLE, Tool.ERASE)
_CLASS = (Tool.SCRIBBLE, Tool.POINT, Tool.KEY_POINT, Tool.BOX, Tool.PICK)
_DRAWS = (*_CLASS, Tool.ERASE)
_ANSWERS = (Tool.ANSWER,)
_CLICKS = (Tool.ANSWER, Tool.PICK)

SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut(("S",), "Scribble", "tool_scribble"),
    Shortcut(("P",), "Point", "tool_point"),
    Shortcut(("K",), "Key point", "tool_key_point"),
    Shortcut(("B",), "Box", "tool_box"),
    Shortcut(("E",), "Erase", "tool_erase"),
    Shortcut(("G",), "Pick a segment", "tool_pick"),
    Shortcut(("Q",), "Answer: accept what is suggested, by clicks", "tool_answer"),
    Shortcut(("W",), "Why this class?", "tool_why"),
    Shortcut(("V", "M"), "Move the picture", "tool_move"),
    Shortcut(("T",), "Tags: what is in the picture", "show_tags"),
    Shortcut(tuple("1234567890"), "Class", "class", _CLASS, bar="Class"),
    Shortcut(
        ("Return",),
        "Accept the region; suggest now, where that waits for Enter",
        "enter",
        _ANSWERS,
        bar="Accept",
    ),
    Shortcut(
        ("Tab",),
        "Where to click next: the outlined region",
        "next_region",
        _CLICKS,
        bar="Where to click next",
    ),
    Shortcut(("[",), "Smaller brush", "smaller_brush", _BRUSH, bar="Brush size"),
    Shortcut(("]",), "Larger brush", "larger_brush", _BRUSH, bar="Brush size"),
    Shortcut(("Esc",), "Take the stroke back", "cancel", _DRAWS),
    Shortcut(("Ctrl+Z",), "Undo", "undo", bar="Undo, redo"),
    Shortcut(("Ctrl+Shift+Z", "Ctrl+Y"), "Redo", "redo", bar="Undo, redo"),
    Shortcut(("N", "Right"), "Next picture", "next_picture", bar="Next, previous picture"),
    Shortcut(("Shift+N", "Left"), "Previous picture", "previous_picture", bar="Next, previous picture"),
    Shortcut((",",), "One frame back", "frame_back", bar="Frame back, on", film=True),
    Shortcut((".",), "One frame on", "frame_on", bar="Frame back, on", film=True),
    Shortcut(("Shift+,",), "Ten frames back", "frames_back", film=True),
    Shortcut(("Shift+.",), "Ten frames on", "frames_on", film=True),
    Shortcut(("L",), "Play the film, or stop it", "play", bar="Play", film=True),
    Shortcut(
        ("R",),
        "Run the marks through the film: propagate, pause or continue",
        "propagate",
        bar="Propagate",
        film=True,
    ),
    Shortcut(("H",), "Hardest frame: where a mark helps most", "worst_frame", film=True),
    Shortcut(("Space",), "Hide the overlay while held", "peek", bar="Hide the overlay"),
    Shortcut(("O",), "Outlines or filled", "toggle_contour"),
    Shortcut(("U",), "Uncertainty", "toggle_uncertainty"),
    Shortcut(("Y",), "Suggestion or the model's prediction", "toggle_suggestion"),
    Shortcut(("D",), "Seeds: what boxes and tags were taken for", "toggle_seeds"),
    Shortcut(("A",), "Accept the picture", "accept_picture"),
    Shortcut(("J",), "Jump to the picture to mark next", "next_to_mark"),
    Shortcut(("Ctrl+Return",), "Start, pause or continue training", "train"),
    Shortcut(("Ctrl+.",), "Stop training", "stop_training"),
    Shortcut(("F",), "Fit the picture into the window", "fit"),
)
"""All keys, in the order in which they are shown. P chooses the point tool, so pictures are turned by N and Shift+N."""

_CONTOUR = 2
_MANY_FRAMES = 10
_TEXT_FIELDS = (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox)
_ARROWS = ("Left", "Right")
_ON_CANVAS = ("Tab", "Return")
"""In a dock these go from one control to the next, and press it."""
_KEY_EVENTS = (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress, QEvent.Type.KeyRelease)


class Shortcuts(QObject):
    """Listens for the keys while the window has the focus and nobody types text.

    Napari's own keys and menus don't get what is in the table. Keys whose action nobody gave are left to others.

    Parameters
    ----------
    session : Session
    window : QMainWindow
        Also listens in its docks that float.
    actions : mapping of str to callable, optional
        What the session can't do itself, by name: ``accept_picture``, ``next_to_mark``, ``train``, ``stop_training``,
        ``cancel``, ``fit``, ``show_tags``, ``enter``, ``next_region``, ``play``, ``propagate``, ``worst_frame``.
        One of the name of a built-in action replaces it.
    give_class : callable, optional
        Told the class of a number key before it becomes the current one; if it returns True, it doesn't.
    """

    def __init__(
        self,
        session: Session,
        window: QMainWindow,
        actions: Mapping[str, Callable[[], object]] | None = None,
        give_class: Callable[[int], bool] = lambda index: False,
    ) -> None:
        super().__init__(window)
        self._give_class = give_class
        self.session = session
        self._window = window
        self._actions: dict[str, Callable[[], object]] = {**self._own_actions(), **(actions or {})}
        self._by_key: dict[str, tuple[str, str]] = {
            key: (shortcut.action, key) for shortcut in SHORTCUTS for key in shortcut.keys
        }
        self._is_peeking = False
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.installEventFilter(self)
        # A release that goes to another window never comes.
        app.applicationStateChanged.connect(self._end_peek)

    def _own_actions(self) -> dict[str, Callable[[], object]]:
        session = self.session
        tools = {f"tool_{tool.value}": _choose(session, tool) for tool in Tool}
        others: dict[str, Callable[[], object]] = {
            "undo": session.undo,
            "redo": session.redo,
            "next_picture": lambda: session.step(1),
            "previous_picture": lambda: session.step(-1),
            "frame_back": lambda: session.step_frame(-1),
            "frame_on": lambda: session.step_frame(1),
            "frames_back": lambda: session.step_frame(-_MANY_FRAMES),
            "frames_on": lambda: session.step_frame(_MANY_FRAMES),
            "smaller_brush": lambda: session.scale_brush(larger=False),
            "larger_brush": lambda: session.scale_brush(larger=True),
            "toggle_contour": lambda: session.view(contour=0 if session.overlay.contour else _CONTOUR),
            "toggle_uncertainty": lambda: self._toggle(OverlayMode.UNCERTAINTY),
            "toggle_seeds": lambda: self._toggle(OverlayMode.SEEDS),
            "toggle_suggestion": lambda: session.view(suggested=not session.overlay.suggested),
        }
        return {**tools, **others}

    def _toggle(self, mode: OverlayMode) -> None:
        is_on = self.session.overlay.mode is mode
        self.session.view(mode=OverlayMode.CLASSES if is_on else mode)

    def detach(self) -> None:
        """Listen no more."""
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)

    # Events -------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        """Take our keys before anybody else sees them."""
        if event is None or event.type() not in _KEY_EVENTS or not isinstance(watched, QWidget):
            return False
        assert isinstance(event, QKeyEvent)
        kind = event.type()
        name = key_name(event)
        if kind == QEvent.Type.KeyRelease:
            return name == "Space" and self._is_peeking and self._on_space_up(event)
        if name not in self._by_key or not self._is_ours(watched, name):
            return False
        action, key = self._by_key[name]
        if not self._is_known(action) or (action in _OF_FILMS and self.session.film is None):
            return False
        if action == "cancel":  # Escape is for others too, when there is nothing to take back
            return kind == QEvent.Type.KeyPress and bool(self._actions[action]())
        # Accepting the override keeps Qt from looking for a menu or napari action of the same key.
        event.accept()
        if kind == QEvent.Type.KeyPress:
            self._run(action, key, event.isAutoRepeat())
        return True

    def _is_known(self, action: str) -> bool:
        return action in self._actions or action in ("class", "peek")

    def _run(self, action: str, key: str, is_repeated: bool) -> None:
        if action == "peek":
            self._peek()
        elif action == "class":
            index = (int(key) - 1) % 10
            if is_repeated or not self._give_class(index):
                self.session.set_class(index)
        elif not is_repeated or action in _REPEATING:
            self._actions[action]()

    def _is_ours(self, widget: QWidget, name: str) -> bool:
        """Whether the key goes to our window, and nobody types or moves with it there."""
        if self.session.project is None or QApplication.activeModalWidget() is not None:
            return False
        top = widget.window()
        if isinstance(top, QDockWidget):  # a dock that floats belongs to the window it came from
            parent = top.parentWidget()
            top = None if parent is None else parent.window()
        if top is not self._window:
            return False
        if isinstance(widget, _TEXT_FIELDS) or (isinstance(widget, QComboBox) and widget.isEditable()):
            return False
        # What a button there doesn't want is passed on to the window: it is the focus that tells.
        if name in _ON_CANVAS and (_is_in_dock(widget) or _is_in_dock(self._window.focusWidget())):
            return False
        # Lists, sliders and buttons keep the keys by which they are worked, so that all of the window can be.
        return not (name in (*_ARROWS, "Space") and _needs_arrows_and_space(widget))

    # Space --------------------------------------------------------------------------------------------

    def _peek(self) -> None:
        if not self._is_peeking and self.session.overlay.visible:
            self._is_peeking = True
            self.session.view(visible=False)

    def _on_space_up(self, event: QKeyEvent) -> bool:
        if not event.isAutoRepeat():
            self._end_peek()
        return True

    def _end_peek(self, *_: object) -> None:
        if self._is_peeking:
            self._is_peeking = False
            self.session.view(visible=True)


_NAMES: dict[int, str] = {
    Qt.Key.Key_Space: "Space",
    Qt.Key.Key_Escape: "Esc",
    Qt.Key.Key_Left: "Left",
    Qt.Key.Key_Right: "Right",
    Qt.Key.Key_Enter: "Return",
    Qt.Key.Key_Return: "Return",
    Qt.Key.Key_Tab: "Tab",
}

_OF_FILMS = frozenset(shortcut.action for shortcut in SHORTCUTS if shortcut.film)
_REPEATING = frozenset(
    {"undo", "redo", "next_picture", "previous_picture", "smaller_brush", "larger_brush"}
) | (_OF_FILMS - {"play", "propagate", "worst_frame"})
# With Shift, comma and full stop give other characters, one on American keyboards, another on many in Europe.
_SHIFTED: dict[int, str] = {
    Qt.Key.Key_Less: ",",
    Qt.Key.Key_Semicolon: ",",
    Qt.Key.Key_Greater: ".",
    Qt.Key.Key_Colon: ".",
}


def key_name(event: QKeyEvent) -> str:
    """Return the key as the table writes it: ``"Ctrl+Shift+Z"``, ``"["``, ``"Left"``."""
    modifiers = event.modifiers()
    name = _NAMES.get(event.key())
    if name is None:
        text = event.text()
        # On many keyboards the brackets need AltGr, and digits Shift: there the character tells.
        if text in ("[", "]") or (text.isdigit() and not modifiers & Qt.KeyboardModifier.ControlModifier):
            return text
        name = QKeySequence(event.key()).toString(QKeySequence.SequenceFormat.PortableText)
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            name = _SHIFTED.get(event.key(), name)
    for modifier, word in (
        (Qt.KeyboardModifier.ShiftModifier, "Shift"),
        (Qt.KeyboardModifier.AltModifier, "Alt"),
        (Qt.KeyboardModifier.MetaModifier, "Meta"),
        (Qt.KeyboardModifier.ControlModifier, "Ctrl"),
    ):
        if modifiers & modifier:
            name = f"{word}+{name}"
    return name


def _is_in_dock(widget: QWidget | None) -> bool:
    at = widget
    while at is not None and not isinstance(at, QDockWidget):
        at = at.parentWidget()
    return at is not None


def _choose(session: Session, tool: Tool) -> Callable[[], None]:
    return lambda: session.set_tool(tool)


def _needs_arrows_and_space(widget: QWidget) -> bool:
    kinds = QAbstractButton | QAbstractItemView | QAbstractSlider | QTabBar | QComboBox
    return isinstance(widget, kinds)
