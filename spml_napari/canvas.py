"""The picture and all that lies over it, in step with the session; the session hears of marks from the tools."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from spml_core.errors import SpmlError
from spml_core.project import PictureRecord
from spml_napari.docks.following import follow
from spml_napari.layers.asked_layer import AskedLayer
from spml_napari.layers.frame_loader import FrameLoader
from spml_napari.layers.marks_layers import MarksLayers
from spml_napari.layers.overlay import Overlay
from spml_napari.layers.picture_layer import PictureLayer
from spml_napari.layers.picture_loader import Jobs, PictureLoader
from spml_napari.layers.pointer_layer import PointerLayer
from spml_napari.layers.raster_layer import put
from spml_napari.layers.shown_picture import ShownPicture
from spml_napari.session import Session
from spml_napari.tools.answer import AnswerTool
from spml_napari.tools.box import BoxTool
from spml_napari.tools.controller import ToolController
from spml_napari.tools.erase import EraseTool
from spml_napari.tools.key_point import KeyPointTool
from spml_napari.tools.pick import PickTool, RegionsProvider
from spml_napari.tools.point import PointTool
from spml_napari.tools.region_map import Regions
from spml_napari.tools.scribble import ScribbleTool
from spml_napari.tools.tool import MoveTool, PictureTool, Place, is_inside
from spml_napari.tools.why import WhyTool
from spml_napari.view_state import Tool

_MARGIN = 0.02
_LATE_MS = 400
_FADED = 0.4


class Canvas(QObject):
    """Layers and tools of one viewer.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    executor : Jobs
        Decodes pictures; see :class:`spml_napari.workers.Executor`.
    frame_jobs : Jobs, optional
        Decodes frames of films, which can't wait for others: one thread is enough. ``executor`` by default.
    parent : QObject, optional

    Attributes
    ----------
    regions_provider : callable
        Returns the over-segmentation of the current picture, (h, w) int32 at the display's size, or None.
    on_why : callable
        Called with (y, x) when the user asks what decided a place.
    marks : MarksLayers
    overlay : Overlay
    picture : PictureLayer
    frames : FrameLoader
        Decodes frames of films.
    pointer : PointerLayer
    asked : AskedLayer
    answer : AnswerTool
    """

    cursor_moved = Signal(float, float)
    """The cursor is over this row and column of the picture."""
    cursor_left = Signal()
    """The cursor isn't over the picture any more."""
    said = Signal(str)
    """A word for the status line."""
    shown = Signal()
    """The current picture is on the canvas, sharp or not."""

    def __init__(
        self,
        viewer: Any,
        session: Session,
        executor: Jobs,
        frame_jobs: Jobs | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.session = session
        self.regions_provider: RegionsProvider = lambda: None
        self.on_why: Callable[[float, float], object] = lambda y, x: None
        self.loader = PictureLoader(executor, self)
        self.frames = FrameLoader(frame_jobs or executor, self)
        self.picture = PictureLayer(viewer)
        self.overlay = Overlay(session, self)
        self.marks = MarksLayers(session.classes)
        self.pointer = PointerLayer(session.classes)
        self.asked = AskedLayer(session)
        self._size: tuple[int, int] | None = None
        self._camera: tuple[Any, ...] | None = None
        self._is_ready = False
        self._behind: PictureRecord | None = None
        # The frame before stays for a moment; after that it must be seen that it isn't the one asked for.
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(_LATE_MS)
        self._late.timeout.connect(self._fade)
        self._shown_film: int | None = None
        self._was_inside = False
        self.pick = PickTool(session, self, self._regions)
        self.answer = AnswerTool(session, self)
        self.controller = ToolController(
            viewer, session, self._make_tools(), lambda: self._is_ready, self.overlay.hold, self
        )
        for loader in (self.loader, self.frames):
            loader.arrived.connect(self._on_arrived)
            loader.failed.connect(self._on_failed)
        viewer.mouse_move_callbacks.append(self._on_cursor)
        viewer.canvas.events.size.connect(self._on_resized)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.picture_changed: self._on_picture,
                session.pictures_changed: self._on_picture_found,
                session.marks_changed: self._on_marks,
                session.classes_changed: self._on_classes,
                session.suggestion_changed: self._on_suggestion,
            },
        )
        if session.picture is not None:
            self._on_picture()

    def _make_tools(self) -> dict[Tool, PictureTool]:
        session = self.session
        return {
            Tool.MOVE: MoveTool(session, self),
            Tool.SCRIBBLE: ScribbleTool(session, self),
            Tool.POINT: PointTool(session, self),
            Tool.KEY_POINT: KeyPointTool(session, self),
            Tool.BOX: BoxTool(session, self),
            Tool.ERASE: EraseTool(session, self),
            Tool.PICK: self.pick,
            Tool.ANSWER: self.answer,
            Tool.WHY: WhyTool(session, self, lambda y, x: self.on_why(y, x)),
        }

    def _regions(self) -> Regions | None:
        return self.regions_provider()

    # What others ask for ------------------------------------------------------------------------------

    @property
    def pixel(self) -> float:
        """Side of a pixel of the screen in pixels of the picture."""
        return 1 / float(self.viewer.scene.camera.zoom)

    def say(self, text: str) -> None:
        """Show a word in the status line."""
        self.said.emit(text)

    def cancel(self) -> bool:
        """Take a stroke in progress back; whether there was one."""
        return self.controller.cancel()

    def regions_changed(self) -> None:
        """Tell that regions came or went: the segment under the cursor lights up."""
        if self.session.tool is Tool.PICK:
            self.pick.look_again()

    def go_to_asked(self) -> bool:
        """Choose the region whose answer would teach most, in view and to be answered; whether there is one."""
        suggestion = self.session.suggestion
        if suggestion is None or suggestion.next_region is None:
            return False
        place = suggestion.regions.middle(suggestion.next_region)
        if place is None:
            return False
        self.session.set_tool(Tool.ANSWER)
        if not self._is_in_view(place):
            self.center_on(*place)
        self.answer.choose(suggestion.next_region)
        return True

    def _is_in_view(self, place: Place) -> bool:
        """Whether a place (y, x) of the picture is on the screen."""
        camera = self.viewer.scene.camera
        reach = [side / 2 / camera.zoom for side in self.viewer.canvas.size]
        return all(
            abs(at - middle) < most for at, middle, most in zip(place, camera.center[1:], reach, strict=True)
        )

    @property
    def is_ready(self) -> bool:
        """Whether the current picture is on the canvas."""
        return self._is_ready

    @property
    def is_drawing(self) -> bool:
        """Whether a stroke is in progress."""
        return self.controller.is_drawing

    def center_on(self, y: float, x: float) -> None:
        """Move the picture so that a pixel is in the middle of the canvas; the zoom stays."""
        self.viewer.scene.camera.center = (0.0, y, x)

    def fit(self) -> None:
        """Show the whole picture."""
        if self.viewer.dims.ndim == 2:
            self.viewer.reset_view(layers=[self.picture.layer], margin=_MARGIN)
        elif (picture := self.session.picture) is not None:
            # Beside a layer with a time axis: napari fits only layers that have as many axes as the viewer.
            size = np.array([picture.height, picture.width])
            self.center_on(*(size - 1) / 2)
            self.viewer.scene.camera.zoom = (1 - _MARGIN) * float(np.min(self.viewer.canvas.size / size))
        self._camera = self._camera_now()

    def close(self) -> None:
        """Leave the viewer alone from now on; its layers stay."""
        self.controller.detach()
        if self._on_cursor in self.viewer.mouse_move_callbacks:
            self.viewer.mouse_move_callbacks.remove(self._on_cursor)
        self.viewer.canvas.events.size.disconnect(self._on_resized)
        self.asked.detach()
        self.loader.forget()
        self.frames.forget()

    # From the session ---------------------------------------------------------------------------------

    def _on_project(self) -> None:
        self.loader.forget()
        self.frames.forget()
        self._size = None

    def _on_picture(self) -> None:
        project, record = self.session.project, self.session.picture
        self._is_ready = False
        self._behind = None
        if project is None or record is None:
            self._shown_film = None
            self.picture.clear()
            self.overlay.freeze(False)
            self._blank()
            self.loader.want(None, None)
            self.frames.want(None, None)
        elif record.film is not None:
            self._on_frame(record)
            self.loader.want(None, None)
            self.frames.want(project, record)
        else:
            self._shown_film = None
            if not self.loader.is_kept(record):
                self.picture.clear()
            self._lay_over(record)
            self.frames.want(None, None)
            self.loader.want(project, record)
            self.loader.prefetch(project, self._neighbors())

    def _on_frame(self, record: PictureRecord) -> None:
        """Get ready for a frame. Until it is decoded the one before stays, with all that lies over it: no flicker."""
        if record.film == self._shown_film and not self.frames.is_kept(record):
            self._behind = record
            self.overlay.freeze(True)
            if not self._late.isActive():
                self._late.start()
            return
        if record.film != self._shown_film:
            self._shown_film = None
            self.picture.clear()
        self._lay_over(record)

    def _fade(self) -> None:
        if self._behind is not None:
            put(self.picture.layer, opacity=_FADED)

    def _lay_over(self, record: PictureRecord) -> None:
        """Show the marks of the current picture and what lies over it."""
        self._behind = None
        self._late.stop()
        put(self.picture.layer, opacity=1.0)
        self._place_layers()
        shrink = self.session.shrink
        self.marks.start(record.height, record.width, shrink, self.session.marks())
        self.pointer.start(record.height, record.width, shrink)
        self.overlay.freeze(False)
        self.overlay.refresh()

    def _on_picture_found(self) -> None:
        """Pictures were added or found again: perhaps the one that couldn't be shown."""
        project, old = self.session.project, self.session.picture
        if project is None or old is None or self._is_ready:
            return
        with contextlib.suppress(SpmlError):  # a frame whose film is gone
            record = project.record(old.id)
            (self.loader if record.film is None else self.frames).want(project, record)

    def _on_marks(self, pictures: frozenset[int]) -> None:
        picture = self.session.picture
        if picture is not None and picture.id in pictures and self._behind is None:
            self.marks.follow(self.session.marks())

    def _on_classes(self) -> None:
        self.marks.recolor(self.session.classes)
        self.pointer.recolor(self.session.classes)

    def _on_suggestion(self) -> None:
        if self.session.tool is Tool.ANSWER:
            self.answer.look_again()

    def _neighbors(self) -> list[Any]:
        project, record = self.session.project, self.session.picture
        if project is None or record is None:
            return []
        pictures = project.pictures
        place = next((i for i, other in enumerate(pictures) if other.id == record.id), None)
        if place is None:
            return []
        return [pictures[i] for i in (place + 1, place - 1) if 0 <= i < len(pictures)]

    # Pictures as they come --------------------------------------------------------------------------------

    def _on_arrived(self, picture: ShownPicture) -> None:
        if self.session.picture is None or picture.record.id != self.session.picture.id:
            return
        if self._behind is not None:
            self._lay_over(self._behind)
        self.picture.show(picture)
        is_next_frame = self._shown_film is not None and self._shown_film == picture.record.film
        self._shown_film = picture.record.film
        self._is_ready = True
        size = (picture.record.height, picture.record.width)
        if size != self._size or (not is_next_frame and self._is_untouched()):
            self.fit()
        self._size = size
        self.shown.emit()

    def _on_failed(self, error: Exception) -> None:
        if self._behind is not None:
            # What can't be shown mustn't look like the frame before.
            self._shown_film = None
            self.picture.clear()
            self._lay_over(self._behind)
        self.session.report(error)

    def _is_untouched(self) -> bool:
        """Whether the user left the view as :meth:`fit` made it."""
        now = self._camera_now()
        return self._camera is not None and np.allclose(now, self._camera)

    def _on_resized(self, event: object) -> None:
        """Keep the whole picture in view when docks come and go, unless the user chose another part of it."""
        if self._is_ready and self._is_untouched():
            self.fit()

    def _camera_now(self) -> tuple[Any, ...]:
        camera = self.viewer.scene.camera
        return (*camera.center, camera.zoom)

    def _blank(self) -> None:
        self.marks.start(1, 1, 1, {})
        self.pointer.start(1, 1, 1)
        self._size = None

    def _place_layers(self) -> None:
        """Put our layers above what else is in the viewer; again, if the user took one away."""
        layers = self.viewer.layers
        parts = (self.picture, self.overlay, self.marks)
        wanted = [layer for part in parts for layer in part.layers] + [self.pointer.layer, self.asked.layer]
        for layer in wanted:
            if layer not in layers:
                self.viewer.add_layer(layer)
        if layers.selection.active not in wanted:
            layers.selection.active = self.picture.layer

    def _on_cursor(self, viewer: Any, event: Any) -> None:
        picture = self.session.picture
        y, x = float(event.position[-2]), float(event.position[-1])
        if picture is not None and is_inside((y, x), picture):
            self._was_inside = True
            self.cursor_moved.emit(y, x)
        elif self._was_inside:
            self._was_inside = False
            self.cursor_left.emit()
