"""A person at the window, for the scripts that take its pictures."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

PATIENCE = 600.0
"""Seconds after which something that should have happened is given up."""
DRAWINGS = ("start", "new_project")
"""Shots without a photo: PNG is sharper there, and smaller than JPEG."""

Place = tuple[float, float]


class Person:
    """Looks at the window, waits for what it does, moves the mouse and presses keys.

    Parameters
    ----------
    folder : Path
        Where the pictures go.
    """

    def __init__(self, folder: Path) -> None:
        from napari import current_viewer
        from qtpy.QtWidgets import QApplication

        from spml_napari.tools.native import main_window, native_canvas
        from spml_napari.workbench import Workbench

        self.folder = folder
        self.app = QApplication.instance()
        self.viewer = current_viewer()
        self.bench = Workbench.of(self.viewer)
        self.session = self.bench.session
        self.window = main_window(self.viewer)
        self.native = native_canvas(self.viewer)
        self._mouse: Any = None
        self._is_on_picture = False

    # Waiting --------------------------------------------------------------------------------------------

    def wait(self, look: Callable[[], object], what: str) -> None:
        """Let the window work until ``look()`` is true."""
        until = time.monotonic() + PATIENCE
        while not look():
            if time.monotonic() > until:
                raise TimeoutError(f"waited {PATIENCE:g} s in vain for {what}")
            self.app.processEvents()
            time.sleep(0.01)

    def rest(self, seconds: float = 0.5) -> None:
        """Let the window draw what it has to."""
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > until, "the clock")

    def hear(self, signal: Any) -> Callable[[], list[tuple[Any, ...]]]:
        """Listen to a signal; what is returned gives all it has said."""
        said: list[tuple[Any, ...]] = []
        signal.connect(lambda *values: said.append(values))
        return lambda: said

    def go_to(self, name: str) -> None:
        """Show a picture and wait until it is there."""
        self.session.go_to(self.session.project.picture(name).id)
        self.wait_for_picture()

    def wait_for_picture(self) -> None:
        """Wait until the current picture is on the canvas."""
        self.wait(lambda: self.bench.canvas._is_ready, "the picture")
        self.rest()

    # Hands ------------------------------------------------------------------------------------------------

    def key(self, text: str) -> None:
        """Press a key, such as ``"s"`` or ``"Ctrl+Return"``, with the canvas in focus."""
        from qtpy.QtCore import Qt
        from qtpy.QtGui import QKeySequence
        from qtpy.QtTest import QTest

        self.native.setFocus()
        *_, name = text.split("+")
        code = Qt.Key.Key_Return if name == "Return" else QKeySequence(name)[0]
        code = code.key() if hasattr(code, "key") else code
        control = "Ctrl" in text
        held = Qt.KeyboardModifier.ControlModifier if control else Qt.KeyboardModifier.NoModifier
        QTest.keyClick(self.native, Qt.Key(code), held)
        self.rest(0.1)

    def draw(self, places: Iterable[Place], key: str = "") -> None:
        """Draw through places (x, y) of the picture, in the class of the key."""
        from qtpy.QtCore import QEvent

        if key:
            self.key(key)
        places = list(places)
        self._send(QEvent.Type.MouseMove, places[0], down=False)
        self._send(QEvent.Type.MouseButtonPress, places[0], down=True)
        for (x0, y0), (x1, y1) in pairwise(places):
            for part in (0.25, 0.5, 0.75, 1.0):
                self._send(QEvent.Type.MouseMove, (x0 + part * (x1 - x0), y0 + part * (y1 - y0)), down=True)
        self._send(QEvent.Type.MouseButtonRelease, places[-1], down=False)
        self.rest(0.1)

    def point_at(self, place: Place) -> None:
        """Hold the mouse over a place (x, y) of the picture."""
        from qtpy.QtCore import QEvent

        for nudge in (1, 0):  # a mouse that arrives has moved
            self._send(QEvent.Type.MouseMove, (place[0] + nudge, place[1]), down=False)

    def click(self, place: Place) -> None:
        """Click a place (x, y) of the picture."""
        self.draw([place])

    def _send(self, kind: Any, place: Place, down: bool) -> None:
        from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
        from qtpy.QtGui import QMouseEvent

        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        view = self.viewer.window._qt_viewer.canvas.view
        x, y = (view.transform * view.scene.transform).map([place[0], place[1]])[:2]
        at = QPoint(round(float(x)), round(float(y)))
        self._mouse = self.native.mapTo(self.window, at)
        screen = QPointF(self.native.mapToGlobal(at))
        button = none if kind == QEvent.Type.MouseMove else left
        event = QMouseEvent(
            kind, QPointF(at), screen, button, left if down else none, Qt.KeyboardModifier.NoModifier
        )
        self.app.sendEvent(self.native, event)
        self.rest(0.02)

    def open_tab(self, name: str) -> None:
        """Bring a dock to the front."""
        dock = self.bench.docks[name]
        while dock is not None and not hasattr(dock, "toggleViewAction"):
            dock = dock.parentWidget()
        dock.show()
        dock.raise_()
        self.rest()

    def scroll_to(self, name: str, widget: Any) -> None:
        """Scroll a dock until a part of it is in view."""
        from qtpy.QtWidgets import QScrollArea

        area = self.bench.docks[name].findChild(QScrollArea)
        area.ensureWidgetVisible(widget, 0, 8)
        self.rest(0.2)

    def find(self, name: str) -> Any:
        """The widget of an object name."""
        from qtpy.QtWidgets import QWidget

        found = self.window.findChild(QWidget, name)
        if found is None:
            raise LookupError(f"the window has no {name}")
        return found

    def close_notices(self) -> None:
        """Close what napari shows at the lower right."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification

        for notice in self.window.findChildren(NapariQtNotification):
            notice.close()
        self.rest(0.3)

    # Pictures -------------------------------------------------------------------------------------------

    def shoot(self, name: str, pointer: bool = False) -> None:
        """Keep what the screen shows now, the mouse's pointer too if it matters."""
        from PIL import Image
        from qtpy.QtCore import QBuffer, QIODevice
        from qtpy.QtGui import QPainter

        self.rest()
        shot = self.window.screen().grabWindow(0)
        if pointer and self._mouse is not None:
            painter = QPainter(shot)
            _paint_pointer(painter, self._mouse, self.native.cursor())
            painter.end()
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        shot.save(buffer, "PNG")
        image = Image.open(io.BytesIO(bytes(buffer.data()))).convert("RGB")
        path = self.folder / f"{name}.{'png' if name in DRAWINGS else 'jpg'}"
        # Thin coloured letters stay legible only with all of the colour.
        options: dict[str, Any] = {} if path.suffix == ".png" else {"quality": 86, "subsampling": 0}
        image.save(path, optimize=True, **options)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def _paint_pointer(painter: Any, at: Any, cursor: Any) -> None:
    """Paint the cursor that the window shows; a screen shot leaves it out."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtGui import QColor, QPainter, QPolygon

    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pixmap = cursor.pixmap()
    if not pixmap.isNull():
        painter.drawPixmap(at - cursor.hotSpot(), pixmap)
        return
    painter.setPen(QColor("black"))
    painter.setBrush(QColor("white"))
    if cursor.shape() == Qt.CursorShape.CrossCursor:
        for dx, dy, width, height in ((-11, -1, 23, 3), (-1, -11, 3, 23)):
            painter.drawRect(at.x() + dx, at.y() + dy, width, height)
        return
    outline = ((0, 0), (0, 20), (5, 15), (9, 23), (12, 22), (8, 14), (15, 14))
    painter.drawPolygon(QPolygon([at + QPoint(x, y) for x, y in outline]))
