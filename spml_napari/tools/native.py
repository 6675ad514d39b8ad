"""The Qt widgets behind a viewer. The only file that looks behind napari's curtain: it offers no public way."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QMainWindow, QWidget


def unwrapped(viewer: Any) -> Any:
    """Return the viewer itself where napari gave a plugin a proxy."""
    return getattr(viewer, "__wrapped__", viewer)


def main_window(viewer: Any) -> QMainWindow:
    """Return the window that a viewer lives in."""
    window: QMainWindow = unwrapped(viewer).window._qt_window
    return window


def native_canvas(viewer: Any) -> QWidget:
    """Return the widget that napari draws a viewer's layers on."""
    widget: QWidget = unwrapped(viewer).window._qt_viewer.canvas.native
    return widget


def drop_target(viewer: Any) -> QWidget | None:
    """Return the widget that napari takes files on that are dropped on a viewer's layers."""
    widget: QWidget | None = native_canvas(viewer)
    while widget is not None and not widget.acceptDrops():
        widget = widget.parentWidget()
    return widget
