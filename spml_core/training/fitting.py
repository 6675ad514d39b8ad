"""Fitting the network's linear classifier to the labelled cells of the feature cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.models import SegmentationNetwork
from spml_core.training.cache import CachedPicture
from spml_core.training.classifier import LinearClassifier
from spml_core.training.linear_start import fit_logistic, leading_directions
from spml_core.training.pulse import Pulse, StoppedEarlyError

ITERATIONS = 60  # of a fit from nothing; one that goes on from somewhere has half as many
_PSEUDO_CELLS = 15_000  # pseudo-labelled cells, at the least if there are so many
_MOST_CELLS = 40_000  # marked cells of all pictures together
_UNTOLD = 4  # iterations from nothing before there is something to see
_LINE_SEARCH = 10
_EXCLUDED = -20.0  # a bias below this is that of a class without marks


def fit_from_nothing(
    network: SegmentationNetwork,
    pictures: Sequence[CachedPicture],
    config: TrainConfig,
    pulse: Pulse,
    keep_going: Callable[[], bool],
) -> None:
    """Learn the features' scale, and let the network reproduce a logistic regression on the marked cells.

    Raises
    ------
    StoppedEarlyError
        If training is to end at once and not a single iteration was done.
    """
    features, labels = labelled_cells(pictures, network, config.seed, pseudo=False)
    network.learn_scale(features)
    _start(network, features, labels, config, pulse, keep_going, None)


def fit_from_first_rows(
    network: SegmentationNetwork,
    pictures: Sequence[CachedPicture],
    config: TrainConfig,
    pulse: Pulse,
    keep_going: Callable[[], bool],
) -> None:
    """The same from where :func:`fit_from_nothing` ended, on pseudo-labelled cells too."""
    features, labels = labelled_cells(pictures, network, config.seed, pseudo=True)
    classes = network.num_classes
    first = network.embedding.weight[:classes], network.embedding.bias[:classes]
    _start(network, features, labels, config, pulse, keep_going, first)


def _start(
    network: SegmentationNetwork,
    features: Tensor,
    labels: Tensor,
    config: TrainConfig,
    pulse: Pulse,
    keep_going: Callable[[], bool],
    initial: tuple[Tensor, Tensor] | None,
) -> None:
    """Let the network reproduce the logistic regression on raw ``features``, which are overwritten."""
    features.sub_(network.mean).div_(network.scale)
    weight, bias = fit_logistic(
        features,
        labels,
        network.num_classes,
        initial=initial,
        max_iterations=ITERATIONS if initial is None else ITERATIONS // 2,
        keep_going=keep_going,
        watch=_watch(network, pulse, _UNTOLD if initial is None else 0),
    )
    if pulse.at_once and not weight.any():
        raise StoppedEarlyError
    spare = network.embedding.out_features - network.num_classes
    if pulse.at_once:
        directions = features.new_zeros(spare, features.shape[1])
    else:
        directions = leading_directions(features, spare, config.seed) * weight.norm(dim=1).mean() * 0.1
    network.start_from(weight, bias, directions)
    pulse.show_network()


def fit_onwards(
    network: SegmentationNetwork,
    pictures: Sequence[CachedPicture],
    config: TrainConfig,
    pulse: Pulse,
    keep_going: Callable[[], bool],
    *,
    pseudo: bool,
    iterations: int = ITERATIONS // 2,
) -> None:
    """Go on fitting the classifier that the network is; what else its embedding has learned stays.

    Does nothing where fewer than two classes are labelled.

    Parameters
    ----------
    network : SegmentationNetwork
    pictures : sequence of CachedPicture
    config : TrainConfig
    pulse : Pulse
    keep_going : callable
    pseudo : bool
        Whether pseudo-labelled cells teach, too.
    iterations : int
        At the most.
    """
    features, labels = labelled_cells(pictures, network, config.seed, pseudo=pseudo)
    if len(torch.unique(labels)) < 2:
        return
    features.sub_(network.mean).div_(network.scale)
    now = LinearClassifier.of(network)
    # A class that had no marks before was kept from winning; now it may.
    learned = learned_classes(network)
    bias = torch.where(learned, now.bias, now.bias[learned].min())
    weight, bias = fit_logistic(
        features,
        labels,
        network.num_classes,
        initial=(now.weight, bias),
        line_search=_LINE_SEARCH,
        max_iterations=iterations,
        keep_going=keep_going,
        watch=_watch(network, pulse, 1),
    )
    LinearClassifier(weight, bias).put_into(network)
    pulse.show_network()


def learned_classes(network: SegmentationNetwork) -> Tensor:
    """Classes (K,) bool that the network has had labels of; the others are kept from winning."""
    return LinearClassifier.of(network).bias >= _EXCLUDED


def _watch(network: SegmentationNetwork, pulse: Pulse, untold: int) -> Callable[[Tensor, Tensor], None]:
    """Let previews show a fit from its iteration ``untold`` on."""
    count = 0

    def watch(weight: Tensor, bias: Tensor) -> None:
        nonlocal count
        if count >= untold:
            pulse.classifier = lambda: LinearClassifier(weight, bias).on_raw(network.mean, network.scale)
        count += 1

    return watch


def labelled_cells(
    pictures: Sequence[CachedPicture], network: SegmentationNetwork, seed: int, *, pseudo: bool
) -> tuple[Tensor, Tensor]:
    """Features (n, C) and labels (n,) of the marked cells, and of as many that have first guesses or pseudo labels.

    There are 40,000 marked ones at the most; of the others there may be 15,000 where the marks are fewer. Those to
    keep are drawn.

    Parameters
    ----------
    pictures : sequence of CachedPicture
    network : SegmentationNetwork
    seed : int
    pseudo : bool
        Whether the others come with their pseudo labels; else with the first guesses of coarse marks, if any.
    """
    classes = network.num_classes
    generator = torch.Generator().manual_seed(seed)
    marked = _thin([p.sample.labels < classes for p in pictures], _MOST_CELLS, generator)
    labels = [p.taught.labels if pseudo else p.guesses for p in pictures]
    extra = [(c < classes) & (p.sample.labels >= classes) for c, p in zip(labels, pictures, strict=True)]
    extra = _thin(extra, max(sum(int(m.sum()) for m in marked), _PSEUDO_CELLS), generator)
    taken = [m | e for m, e in zip(marked, extra, strict=True)]
    features = torch.cat([p.sample.features[t] for p, t in zip(pictures, taken, strict=True)]).float()
    chosen = torch.cat([c[t] for c, t in zip(labels, taken, strict=True)])
    return features.to(network.mean.device), chosen.to(network.mean.device)


def _thin(chosen: list[Tensor], most: int, generator: torch.Generator) -> list[Tensor]:
    """Choices (n_i,) bool of which about ``most`` are left, by lot."""
    share = most / max(1, sum(int(c.sum()) for c in chosen))
    if share >= 1:
        return chosen
    return [c & (torch.rand(len(c), generator=generator) < share) for c in chosen]
