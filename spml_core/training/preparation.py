"""What happens before the first step: features, the linear start, the choice of the colour model's strength."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np

from spml_core.config import TrainConfig
from spml_core.models import SegmentationNetwork
from spml_core.training.cache import CachedPicture, FeatureCache
from spml_core.training.checkpoint import Checkpoint
from spml_core.training.choosing import Choice, choice_in_haste, choose_color_strength
from spml_core.training.events import Event, StageProgress
from spml_core.training.first_guess import FirstGuess
from spml_core.training.fitting import fit_from_first_rows, fit_from_nothing, fit_onwards, learned_classes
from spml_core.training.pulse import Pulse, StoppedEarlyError
from spml_core.training.reading import Reader
from spml_core.training.samples import PictureSample
from spml_core.training.schedule import Clock
from spml_core.training.tag_guesses import guess_from_tags, known_by_tags, recall_guesses
from spml_core.training.teaching import teach
from spml_core.training.training_set import TrainingSet

# Shares of the time budget after which a stage has to end.
_START_UNTIL = 0.62
_TAGS_UNTIL = 0.58
_CHOOSE_UNTIL = 0.75
_SECOND_UNTIL = 0.9
_MOST_CELLS = 40_000  # marked cells of all pictures together
_MOST_PER_CLASS = 400  # of one class in one picture
_ROUNDS_FROM_TAGS = 3  # of pseudo labels: what tags tell is understood step by step


@dataclass(frozen=True)
class Prepared:
    """What the stages before the first step leave behind.

    Attributes
    ----------
    reader : Reader
    cache : FeatureCache
        Cells may carry pseudo labels.
    choice : Choice
    seconds_to_finish : float
        Time to leave for the end of training.
    cut_short : bool
        Whether a stop was asked for before the first step, so that some of this may be missing.
    changed : tuple of str
        Pictures whose marks have changed while the run was stopped.
    """

    reader: Reader
    cache: FeatureCache
    choice: Choice
    seconds_to_finish: float
    cut_short: bool
    changed: tuple[str, ...] = ()


def prepare(
    network: SegmentationNetwork,
    training_set: TrainingSet,
    config: TrainConfig,
    clock: Clock,
    rng: np.random.Generator,
    pulse: Pulse,
    *,
    onwards: bool,
) -> Generator[Event, None, Prepared]:
    """Read features, start the network, choose the colour strength. Yields progress, returns what it made.

    Parameters
    ----------
    network : SegmentationNetwork
    training_set : TrainingSet
    config : TrainConfig
    clock : Clock
    rng : Generator
    pulse : Pulse
    onwards : bool
        Whether the network has learned before, so that it is to be fitted further.

    Raises
    ------
    StoppedEarlyError
        If training is to end at once and the network has learned nothing yet.
    """
    pictures = [
        *(training_set.marked[i] for i in rng.permutation(len(training_set.marked))),
        *(training_set.unmarked[i] for i in rng.permutation(len(training_set.unmarked))),
    ]
    reader = Reader(network, config, _per_class(training_set), clock, pulse)
    cache = FeatureCache()
    choice = Choice(pulse.refinement.color_strength, None, {})
    if onwards:
        pulse.show_network()
    else:
        pulse.classifier = FirstGuess(cache, network.num_classes)

    def until(share: float) -> Callable[[], bool]:
        return lambda: (pulse.beat() or not pulse.at_once) and clock.spent < share * clock.budget

    learned = onwards
    reading = 0.0
    began = clock.spent
    try:
        yield from reader.fill(cache, pictures, limited=True)
        reading = (clock.spent - began) / len(cache)
        yield StageProgress("start", 0, 1, max(0.0, clock.left))
        pulse.check()
        if onwards and known_by_tags(cache, network.num_classes).any():
            strength = pulse.refinement.color_strength
            teach(network, cache, range(len(cache)), strength, config, pulse.check, until(_TAGS_UNTIL))
            recall_guesses(cache, learned_classes(network))
        guess_from_tags(cache, network.num_classes, until(_TAGS_UNTIL))
        cache.teach_guesses()
        rounds = _ROUNDS_FROM_TAGS if any(c.picture.coarse.tags for c in cache.in_order) else 1
        marked = [cached for cached in cache.in_order if cached.marked]
        if onwards:
            fit_onwards(network, marked, config, pulse, until(_START_UNTIL), pseudo=False)
        else:
            fit_from_nothing(network, marked, config, pulse, until(_START_UNTIL))
        learned = True
        yield StageProgress("choose", 0, 1, max(0.0, clock.left))
        pulse.check()
        judged = [sample for cached in marked if (sample := _judged(cached)) is not None]
        choice = choice_in_haste(config.color_strengths)
        if judged:
            choice = choose_color_strength(
                judged,
                lambda s: network.standardise(s.features.to(network.mean.device).float()),
                network.num_classes,
                config.color_strengths,
                seed=config.seed,
                keep_going=lambda: pulse.beat() and clock.spent < _CHOOSE_UNTIL * clock.budget,
                beat=pulse.check,
            )
        pulse.refinement = replace(pulse.refinement, color_strength=choice.color_strength)
        for second in range(rounds if config.pseudo_labels else 0):
            if clock.spent > _SECOND_UNTIL * clock.budget or not pulse.beat():
                break
            yield StageProgress("second", second, rounds, max(0.0, clock.left))
            strength = choice.color_strength
            teach(network, cache, range(len(cache)), strength, config, pulse.check, until(_SECOND_UNTIL))
            if onwards:
                fit_onwards(network, cache.in_order, config, pulse, until(_SECOND_UNTIL), pseudo=True)
            else:
                fit_from_first_rows(network, cache.in_order, config, pulse, until(_SECOND_UNTIL))
    except StoppedEarlyError:
        if not learned:
            raise
    finish = _seconds_to_finish(clock) + reader.seconds_to_refresh(cache, reading)
    return Prepared(reader, cache, choice, finish, cut_short=not pulse.beat())


def prepare_again(
    network: SegmentationNetwork,
    training_set: TrainingSet,
    config: TrainConfig,
    clock: Clock,
    checkpoint: Checkpoint,
    pulse: Pulse,
    *,
    tolerant: bool,
) -> Generator[Event, None, Prepared]:
    """Read the same features as the run that is resumed; the rest is in the checkpoint.

    Parameters
    ----------
    network : SegmentationNetwork
        As it was when the checkpoint was written.
    training_set : TrainingSet
    config : TrainConfig
    clock : Clock
    checkpoint : Checkpoint
    pulse : Pulse
    tolerant : bool
        Whether marks may have changed.

    Raises
    ------
    TrainingError
        If they have and may not, or a picture is gone.
    StoppedEarlyError
        If training is to end at once.
    """
    progress = checkpoint.progress
    pulse.refinement = replace(pulse.refinement, color_strength=progress.color_strength)
    pulse.show_network()
    reader = Reader(network, config, progress.per_class, clock, pulse)
    cache = FeatureCache()
    began = clock.spent
    changed = yield from reader.reread(cache, training_set, checkpoint, tolerant=tolerant)
    reading = (clock.spent - began) / len(cache)
    return Prepared(
        reader,
        cache,
        Choice(progress.color_strength, progress.held_back_score, {}),
        _seconds_to_finish(clock) + reader.seconds_to_refresh(cache, reading),
        False,
        changed,
    )


def _judged(cached: CachedPicture) -> PictureSample | None:
    """Labels of a picture that can judge the colour strength: marks and the cores of boxes, not mere tags."""
    sample = cached.sample
    if cached.picture.carried:
        return None  # the marks it has teach in the frame they come from
    if cached.picture.coarse.boxes:
        return replace(sample, labels=sample.guesses)
    return sample if sample.marked.any() else None


def _per_class(training_set: TrainingSet) -> int:
    share = _MOST_CELLS // max(1, len(training_set.marked) * training_set.num_classes)
    return max(30, min(_MOST_PER_CLASS, share))


def _seconds_to_finish(clock: Clock) -> float:
    """Saving takes a moment, and so does leaving the process."""
    return min(6.0, 0.03 * clock.budget)
