"""Everything that belongs to one viewer: session, canvas, controls, docks. The only file that wires them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from spml_core.errors import ProjectError, SpmlError
from spml_core.films import is_film
from spml_napari.canvas import Canvas
from spml_napari.dock_making import DOCKS
from spml_napari.docks.export import ExportDock
from spml_napari.docks.film_bar import FilmBar
from spml_napari.docks.inspect import InspectDock
from spml_napari.docks.key_bar import KeyBar
from spml_napari.docks.pictures import PicturesDock
from spml_napari.docks.tools import ToolsDock
from spml_napari.docks.training import TrainingDock
from spml_napari.docks.welcome import WelcomeDock
from spml_napari.drops import Drops
from spml_napari.film_layers import add_layer, film_layer
from spml_napari.film_overview import FilmOverviews
from spml_napari.film_player import FilmPlayer
from spml_napari.frame_follower import FrameFollower
from spml_napari.layers.flicker_layer import FlickerLayer
from spml_napari.layers.frame_loader import FilmFacts
from spml_napari.measure_control import MeasureControl
from spml_napari.prediction_control import PredictionControl
from spml_napari.propagation_control import PropagationControl
from spml_napari.qt_types import there
from spml_napari.ranking_control import RankingControl
from spml_napari.seed_control import SeedControl
from spml_napari.session import Session
from spml_napari.settings import load_settings
from spml_napari.shortcuts import Shortcuts
from spml_napari.suggestion_control import Live, SuggestionControl
from spml_napari.toasts import Toasts
from spml_napari.tools.native import main_window
from spml_napari.training_control import TrainingControl
from spml_napari.training_state import TrainingState
from spml_napari.view_state import OverlayMode, Tool
from spml_napari.workers import ChildProcess, Executor

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

Dock = TypeVar("Dock", bound=QWidget)

__all__ = ["DOCKS", "Workbench"]

_ANSWERS = "spml_core.engine.background.answer_process:serve_answers"
_SUGGESTIONS = "spml_core.engine.background.suggest_process:serve_suggestions"


class Workbench(QObject):
    """Session, canvas and controls of one viewer, and the docks made for it.

    Use :meth:`of`: every viewer has one at the most.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    _benches: ClassVar[dict[int, Workbench]] = {}

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.session = Session()
        self.executor = Executor(parent=self)
        self.training = TrainingControl(self.session, parent=self)
        self.predictions = PredictionControl(
            self.session, self._start_answers, lambda: self.training.is_training, parent=self
        )
        self.seeds = SeedControl(self.session, self.predictions.line, self.predictions.current_run, self)
        self.suggestions = SuggestionControl(self.session, self._start_suggestions, parent=self)
        self.ranking = RankingControl(self.session, self.predictions.line, self._may_rank, self)
        self.films = FilmOverviews(self.session, self.executor.submit, parent=self)
        self.frame_executor = Executor(threads=1, niceness=0, parent=self)
        self.canvas = Canvas(viewer, self.session, self.executor, self.frame_executor, parent=self)
        self.player = FilmPlayer(self.session, lambda: self.canvas.is_ready, parent=self)
        follower = FrameFollower(self.session, self.canvas, self.player, parent=self)
        self.propagation = PropagationControl(
            self.session, self.films, self.executor.submit, follower, parent=self
        )
        self.measuring = MeasureControl(self.session, parent=self)
        self.flicker = FlickerLayer(viewer, self.measuring, parent=self)
        self.toasts = Toasts(viewer, parent=self)
        self.drops = Drops(viewer, self.take_drop, parent=self)
        self._docks: dict[str, QWidget] = {}
        self._window: QMainWindow | None = main_window(viewer)
        self._window.installEventFilter(self)
        self._shortcuts: Shortcuts | None = Shortcuts(
            self.session, self._window, self.actions(), self._give_class
        )
        self._closed = False
        self._place: tuple[float, float] | None = None
        self._take_settings()
        self.session.reported.connect(self.toasts.show)
        # A run belongs to its project: it ends, and is written down, before another is opened.
        self.session.project_closing.connect(self._stop_training)
        self.training.state_changed.connect(self._on_training)
        self.predictions.ready.connect(self._offer_devices)
        self.canvas.said.connect(self._say)
        self.canvas.cursor_moved.connect(self._on_cursor)
        self.canvas.cursor_left.connect(self._on_cursor_left)
        self.canvas.shown.connect(self._go_to_place)
        self.canvas.shown.connect(self.suggestions.start)
        self.suggestions.changed.connect(self._on_suggestions)
        self.predictions.suggested_order = self.ranking.order
        self.predictions.regions_changed.connect(self.canvas.regions_changed)
        self.session.seeds_changed.connect(self._on_seeds)
        self.session.overlay_changed.connect(self._on_seeds)
        self.canvas.frames.opened.connect(self._on_film_opened)
        self.canvas.regions_provider = self._regions
        self.canvas.on_why = self.predictions.ask_why
        there(QApplication.instance()).aboutToQuit.connect(self.close)

    @classmethod
    def of(cls, viewer: Viewer) -> Workbench:
        """The viewer's workbench, made when first asked for."""
        # Plugins are handed a proxy, a new one each time; what it stands for is one object.
        key = id(getattr(viewer, "__wrapped__", viewer))
        bench = cls._benches.get(key)
        if bench is None:
            bench = cls._benches[key] = cls(viewer)
        return bench

    @classmethod
    def known(cls, viewer: Viewer) -> Workbench | None:
        """The viewer's workbench, if it has one."""
        return cls._benches.get(id(getattr(viewer, "__wrapped__", viewer)))

    def _take_settings(self) -> None:
        """Begin as Preferences say."""
        settings = load_settings()
        self.session.set_brush(settings.brush)
        self.training.choose(
            preset=settings.preset,
            max_seconds=settings.max_seconds,
            device=settings.device,
            preview_seconds=settings.preview_seconds,
        )
        self.propagation.choose(device=settings.device)

    # Docks --------------------------------------------------------------------------------------------

    def dock(self, name: str) -> QWidget:
        """The dock of this name (a key of :data:`DOCKS`), made when first asked for."""
        widget = self.docks.get(name)
        if widget is None:
            widget = self._docks[name] = DOCKS[name](self)
        return widget

    @property
    def docks(self) -> dict[str, QWidget]:
        """The docks made so far, without those that were closed: napari deletes them."""
        return {name: widget for name, widget in self._docks.items() if isalive(widget)}

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        """See the window close."""
        if event is not None and event.type() == QEvent.Type.Close and watched is self._window:
            # A user may still say no to napari's question.
            QTimer.singleShot(0, self._close_with_window)
        return False

    def _close_with_window(self) -> None:
        if self._window is None or not isalive(self._window) or not self._window.isVisible():
            self.close()

    def actions(self) -> dict[str, Callable[[], object]]:
        """What keys can do beyond the session."""
        return {
            "accept_picture": self.predictions.accept,
            "next_to_mark": self.predictions.go_to_next,
            "train": self.training.toggle,
            "stop_training": self.training.stop,
            "cancel": self.canvas.cancel,
            "fit": self.canvas.fit,
            "show_tags": self._show_tags,
            "enter": self._on_enter,
            "next_region": self._go_to_asked,
            "play": self.player.toggle,
            "propagate": self.propagation.toggle,
            "worst_frame": self.propagation.go_to_worst,
        }

    def close(self) -> None:
        """Stop training and all threads and processes, and close the project; more than once does no harm."""
        if self._closed:
            return
        self._closed = True
        Workbench._benches = {key: bench for key, bench in self._benches.items() if bench is not self}
        export = self.docks.get("export")
        if isinstance(export, ExportDock):
            export.stop()
        if self._shortcuts is not None:
            self._shortcuts.detach()
        # napari's window must be able to go, whoever still knows this object.
        self._shortcuts = self._window = None
        self.drops.detach()
        self.player.stop()
        self.propagation.close()
        self.measuring.close()
        self.canvas.close()
        self.films.close()
        self.training.close()
        self.predictions.close()
        self.suggestions.close()
        self.frame_executor.close()
        self.executor.close()
        self.session.close()

    # Films --------------------------------------------------------------------------------------------

    def take_drop(self, paths: Sequence[Path]) -> bool:
        """Add dropped pictures, films and folders to the open project; without one, begin a project with the first.

        Without a project single pictures are napari's: it opens them, and a project can be made of open layers.
        """
        if self.session.project is not None:
            films = [path for path in paths if is_film(path)]
            others = [path for path in paths if path not in films]
            self._dock_of(PicturesDock, "pictures").add_pictures(others, films)
            return True
        first = next((path for path in paths if path.is_dir() or is_film(path)), None)
        if first is None:
            return False
        self._dock_of(WelcomeDock, "welcome").ask_for_project(first)
        return True

    def add_layer_as_film(self, layer: Layer | None) -> None:
        """Add the frames of a napari layer to the open project as a film."""
        try:
            if self.session.project is None:
                raise ProjectError("No project is open.", "Open or make one first: the film is added to it.")
            frames = film_layer(layer)
        except SpmlError as error:
            self.session.report(error)
            return
        self._dock_of(PicturesDock, "pictures").add_by(add_layer, frames)

    def _dock_of(self, kind: type[Dock], name: str) -> Dock:
        dock = self.dock(name)
        assert isinstance(dock, kind)
        return dock

    def _on_film_opened(self, facts: FilmFacts) -> None:
        bar = self.docks.get("film")
        if isinstance(bar, FilmBar):
            bar.show_facts(facts)

    # Between the parts ----------------------------------------------------------------------------------

    def _stop_training(self) -> None:
        self.training.close()

    def _start_answers(self, path: str) -> ChildProcess:
        process = ChildProcess(_ANSWERS, path, parent=self)
        process.start()
        return process

    def _start_suggestions(self, path: str) -> ChildProcess:
        # Of the same importance as the window: a person waits for it at every stroke.
        process = ChildProcess(_SUGGESTIONS, path, niceness=0, parent=self)
        process.start()
        return process

    def _may_rank(self) -> bool:
        return self.suggestions.live is not Live.OFF and not self.training.is_training

    def _on_suggestions(self) -> None:
        if self.suggestions.live is Live.OFF and self.ranking.progress is not None:
            self.ranking.cancel()

    def _give_class(self, index: int) -> bool:
        """Answer a number key with the region that is chosen, if one is."""
        return self.session.tool is Tool.ANSWER and self.canvas.answer.give(index)

    def _on_enter(self) -> None:
        """Suggest anew, where that waits for Enter; else accept the region that is chosen."""
        region = self.canvas.answer.region
        if self.suggestions.live is Live.ENTER and self.suggestions.ask_now():
            return
        if self.session.tool is Tool.ANSWER and region is not None:
            self.canvas.answer.accept({region})

    def _go_to_asked(self) -> None:
        if self.canvas.go_to_asked():
            return
        suggestion = self.session.suggestion
        if suggestion is None or not suggestion.says_something:
            self.session.set_tool(Tool.ANSWER)
            self._say("Begin with what you like: point at a region and press the number of its class.")
        else:
            self._say("There is nothing left to ask about this picture.")

    def _on_cursor(self, y: float, x: float) -> None:
        inspect = self.docks.get("inspect")
        if isinstance(inspect, InspectDock):
            inspect.show_at(y, x)

    def _on_cursor_left(self) -> None:
        inspect = self.docks.get("inspect")
        if isinstance(inspect, InspectDock):
            inspect.show_nowhere()

    def _regions(self) -> NDArray[np.int32] | None:
        """What the pick tool picks: while seeds are shown, these."""
        if self.session.overlay.mode is OverlayMode.SEEDS:
            return self.seeds.regions()
        return self.predictions.region_labels()

    def _on_seeds(self) -> None:
        self.canvas.regions_changed()

    def _say(self, text: str) -> None:
        keys = self.docks.get("keys")
        if isinstance(keys, KeyBar):
            keys.say(text)
        else:  # a plain napari has none, but a status bar
            self.viewer.status = text

    def _on_training(self, state: str) -> None:
        if state == TrainingState.PREPARING:
            self.predictions.pause_predicting()
            self.ranking.cancel()
            # Who trains wants to see the model learn; the next mark shows its suggestion.
            self.session.view(suggested=False)

    def _offer_devices(self) -> None:
        training = self.docks.get("training")
        if isinstance(training, TrainingDock) and self.predictions.devices:
            training.set_devices(self.predictions.devices)

    def _show_tags(self) -> None:
        tools = self.docks.get("tools")
        if isinstance(tools, ToolsDock):
            tools.toggle_tags()

    def go_to_place(self, picture: str, y: float, x: float) -> None:
        """Show a pixel of a picture in the middle of the canvas."""
        project, here = self.session.project, self.session.picture
        if project is None:
            return
        if here is not None and here.name == picture:
            self.canvas.center_on(y, x)
            return
        # A picture is fitted into the canvas when it arrives: that comes first.
        self._place = (y, x)
        self.session.go_to(project.picture(picture).id)

    def _go_to_place(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            self.canvas.center_on(*place)
