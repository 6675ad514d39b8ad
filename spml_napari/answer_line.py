"""The line to the answering process: questions go out with a number, answers that nobody wants any more are dropped."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from spml_core.engine.background.messages import Cancel, Failed

if TYPE_CHECKING:
    from spml_napari.answers import Answers
    from spml_napari.session import Session

_RESTART_AFTER_MS = 1000
_MOST_RESTARTS = 2


class AnswerLine(QObject):
    """Keeps an answering process for the open project, starts it again when it dies, and numbers the questions.

    Each question belongs to a topic. A new one takes the place of the topic's last, whose answer is then stale.

    Parameters
    ----------
    session : Session
    start_answers : callable
        Given a project's path, starts an answering process.
    what : str
        What the process does, for messages.
    """

    begun = Signal()
    """A process was started: it knows of no question yet."""
    answered = Signal(object)
    """A message of the process that isn't about a failure."""
    failed = Signal(str)
    """The last question of this topic couldn't be answered; the user was told why."""

    def __init__(
        self,
        session: Session,
        start_answers: Callable[[str], Answers],
        parent: QObject | None = None,
        what: str = "labels pictures",
    ) -> None:
        super().__init__(parent)
        self.session = session
        self._what = what
        self._start_answers = start_answers
        self._answers: Answers | None = None
        self._numbers = count(1)
        self._wanted: dict[str, int] = {}
        self._restarts = 0
        self.restart = QTimer(self)
        self.restart.setSingleShot(True)
        self.restart.setInterval(_RESTART_AFTER_MS)
        self.restart.timeout.connect(self._begin)

    @property
    def is_open(self) -> bool:
        """Whether there is a process, or will be in a moment."""
        return self._answers is not None or self.restart.isActive()

    def open(self) -> None:
        """Start a process for the session's project, if there is one, in place of the one before."""
        self.close()
        self._restarts = 0
        self._begin()

    def close(self) -> None:
        """End the process; what it has stored stays."""
        self.restart.stop()
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()

    def _begin(self) -> None:
        project = self.session.project
        if project is None or self._answers is not None:
            return
        self._wanted.clear()
        self._answers = self._start_answers(str(project.path))
        self._answers.received.connect(self._on_message)
        self._answers.ended.connect(self._on_death)
        self.begun.emit()

    # Questions ----------------------------------------------------------------------------------------

    def send(self, topic: str, kind: Callable[..., object], *values: object, cancel: bool = True) -> None:
        """Ask ``kind(number, *values)``; with ``cancel`` the process is told to forget the topic's last question."""
        if self._answers is None:
            return
        if cancel:
            self.cancel(topic)
        self._wanted[topic] = number = next(self._numbers)
        self._answers.send(kind(number, *values))

    def cancel(self, topic: str) -> None:
        """Want no answer in this topic any more, and tell the process so."""
        number = self._wanted.pop(topic, None)
        if number is not None and self._answers is not None:
            self._answers.send(Cancel(number))

    def forget(self, topic: str) -> None:
        """Want no answer in this topic any more."""
        self._wanted.pop(topic, None)

    def is_wanted(self, topic: str, request: int) -> bool:
        """Whether an answer with this number answers the topic's last question."""
        return self._wanted.get(topic) == request

    # The process --------------------------------------------------------------------------------------

    def _on_message(self, message: object) -> None:
        if not isinstance(message, Failed):
            self.answered.emit(message)
            return
        topic = next((name for name, number in self._wanted.items() if number == message.request), None)
        if topic is not None or message.request is None:
            self.session.report_text("error", f"{message.error} {message.remedy}".strip())
        if topic is not None:
            self.failed.emit(topic)

    def _on_death(self, code: int) -> None:
        self._answers = None
        if self.session.project is None:
            return
        why = f"was killed (signal {-code}), perhaps for lack of memory" if code < 0 else "ended unexpectedly"
        if self._restarts >= _MOST_RESTARTS:
            # What broke it so often would break it again.
            self.session.report_text(
                "error",
                f"The process that {self._what} {why} once more, and isn't started again. Marking and training "
                "go on. Close other programs, then open the project anew.",
            )
            return
        self._restarts += 1
        self.session.report_text(
            "warning", f"The process that {self._what} {why}. It is started again; nothing is lost."
        )
        self.restart.start()
