"""Seeds of the current picture: asked of the answering process while somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal
from scipy import ndimage

from spml_core.engine.background.messages import AskSeeds, SeedsAnswer
from spml_core.project import Run
from spml_napari.answer_line import AnswerLine
from spml_napari.docks.following import follow
from spml_napari.run_summaries import has_model
from spml_napari.session import Session
from spml_napari.view_state import OverlayMode, ShownSeeds

_ASK_AFTER_MS = 250
_TOPIC = "seeds"


class SeedControl(QObject):
    """Keeps ``session.seeds`` in step with the current picture's marks while the overlay shows seeds.

    Parameters
    ----------
    session : Session
    line : AnswerLine
    current_run : callable
        Gives the run whose model is used, or None.

    Attributes
    ----------
    is_waiting : bool
        Whether an answer is on its way.
    """

    changed = Signal()
    """Seeds were asked for, or have come."""

    def __init__(
        self,
        session: Session,
        line: AnswerLine,
        current_run: Callable[[], Run | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.is_waiting = False
        self._line = line
        self._current_run = current_run
        self._regions: tuple[ShownSeeds, NDArray[np.int32]] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_ASK_AFTER_MS)
        self._timer.timeout.connect(self._ask)
        line.begun.connect(self._want)
        line.answered.connect(self._on_answer)
        line.failed.connect(self._on_failed)
        follow(
            self,
            {
                session.picture_changed: self._want,
                session.passing_changed: self._want,
                session.overlay_changed: self._on_overlay,
                session.marks_changed: self._on_marks,
                session.classes_changed: self._on_classes,
                session.runs_changed: self._want,
            },
        )

    @property
    def has_model(self) -> bool:
        """Whether there is a model, without which tags have no seeds."""
        run = self._current_run()
        return run is not None and has_model(run)

    def regions(self) -> NDArray[np.int32] | None:
        """Connected seeds of one class, (h, w) int32 at the display's size, numbered from 0; -1 elsewhere.

        None as long as the seeds aren't known.
        """
        seeds = self.session.seeds
        if seeds is None:
            return None
        if self._regions is None or self._regions[0] is not seeds:
            self._regions = seeds, seed_regions(seeds, len(self.session.classes))
        return self._regions[1]

    # Asking -------------------------------------------------------------------------------------------

    def _is_shown(self) -> bool:
        return self.session.overlay.mode is OverlayMode.SEEDS and self.session.picture is not None

    def _on_overlay(self) -> None:
        if not self._is_shown():
            self._line.cancel(_TOPIC)
            self._timer.stop()
            self._wait(False)
            self.session.show_seeds(None)
        elif self.session.seeds is None and not self.is_waiting:
            self._ask()

    def _on_marks(self, pictures: frozenset[int]) -> None:
        picture = self.session.picture
        # Tags of other pictures don't change what the model sees in this one.
        if picture is not None and picture.id in pictures:
            self._want()

    def _on_classes(self) -> None:
        # What is shown has the codes of yesterday.
        self.session.show_seeds(None)
        self._want()

    def _want(self) -> None:
        """Ask in a moment: many strokes may come one after the other."""
        if self._is_shown():
            # An answer under way is about the marks of before.
            self._line.cancel(_TOPIC)
            self._wait(True)
            if not self.session.is_passing:
                self._timer.start()

    def _ask(self) -> None:
        picture = self.session.picture
        if picture is None or not self._is_shown():
            return
        run = self._current_run()
        run_id = run.id if run is not None and has_model(run) else None
        self._wait(True)
        self._line.send(_TOPIC, AskSeeds, picture.id, run_id, self.session.shrink)

    def _wait(self, waiting: bool) -> None:
        if waiting != self.is_waiting:
            self.is_waiting = waiting
            self.changed.emit()

    def _on_failed(self, topic: str) -> None:
        if topic == _TOPIC:
            self._wait(False)

    def _on_answer(self, message: object) -> None:
        if isinstance(message, SeedsAnswer) and self._line.is_wanted(_TOPIC, message.request):
            self._wait(False)
            self.session.show_seeds(
                ShownSeeds(message.picture_id, message.shrink, message.labels, message.painted)
            )
            self.changed.emit()


def seed_regions(seeds: ShownSeeds, num_classes: int) -> NDArray[np.int32]:
    """Number the connected seeds of each class from 0; -1 where nothing is known or a person painted.

    Returns
    -------
    ndarray (h, w), int32
    """
    regions = np.full(seeds.labels.shape, -1, np.int32)
    count = 0
    for index in range(num_classes):
        parts, found = ndimage.label((seeds.labels == index) & ~seeds.painted)
        regions[parts > 0] = parts[parts > 0] - 1 + count
        count += found
    return regions
