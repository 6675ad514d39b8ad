"""Suggestions for the open picture: asked for at the end of each stroke, of a process that does nothing else."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import QObject, QSettings, QTimer, Signal

from spml_core.engine.background.suggest_messages import Suggest, Suggested
from spml_napari.answer_line import AnswerLine
from spml_napari.docks.following import follow
from spml_napari.session import Session
from spml_napari.tools.region_map import RegionMap
from spml_napari.view_state import ShownSuggestion

if TYPE_CHECKING:
    from spml_napari.answers import Answers

# Stepping quickly through pictures asks for none but the last. Strokes don't wait.
_ASK_AFTER_MS = 80
_TOPIC = "suggest"
DEFAULT_LEVEL = 300


class Live(StrEnum):
    """When suggestions are made."""

    ON = "on"
    ENTER = "enter"
    OFF = "off"


class Quality(StrEnum):
    """Along what the borders of a suggestion run."""

    PIXELS = "pixels"
    REGIONS = "regions"
    CRF = "crf"


Choice = TypeVar("Choice", Live, Quality)


class SuggestionControl(QObject):
    """Keeps ``session.suggestion`` in step with the marks.

    Every change of marks asks anew, at once. The suggestion before stays until the answer to the latest question is
    there; other answers are dropped.

    Parameters
    ----------
    session : Session
    start_answers : callable
        Given a project's path, starts a suggesting process.
    memory : QSettings, optional
        Where ``live`` and ``quality`` are remembered; the program's own place by default.

    Attributes
    ----------
    live : Live
    quality : Quality
    level : int
        Into how many regions to click on a picture is cut, about.
    is_waiting : bool
        Whether an answer is on its way.
    is_stale : bool
        Whether marks have changed since the last question.
    """

    changed = Signal()
    """A setting changed, or whether an answer is waited for."""

    def __init__(
        self,
        session: Session,
        start_answers: Callable[[str], Answers],
        memory: QSettings | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self._memory = memory if memory is not None else QSettings("spml-napari", "spml-napari")
        self.live = _remembered(self._memory, "suggest/live", Live.ON)
        self.quality = _remembered(self._memory, "suggest/quality", Quality.PIXELS)
        self.level = DEFAULT_LEVEL
        self.is_waiting = False
        self.is_stale = True
        self._regions: tuple[tuple[int, int, int], RegionMap] | None = None
        self._started = False
        self.line = AnswerLine(session, start_answers, self, "suggests labels")
        self.line.begun.connect(self._on_begun)
        self.line.answered.connect(self._on_answer)
        self.line.failed.connect(self._on_failed)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_ASK_AFTER_MS)
        self._timer.timeout.connect(self._ask)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.picture_changed: self._on_picture,
                session.passing_changed: self._on_passing,
                session.marks_changed: self._on_marks,
                session.classes_changed: self._on_classes,
                session.runs_changed: self._on_change,
            },
        )

    # Project and picture ----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process, if the project has none yet: once there is something to look at, so that comes first."""
        if self.session.project is not None and not self._started and self.live is not Live.OFF:
            self._started = True
            self.line.open()

    def close(self) -> None:
        """End the process."""
        self._timer.stop()
        self._started = False
        self._wait(False)
        self.line.close()

    def _on_project(self) -> None:
        self.close()
        self._regions = None

    def _on_begun(self) -> None:
        self._ask()

    def _on_picture(self) -> None:
        """What was asked about the picture before isn't wanted any more."""
        self._timer.stop()
        self.line.cancel(_TOPIC)
        self._wait(False)
        self.is_stale = True
        if not self.session.is_passing:
            self._ask_soon()

    def _on_passing(self) -> None:
        """Suggest on the frame on which a film has come to rest."""
        if not self.session.is_passing and self.is_stale:
            self._ask_soon()

    def _ask_soon(self) -> None:
        if self.live is not Live.OFF and self.session.picture is not None:
            self._timer.start()

    def _on_marks(self, pictures: frozenset[int]) -> None:
        picture = self.session.picture
        if picture is not None and pictures == {picture.id} and self.live is not Live.OFF:
            # Who marks wants to see what comes of it.
            self.session.view(suggested=True)
        self._on_change()

    def _on_change(self) -> None:
        """Marks of other pictures count, too, and so does a model."""
        self.is_stale = True
        if self.live is Live.ON and not self.session.is_passing:
            self._ask()
        self.changed.emit()

    def _on_classes(self) -> None:
        # Answers under way, and what is shown, have the codes of yesterday.
        self.line.cancel(_TOPIC)
        self._wait(False)
        self.session.show_suggestion(None)
        if self.live is not Live.OFF:
            self._ask()

    # Asking -------------------------------------------------------------------------------------------

    def ask_now(self) -> bool:
        """Suggest anew if marks have changed: what Enter does; whether they have."""
        if self.live is Live.OFF or not self.is_stale:
            return False
        self._ask()
        return True

    def _ask(self) -> None:
        self._timer.stop()
        picture = self.session.picture
        if picture is None or self.live is Live.OFF or not self.line.is_open:
            return
        self.is_stale = False
        shrink, cut = self.session.shrink, self._cut()
        knows_regions = self._regions is not None and self._regions[0] == cut
        self._wait(True)
        # The process lets a new question take the place of the old by itself.
        self.line.send(
            _TOPIC,
            Suggest,
            picture.id,
            shrink,
            self.quality.value,
            self.level,
            not knows_regions,
            cancel=False,
        )

    def _cut(self) -> tuple[int, int, int]:
        picture = self.session.picture
        return (picture.id if picture is not None else -1, self.session.shrink, self.level)

    def _wait(self, waiting: bool) -> None:
        if waiting != self.is_waiting:
            self.is_waiting = waiting
            self.changed.emit()

    # Settings -----------------------------------------------------------------------------------------

    def set_live(self, live: Live | str) -> None:
        """Choose when suggestions are made; ``OFF`` ends the process and takes the suggestion away."""
        if live == self.live:
            return
        self.live = Live(live)
        self._memory.setValue("suggest/live", self.live.value)
        if self.live is Live.OFF:
            self.close()
            self.session.show_suggestion(None)
        elif not self._started:
            self.start()
        elif self.live is Live.ON and self.is_stale:
            self._ask()
        self.changed.emit()

    def set_quality(self, quality: Quality | str) -> None:
        """Choose along what borders run."""
        if quality != self.quality:
            self.quality = Quality(quality)
            self._memory.setValue("suggest/quality", self.quality.value)
            self._ask()
            self.changed.emit()

    def set_level(self, level: int) -> None:
        """Choose how many regions there are to click on, about."""
        if level != self.level:
            self.level = level
            self._ask()

    # Answers ------------------------------------------------------------------------------------------

    def _on_failed(self, topic: str) -> None:
        if topic == _TOPIC:
            self._wait(False)

    def _on_answer(self, message: object) -> None:
        if not isinstance(message, Suggested) or not self.line.is_wanted(_TOPIC, message.request):
            return
        if message.regions is not None:
            self._regions = self._cut(), RegionMap(message.regions, message.shrink)
        if self._regions is None:
            return
        self._wait(False)
        self.session.show_suggestion(
            ShownSuggestion(
                message.picture_id,
                message.labels,
                message.uncertainty,
                self._regions[1],
                message.next_region,
                bool((message.labels < len(self.session.classes)).any()),
            )
        )


def _remembered(memory: QSettings, key: str, default: Choice) -> Choice:
    """A choice from the settings; the default if there is none, or none that is known."""
    try:
        return type(default)(str(memory.value(key, default.value)))
    except ValueError:
        return default
