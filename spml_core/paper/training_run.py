"""A published method as one training among others: the same way in, and the same events, as for any preset."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from spml_core.config import TrainConfig
from spml_core.errors import TrainingError
from spml_core.labeling.trained_model import TrainedModel
from spml_core.paper.chosen import chosen_network, chosen_preset
from spml_core.paper.frozen_marks import marked_part
from spml_core.paper.paper_run import SPENT, PaperRun
from spml_core.paper.run_folder import RunFolder, read_json
from spml_core.paper.side_files import region_maps
from spml_core.training.continuing import EarlierModel
from spml_core.training.events import Event, Warned
from spml_core.training.pulse import Supervision
from spml_core.training.schedule import Clock
from spml_core.training.training_set import TrainingSet, check_training_set
from spml_core.wording import counted

_NOUNS = {"boxes": "box", "tags": "tag", "keypoints": "key point"}


def check_paper_training(training_set: TrainingSet, config: TrainConfig) -> list[str]:
    """See whether a published method can be trained on a set; gives warnings to show.

    Raises
    ------
    SpmlError
        If there is nothing to learn from, the method needs other marks, a region map is missing, or the backbone's
        weights can't be had.
    """
    told = check_training_set(training_set)
    preset = chosen_preset(config)
    marked = marked_part(training_set).pictures
    coarse = [picture.coarse for picture in marked]
    held = {
        "boxes": any(marks.boxes for marks in coarse),
        "tags": any(marks.tags for marks in coarse),
        "keypoints": any(marks.key_points for marks in coarse),
    }
    if preset.algorithm == 2 and not (held["tags"] or held["boxes"]):
        raise TrainingError(
            f"{preset.name} learns from tags, and no picture has one.",
            "Tag the pictures, or choose paper-scribbles or paper-points.",
        )
    if not held.get(preset.annotation, True):
        told.append(
            f"{preset.name} was made for another kind of marks: no picture has a {_NOUNS[preset.annotation]}."
        )
    if len(marked) < len(training_set.pictures):
        told.append(
            f"Of {counted(len(training_set.pictures), 'picture')}"
            f" {len(training_set.pictures) - len(marked)} have no mark; published methods learn from the others only."
        )
    if config.region_maps:
        region_maps(Path(config.region_maps), marked)
    chosen_network(preset, config, training_set.num_classes)
    return told


def train_paper(
    training_set: TrainingSet,
    config: TrainConfig,
    folder: Path | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    started: float | None = None,
    earlier: EarlierModel | None = None,
    supervision: Supervision | None = None,
) -> Generator[Event, None, TrainedModel]:
    """Train with a published method, or go on with it where it was broken off.

    Parameters
    ----------
    training_set : TrainingSet
        Only its marked pictures take part.
    config : TrainConfig
        Its preset is one of :data:`~spml_core.config.PAPER_PRESETS`.
    folder : Path, optional
        Where the model and all stages go; a run that is in it already goes on, with the marks it began with. Without,
        nothing is kept.
    should_stop : callable
        Asked after every step and picture. Once it says yes, training ends with the model as it is.
    started : float, optional
        When the time budget began to run, by :func:`time.monotonic`; now if not given.
    earlier : EarlierModel, optional
        Isn't used: a published method begins with its backbone's weights.
    supervision : Supervision, optional
        Pauses. There are no previews, and new marks wait for the next training.

    Yields
    ------
    Event
        As :func:`spml_core.training.train`; steps are counted through all stages.

    Returns
    -------
    TrainedModel

    Raises
    ------
    SpmlError
        As :func:`check_paper_training`, or if the folder can't be used.
    StoppedEarlyError
        A TrainingError: if it was stopped before there was a model.
    """
    for message in check_paper_training(training_set, config):
        yield Warned(message)
    if earlier is not None:
        yield Warned(f"{config.preset} begins anew: a published method doesn't go on from an earlier model.")
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory()))
        run = stack.enter_context(RunFolder(folder, config.changed(device="auto").to_dict()))
        spent = float(read_json(folder / SPENT)["seconds"]) if (folder / SPENT).exists() else 0.0
        before = 0.0 if started is None else time.monotonic() - started
        clock = Clock(config.max_seconds, spent + before)
        paper_run = PaperRun(training_set, config, run, clock, should_stop, supervision or Supervision())
        return (yield from paper_run.events())
