"""The list of training runs: what each learned from, how it did, and which one's model is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from spml_core.errors import SpmlError
from spml_core.project import Run
from spml_core.wording import counted
from spml_napari.docks.following import follow
from spml_napari.docks.parts import note
from spml_napari.run_summaries import RunSummary, summarize
from spml_napari.view_state import OverlayMode

if TYPE_CHECKING:
    from spml_napari.session import Session

_AT_A_TIME = 20
_SHOWN_ROWS = 3
_ID = Qt.ItemDataRole.UserRole
_SCORE = "Held-back score: some marks are kept out and compared with the prediction (mean IoU)."


class RunsList(QWidget):
    """Runs, newest first, and what can be done with the chosen one.

    Parameters
    ----------
    session : Session
    """

    resume_wanted = Signal(object)
    """The user wants to go on with this :class:`~spml_core.project.Run`."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._busy = False
        self._runs: dict[str, Run] = {}
        self._summaries: dict[str, RunSummary] = {}
        self._pending: list[Run] = []
        self._current: str | None = None
        self._view = _list()
        self._empty = note()
        self._make_current = _button("Make current", "make_run_current", self._on_make_current)
        self._resume = _button("Resume", "resume_run", self._on_resume)
        self._compare = _button("Compare with current", "compare_run", self._on_compare)
        buttons = QGridLayout()
        buttons.addWidget(self._make_current, 0, 0)
        buttons.addWidget(self._resume, 0, 1)
        buttons.addWidget(self._compare, 1, 0, 1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._empty)
        layout.addWidget(self._view)
        layout.addLayout(buttons)
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._add_some)
        self._view.itemSelectionChanged.connect(self._update_buttons)
        self._view.itemActivated.connect(lambda _: self._on_make_current())
        follow(self, {session.runs_changed: self.refresh, session.project_changed: self._on_project})
        self.refresh()

    def set_busy(self, busy: bool) -> None:
        """While a training goes on, nothing can be resumed and the current model stays."""
        self._busy = busy
        self._update_buttons()

    def refresh(self) -> None:
        """Read the runs anew; what has ended is not read twice."""
        chosen = self._chosen_id()
        project = self.session.project
        runs: tuple[Run, ...] = ()
        self._current = None
        problem = ""
        try:
            if project is not None:
                runs = project.runs()
                current = project.current_run()
                self._current = None if current is None else current.id
        except SpmlError as error:
            problem = f"The list of runs is damaged: {error}"
        self._runs = {run.id: run for run in reversed(runs)}
        self._view.clear()
        self._pending = list(self._runs.values())
        self._add_some()
        self._empty.setText(problem or "Each training appears here, and any can be made current again.")
        self._empty.setVisible(not runs)
        self._view.setVisible(bool(runs))
        for button in (self._make_current, self._resume, self._compare):
            button.setVisible(bool(runs))
        self._choose(chosen)

    # Filling ------------------------------------------------------------------------------------------

    def _on_project(self) -> None:
        self._summaries.clear()
        self.refresh()

    def _add_some(self) -> None:
        """Add a few rows, and the rest when the event loop comes round again: a project may have hundreds."""
        for run in self._pending[:_AT_A_TIME]:
            self._view.addItem(self._row(self._summary(run)))
        del self._pending[:_AT_A_TIME]
        if self._pending:
            self._timer.start()
        else:
            self._timer.stop()
            self._fit_height()

    def _summary(self, run: Run) -> RunSummary:
        known = self._summaries.get(run.id)
        if known is None or known.state != run.state or run.state == "running":
            known = self._summaries[run.id] = summarize(run)
        return known

    def _row(self, summary: RunSummary) -> QListWidgetItem:
        current = summary.id == self._current
        item = QListWidgetItem("\n".join(_lines(summary, current)))
        item.setData(_ID, summary.id)
        item.setToolTip(_tip(summary, current))
        font = item.font()
        font.setBold(current)
        item.setFont(font)
        return item

    def _fit_height(self) -> None:
        rows = min(max(self._view.count(), 1), _SHOWN_ROWS)
        height = max(self._view.sizeHintForRow(0), 3 * self.fontMetrics().height()) + 2 * self._view.spacing()
        self._view.setFixedHeight(rows * height + 2 * self._view.frameWidth() + 2)

    # The chosen one -----------------------------------------------------------------------------------

    def _chosen_id(self) -> str | None:
        items = self._view.selectedItems()
        return str(items[0].data(_ID)) if items else None

    def _choose(self, run_id: str | None) -> None:
        for row, shown in enumerate(list(self._runs)[: self._view.count()]):
            if shown == run_id:
                self._view.setCurrentRow(row)
        self._update_buttons()

    def _update_buttons(self) -> None:
        run_id = self._chosen_id()
        chosen = None if run_id is None else self._summaries.get(run_id)
        no_run = "Choose a run in the list first."
        why = no_run if chosen is None else _why_not_current(chosen, self._current, self._busy)
        _set(self._make_current, why, "Use this run's model for predictions from now on.")
        why = no_run if chosen is None else _why_not_resumed(chosen, self._busy)
        _set(self._resume, why, "Go on with this training where it was stopped.")
        why = no_run if chosen is None else _why_not_compared(chosen, self._current)
        _set(
            self._compare,
            why,
            "Show in the picture where this run's prediction differs from the current one's.",
        )

    def _on_make_current(self) -> None:
        run_id, project = self._chosen_id(), self.session.project
        if run_id is None or project is None or not self._make_current.isEnabled():
            return
        try:
            project.set_current_run(run_id)
        except SpmlError as error:
            self.session.report(error)
            return
        self.session.runs_changed.emit()

    def _on_compare(self) -> None:
        self.session.view(compared_run=self._chosen_id(), mode=OverlayMode.DIFFERENCE, visible=True)

    def _on_resume(self) -> None:
        run = self._runs.get(self._chosen_id() or "")
        if run is not None:
            self.resume_wanted.emit(run)


def _list() -> QListWidget:
    view = QListWidget()
    view.setObjectName("runs")
    view.setAccessibleName("Training runs")
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setTextElideMode(Qt.TextElideMode.ElideRight)
    view.setUniformItemSizes(True)
    view.setSpacing(2)
    return view


def _button(text: str, name: str, pressed: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.clicked.connect(pressed)
    return button


def _set(button: QPushButton, why_not: str, tip: str) -> None:
    button.setEnabled(not why_not)
    button.setToolTip(why_not or tip)


def _why_not_current(run: RunSummary, current: str | None, busy: bool) -> str:
    if run.id == current:
        return "This run is the current one."
    if busy:
        return "Wait until the training that goes on has ended."
    return "" if run.has_model else "This run saved no model."


def _why_not_resumed(run: RunSummary, busy: bool) -> str:
    if busy:
        return "A training goes on already."
    return "" if run.can_resume else "Only a training that was stopped can be gone on with."


def _why_not_compared(run: RunSummary, current: str | None) -> str:
    if current is None:
        return "There is no current run to compare with."
    if run.id == current:
        return "This run is the current one."
    return "" if run.has_model else "This run saved no model."


def _lines(run: RunSummary, current: bool) -> list[str]:
    """Three lines, always, so that all rows are alike."""
    begun = "date unknown" if run.begun is None else f"{run.begun:%d %b, %H:%M}"
    state = "" if run.state == "finished" else f" · {run.state}"
    how = [] if run.score is None else [f"score {run.score:.0%}"]
    if run.loss is not None:
        how.append(f"loss {run.loss:.3g}")
    learned = "under way" if run.state == "running" else "nothing learned"
    known = run.marks is not None and run.marked_pictures is not None
    marks = _marks(run.marks or 0, run.marked_pictures or 0) if known else "number of marks unknown"
    return [
        f"{run.number} · {begun}{state}",
        "damaged" if run.damaged else " · ".join(how) or learned,
        f"{marks}{' · current' if current else ''}",
    ]


def _marks(marks: int, pictures: int) -> str:
    return f"{counted(marks, 'mark')} in {counted(pictures, 'picture')}"


def _tip(run: RunSummary, current: bool) -> str:
    lines = [f"Run {run.number}, {run.state}{', its model is in use' if current else ''}."]
    if run.preset:
        lines.append(f"Preset: {run.preset}.")
    if run.marks is not None and run.marked_pictures is not None:
        lines.append(f"Learned from {_marks(run.marks, run.marked_pictures)}.")
    if run.steps is not None:
        loss = "" if run.loss is None else f", loss {run.loss:.4g} at the last one"
        lines.append(f"{run.steps} learning steps{loss}.")
    if run.score is not None:
        lines.append(f"{run.score:.1%}. {_SCORE}")
    if run.damaged:
        lines.append(run.damaged)
    return "\n".join(lines)
