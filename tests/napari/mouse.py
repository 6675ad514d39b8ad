"""Real mouse events on napari's canvas."""

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

from spml_napari.tools.native import native_canvas, unwrapped

LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
NO_MODIFIER = Qt.KeyboardModifier.NoModifier


class Mouse:
    """Moves, presses and turns the wheel; vispy wants 10 ms between two moves."""

    def __init__(self, canvas, qtbot):
        self.canvas, self.qtbot = canvas, qtbot
        self.native = native_canvas(canvas.viewer)
        self._down = Qt.MouseButton.NoButton

    def pos(self, place):
        """Place on the widget of a pixel of the picture."""
        view = unwrapped(self.canvas.viewer).window._qt_viewer.canvas.view
        x, y = (view.transform * view.scene.transform).map([place[1], place[0]])[:2]
        return QPointF(float(x), float(y))

    def _send(self, kind, place, button, modifiers=NO_MODIFIER):
        pos = self.pos(place)
        screen = QPointF(self.native.mapToGlobal(QPoint(round(pos.x()), round(pos.y()))))
        event = QMouseEvent(kind, pos, screen, button, self._down, modifiers)
        QApplication.sendEvent(self.native, event)

    def press(self, place, button=LEFT, modifiers=NO_MODIFIER, kind=QEvent.Type.MouseButtonPress):
        self._down = self._down | button
        self._send(kind, place, button, modifiers)

    def move(self, place, modifiers=NO_MODIFIER):
        self.qtbot.wait(15)
        self._send(QEvent.Type.MouseMove, place, Qt.MouseButton.NoButton, modifiers)
        self.qtbot.wait(5)

    def release(self, place, button=LEFT):
        self._down = self._down & ~button
        self._send(QEvent.Type.MouseButtonRelease, place, button)

    def drag(self, *places, button=LEFT, modifiers=NO_MODIFIER):
        self.press(places[0], button, modifiers)
        for place in places[1:]:
            self.move(place, modifiers)
        self.release(places[-1], button)

    def click(self, place, button=LEFT):
        self.drag(place, button=button)

    def wheel(self, place, steps, modifiers=NO_MODIFIER):
        pos = self.pos(place)
        screen = QPointF(self.native.mapToGlobal(QPoint(round(pos.x()), round(pos.y()))))
        turned = QPoint(0, 120 * steps)
        phase = Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(pos, screen, QPoint(), turned, self._down, modifiers, phase, False)
        QApplication.sendEvent(self.native, event)
