"""Hands what the mouse does on the picture to the chosen tool."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QCursor, QMouseEvent

from spml_napari.docks.following import follow
from spml_napari.session import Session
from spml_napari.tools.brush_cursor import LARGEST, brush_cursor
from spml_napari.tools.native import native_canvas
from spml_napari.tools.tool import PictureTool, Place, is_inside
from spml_napari.view_state import Tool

_LEFT, _RIGHT, _MIDDLE = 1, 2, 3

_SHAPES = {
    "cross": Qt.CursorShape.CrossCursor,
    "hand": Qt.CursorShape.OpenHandCursor,
    "arrow": Qt.CursorShape.ArrowCursor,
}


class ToolController(QObject):
    """Listens to a viewer's mouse and calls the tool that the session names.

    The left button belongs to the tool, the middle one always moves the picture, the wheel zooms, with Shift or Ctrl
    it changes the brush. The right button takes a stroke in progress back.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    tools : mapping of Tool to PictureTool
    is_ready : callable
        Whether the picture can be drawn on: it is on the canvas.
    busy_changed : callable
        Called with True when a stroke begins and with False when it has ended.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        tools: Mapping[Tool, PictureTool],
        is_ready: Callable[[], bool],
        busy_changed: Callable[[bool], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self._viewer = viewer
        self._tools = tools
        self._is_ready = is_ready
        self._busy_changed = busy_changed
        self._drawing: PictureTool | None = None
        self._last: Place = (0.0, 0.0)
        self._setting_cursor = False
        self._native = native_canvas(viewer)
        self._native.installEventFilter(self)
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.mouse_move_callbacks.append(self._on_hover)
        viewer.mouse_wheel_callbacks.append(self._on_wheel)
        viewer.scene.camera.events.zoom.connect(self.show_cursor)
        viewer.scene.camera.events.mouse_pan.connect(self._keep_panning_as_it_is)
        follow(
            self,
            {
                session.settling: self.finish,
                session.tool_changed: self._on_tool,
                session.brush_changed: self.show_cursor,
                session.class_changed: self.show_cursor,
                session.classes_changed: self.show_cursor,
            },
        )
        self._tool = tools[session.tool]
        self._on_tool()

    @property
    def is_drawing(self) -> bool:
        """Whether a stroke is in progress."""
        return self._drawing is not None

    def detach(self) -> None:
        """Leave the viewer alone from now on."""
        self.cancel()
        viewer = self._viewer
        viewer.cursor.style = "standard"
        for callbacks, own in (
            (viewer.mouse_drag_callbacks, self._on_drag),
            (viewer.mouse_move_callbacks, self._on_hover),
            (viewer.mouse_wheel_callbacks, self._on_wheel),
        ):
            if own in callbacks:
                callbacks.remove(own)
        viewer.scene.camera.events.zoom.disconnect(self.show_cursor)
        viewer.scene.camera.events.mouse_pan.disconnect(self._keep_panning_as_it_is)
        if isalive(self._native):
            self._native.removeEventFilter(self)

    # Strokes ------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Make a stroke in progress a mark now, as if the button came up."""
        if self._drawing is not None:
            tool, self._drawing = self._drawing, None
            tool.release(self._last)
            self._busy_changed(False)

    def cancel(self) -> bool:
        """Take a stroke in progress back; whether there was one."""
        if self._drawing is None:
            return False
        tool, self._drawing = self._drawing, None
        tool.cancel()
        self._busy_changed(False)
        return True

    def _press(self, place: Place) -> None:
        self._drawing, self._last = self._tool, place
        self._busy_changed(True)
        self._tool.press(place)

    def _drag_to(self, place: Place) -> None:
        self._last = place
        if self._drawing is not None:
            self._drawing.drag(place)

    def _on_drag(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Napari's form of a drag: runs on at every move, and for the last time when a button comes up."""
        if event.button == _MIDDLE:
            yield from self._pan(viewer, event)
            return
        if event.button == _RIGHT and self.cancel():
            event.handled = True
            return
        draws = event.button == _LEFT and not self._tool.pans and "Alt" not in event.modifiers
        place = _place(event)
        if not draws or self.is_drawing or not self._is_on_picture(place):
            return
        self._press(place)
        event.handled = True
        yield
        while event.type == "mouse_move":
            if self.is_drawing:
                event.handled = True
                self._drag_to(_place(event))
            yield
        if self.is_drawing:
            self._last = _place(event)
            self.finish()

    def _pan(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        last = event.pos
        event.handled = True
        yield
        while event.type == "mouse_move":
            camera = viewer.scene.camera
            x, y = event.pos[0] - last[0], event.pos[1] - last[1]
            last = event.pos
            depth, row, column = camera.center
            camera.center = (depth, row - y / camera.zoom, column - x / camera.zoom)
            event.handled = True
            yield

    def _on_hover(self, viewer: Any, event: Any) -> None:
        place = _place(event)
        self._tool.hover(place if self._is_on_picture(place) else None)

    def _on_wheel(self, viewer: Any, event: Any) -> None:
        if "Shift" in event.modifiers or "Control" in event.modifiers:
            # With Shift some systems turn the wheel's direction to sideways.
            turned = event.delta[0] + event.delta[1]
            if turned and self._tool.cursor == "brush":
                self.session.scale_brush(larger=turned > 0)
            event.handled = True

    def _is_on_picture(self, place: Place) -> bool:
        picture = self.session.picture
        return picture is not None and self._is_ready() and is_inside(place, picture)

    # Tool and cursor ------------------------------------------------------------------------------------

    def _on_tool(self) -> None:
        self.finish()
        self._tool.hover(None)
        self._tool = self._tools[self.session.tool]
        self._viewer.scene.camera.mouse_pan = self._tool.pans
        self.show_cursor()

    def _keep_panning_as_it_is(self, event: Any = None) -> None:
        """Selecting a layer makes napari pan again; the left button belongs to the tool all the same."""
        camera = self._viewer.scene.camera
        if camera.mouse_pan != self._tool.pans:
            camera.mouse_pan = self._tool.pans

    def show_cursor(self, event: Any = None) -> None:
        """Let the cursor tell tool, class and size of the brush."""
        if self._setting_cursor:
            return
        self._setting_cursor = True
        try:
            diameter = self.session.brush * self._viewer.scene.camera.zoom
            is_large = self._tool.cursor == "brush" and diameter > LARGEST
            cursor = self._viewer.cursor
            if is_large:  # napari draws it itself, into the scene; without a colour, but of any size
                cursor.scaled, cursor.size, cursor.style = True, self.session.brush, "circle"
                return
            cursor.style = "standard"
            self._native.setCursor(self._cursor(diameter))
        finally:
            self._setting_cursor = False

    def _cursor(self, diameter: float) -> QCursor:
        kind = self._tool.cursor
        if kind != "brush":
            return QCursor(_SHAPES[kind])
        session = self.session
        color = None
        if session.tool is not Tool.ERASE:
            color = session.classes.classes[min(session.class_index, len(session.classes) - 1)].color
        return brush_cursor(diameter, color, self._native.devicePixelRatioF())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        """See what napari doesn't tell of: quick second clicks, the cursor leaving, the cursor being changed."""
        if event is None or watched is not self._native:
            return False
        kind = event.type()
        if kind == QEvent.Type.CursorChange:
            self.show_cursor()
        elif kind == QEvent.Type.Leave:
            self._tool.hover(None)
        elif kind == QEvent.Type.MouseButtonDblClick and not self._tool.pans:
            # A second stroke that begins soon after the first is no double click.
            assert isinstance(event, QMouseEvent)
            self._native.mousePressEvent(event)
            return True
        return False


def _place(event: Any) -> Place:
    """Row and column of a mouse event in the picture, which lies at the origin of napari's world."""
    return float(event.position[-2]), float(event.position[-1])
