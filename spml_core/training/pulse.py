"""What happens between two pieces of work, in every stage: hear of a stop, wait while paused, show a preview."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import nn

from spml_core.errors import TrainingError
from spml_core.labeling.refinement import Refinement
from spml_core.models import SegmentationNetwork
from spml_core.training.classifier import LinearClassifier
from spml_core.training.previews import Previewer
from spml_core.training.schedule import Clock
from spml_core.training.training_set import TrainingPicture

_MOMENT = 0.02  # seconds between two looks whether a pause has ended


class StoppedEarlyError(TrainingError):
    """Training was stopped before there was a model, and nothing was written."""

    def __init__(self) -> None:
        super().__init__("Training was stopped before there was a model.", "Train again.")


@dataclass(frozen=True)
class Supervision:
    """Someone who watches training and steers it; the default does neither.

    Attributes
    ----------
    previewer : Previewer or None
        Shows what the model, as it is, makes of a picture.
    changed : callable or None
        Asked once an epoch for pictures whose marks have changed since it was asked last. They replace those of the
        same name, or are added. With it, a resumed run learns from marks that changed while it was stopped.
    pausing : callable
        While it says yes nothing is learned and no time counted; previews go on.
    at_once : bool
        Whether a stop is obeyed in half a second. Otherwise what a good model needs is finished first.
    """

    previewer: Previewer | None = None
    changed: Callable[[], Sequence[TrainingPicture]] | None = None
    pausing: Callable[[], bool] = lambda: False
    at_once: bool = False


class Pulse:
    """Beats between two pieces of work.

    Parameters
    ----------
    network : SegmentationNetwork
    clock : Clock
        Stands still while others are asked or waited for.
    should_stop : callable
        Not asked again once it has said yes.
    supervision : Supervision
    refinement : Refinement

    Attributes
    ----------
    stopped : bool
    classifier : callable
        Gives what to preview, on raw features; None as long as there is nothing.
    refinement : Refinement
        How previews are refined.
    step : int
        Steps taken.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        clock: Clock,
        should_stop: Callable[[], bool],
        supervision: Supervision,
        refinement: Refinement,
    ) -> None:
        self.stopped = False
        self.classifier: Callable[[], LinearClassifier | None] = lambda: None
        self.refinement = refinement
        self.step = 0
        self._network = network
        self._clock = clock
        self._should_stop = should_stop
        self._supervision = supervision

    @property
    def at_once(self) -> bool:
        """Whether training was stopped and is to end at once."""
        return self.stopped and self._supervision.at_once

    def show_network(self) -> None:
        """Preview the network as it is from now on."""
        network = self._network
        self.classifier = lambda: LinearClassifier.of(network).on_raw(network.mean, network.scale)

    def beat(self) -> bool:
        """Whether to go on."""
        self._hear()
        self._preview()
        while not self.stopped and self._supervision.pausing():
            with self._clock.paused():
                time.sleep(_MOMENT)
                self._preview()
            self._hear()
        return not self.stopped

    def check(self) -> None:
        """Beat, and leave the stage if training is to end at once.

        Raises
        ------
        StoppedEarlyError
        """
        self.beat()
        if self.at_once:
            raise StoppedEarlyError

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Leave the backbone between two of its layers if training is to end at once.

        Raises
        ------
        StoppedEarlyError
        """

        def hear(module: nn.Module, inputs: object) -> None:
            self._hear()
            if self.at_once:
                raise StoppedEarlyError

        with ExitStack() as hooks:
            if self._supervision.at_once:
                for module in self._network.backbone.modules():
                    if isinstance(module, nn.Conv2d):
                        hooks.callback(module.register_forward_pre_hook(hear).remove)
            yield

    def _hear(self) -> None:
        if not self.stopped:
            with self._clock.paused():
                self.stopped = self._should_stop()

    def _preview(self) -> None:
        previewer = self._supervision.previewer
        if previewer is None or self.stopped:
            return
        try:
            with self.interruptible():
                previewer.show_if_due(self._network, self.classifier, self.refinement, self.step)
        except StoppedEarlyError:
            pass  # whoever called finds out by ``stopped``
