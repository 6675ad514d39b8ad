"""Which picture to mark next: worked out in the background from the marks, for all pictures."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer, Signal

from spml_core.engine.background.suggest_messages import Ranked, RankPictures
from spml_napari.answer_line import AnswerLine
from spml_napari.docks.following import follow
from spml_napari.session import Session

# Each stroke changes it a little; all pictures are looked at anew once a person rests.
_ASK_AFTER_MS = 4000
_TOPIC = "rank"


class RankingControl(QObject):
    """Keeps a ranking of the project's pictures.

    Parameters
    ----------
    session : Session
    line : AnswerLine
        To the process that answers about all pictures.
    is_wanted : callable
        Whether to compute unasked: not while training has the machine, nor without suggestions.

    Attributes
    ----------
    best : tuple of str
        Names of the pictures that weren't reviewed, best first; empty as long as nothing is known.
    progress : (int, int) or None
        Pictures looked at, and all, while a ranking goes on.
    """

    changed = Signal()
    """``best`` or ``progress`` changed."""

    def __init__(
        self,
        session: Session,
        line: AnswerLine,
        is_wanted: Callable[[], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.best: tuple[str, ...] = ()
        self.progress: tuple[int, int] | None = None
        self._line = line
        self._is_wanted = is_wanted
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_ASK_AFTER_MS)
        self._timer.timeout.connect(self._ask)
        line.begun.connect(self._ask_soon)
        line.answered.connect(self._on_answer)
        line.failed.connect(self._on_failed)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.marks_changed: self._ask_soon,
                session.runs_changed: self._ask_soon,
                session.pictures_changed: self._ask_soon,
            },
        )

    def cancel(self) -> None:
        """Leave it at what is known."""
        self._timer.stop()
        self._line.cancel(_TOPIC)
        self._set_progress(None)

    def order(self) -> list[str]:
        """Names of the pictures that are to be marked, best first, as things are now; empty if nothing is known.

        Pictures that were marked since they were ranked come last.
        """
        project = self.session.project
        if project is None or not self.best:
            return []
        marked = {record.name for record in project.marked_pictures()}
        reviewed = {record.name for record in project.reviewed_pictures()}
        names = [record.name for record in project.pictures]
        known = set(names) - reviewed
        ranked = [name for name in self.best if name in known]
        ranked += [name for name in names if name in known and name not in self.best]
        return sorted(ranked, key=lambda name: name in marked)

    def _on_project(self) -> None:
        self.cancel()
        self.best = ()
        self.changed.emit()
        self._ask_soon()

    def _ask_soon(self) -> None:
        project = self.session.project
        if project is not None and self._is_wanted() and project.marked_pictures():
            self._timer.start()

    def _ask(self) -> None:
        if self.session.project is not None and self._is_wanted():
            self._set_progress((0, len(self.session.project.pictures)))
            # The process lets a new one take the place of the old by itself.
            self._line.send(_TOPIC, RankPictures, cancel=False)

    def _on_answer(self, message: object) -> None:
        if isinstance(message, Ranked) and self._line.is_wanted(_TOPIC, message.request):
            self.best = message.best
            ended = message.done == message.total
            self._set_progress(None if ended else (message.done, message.total))
            self.changed.emit()

    def _on_failed(self, topic: str) -> None:
        if topic == _TOPIC:
            self._set_progress(None)

    def _set_progress(self, progress: tuple[int, int] | None) -> None:
        if progress != self.progress:
            self.progress = progress
            self.changed.emit()
