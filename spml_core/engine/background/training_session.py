"""One training in its process: the loop on one side, the window on the other."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from spml_core.config import TrainConfig
from spml_core.engine.background.answer_regions import shrunk_rgb
from spml_core.engine.background.messages import Preview, Trained, TrainingOrder
from spml_core.engine.background.training_inbox import Inbox
from spml_core.engine.bug_log import log_bug
from spml_core.engine.train_project import RunPictures, train_run
from spml_core.project import Project
from spml_core.training import Event, Finished, StepDone, TrainingPicture
from spml_core.training.events import Warned
from spml_core.training.previews import Previewer, WantedPicture
from spml_core.training.pulse import Supervision

_SECONDS_BETWEEN_STEPS = 0.1  # that the window hears of


class TrainingSession:
    """Carries out an order.

    Parameters
    ----------
    order : TrainingOrder
    inbox : Inbox
    connection : Connection
        Where events and previews go.
    """

    def __init__(self, order: TrainingOrder, inbox: Inbox, connection: Connection) -> None:
        self._order = order
        self._inbox = inbox
        self._connection = connection

    def run(self) -> Trained:
        """Train until the end or a stop.

        Raises
        ------
        SpmlError
            If the project can't be read, there is nothing to learn from, or the disk is full.
        """
        started = time.monotonic()
        with Project.open(Path(self._order.project), write=False) as project:
            return self._train(project, started)

    def _train(self, project: Project, started: float) -> Trained:
        order, inbox = self._order, self._inbox
        run = project.run(order.run_id)
        pictures = RunPictures(project, run, TrainConfig.from_dict(run.config).point_radius)

        def changed() -> Sequence[TrainingPicture]:
            ids = inbox.take_changed()
            return () if ids is None else pictures.changed(ids)

        def wanted() -> WantedPicture | None:
            shown = inbox.shown()
            if shown is None or shown.picture_id is None:
                return None
            record, shrink = pictures.find(shown.picture_id), shown.shrink
            if record is None:
                return None
            # A picture that was found again elsewhere is worth another try.
            key = (record.id, shrink, record.path)
            return WantedPicture(key, lambda: shrunk_rgb(project.open_picture(record), shrink))

        def show(key: Hashable, labels: NDArray[np.uint8], step: int) -> None:
            picture_id, shrink, _ = cast("tuple[int, int, Path]", key)
            self._send(Preview(picture_id, shrink, pictures.codes[labels], step))

        def broken(error: Exception) -> None:
            path, _ = log_bug(error, "preview of a training")
            self._send(
                Warned(f"Training goes on, but this picture can't be shown meanwhile: {error}. See {path}.")
            )

        events = train_run(
            project,
            run,
            pictures=pictures,
            resume=order.resume,
            continue_from=None if order.continue_from is None else project.run(order.continue_from),
            should_stop=inbox.stopped,
            started=started,
            supervision=Supervision(
                Previewer(wanted, show, order.preview_seconds, broken=broken),
                changed,
                inbox.paused,
                at_once=True,
            ),
        )
        return self._pass_on(events)

    def _pass_on(self, events: Iterable[Event]) -> Trained:
        """Send events as they come, steps only now and then."""
        end: Finished | None = None
        told = -np.inf
        for event in events:
            if isinstance(event, StepDone):
                now = time.monotonic()
                if now - told < _SECONDS_BETWEEN_STEPS and event.step < event.total:
                    continue
                told = now
            elif isinstance(event, Finished):
                end = event
            self._send(event)
        return Trained(end is None or end.stopped, None if end is None else end.held_back_score)

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError:  # the window has gone
            self._inbox.hang_up()
