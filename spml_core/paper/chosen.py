"""The settings of a training, from the user's configuration to preset and network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from torch import nn

from spml_core.config import TrainConfig, Variant
from spml_core.models import PaperNetwork
from spml_core.paper.network import starting_network
from spml_core.paper.presets import PaperPreset, adapted, paper_preset

_MOST_MOMENTUM = 0.1  # torch's own
_LEAST_STEPS = 100  # of a head
_SHARE_OF_WARM_UP = 10  # a short schedule warms up in a tenth of its steps


def chosen_preset(config: TrainConfig) -> PaperPreset:
    """The published settings with what the configuration changes.

    Raises
    ------
    ConfigError
        If the preset is no published method, or a number is out of range for it.
    """
    published = paper_preset(config.preset, cast("Variant", config.variant))
    # Heads have a published batch of their own.
    as_published = config.batch == published.embedding.optimisation.batch
    preset = adapted(
        published,
        backbone=config.backbone,
        batch=None if as_published else config.batch,
        crop=config.crop,
        seed=config.seed,
    )
    return preset if config.steps is None else with_steps(preset, config.steps)


def with_steps(preset: PaperPreset, steps: int) -> PaperPreset:
    """The preset with another number of steps of the embedding; the heads' follow.

    A head takes a hundred steps at least, if the embedding does, and warm-ups leave most of the time to learn.

    Raises
    ------
    ConfigError
        If ``steps`` is below 1.
    """
    preset = adapted(preset, iterations=steps)
    heads = preset.classifier.optimisation
    heads = replace(heads, iterations=max(heads.iterations, min(steps, _LEAST_STEPS)))
    embedding, head = (
        replace(o, warm_up=min(o.warm_up, o.iterations // _SHARE_OF_WARM_UP))
        for o in (preset.embedding.optimisation, heads)
    )
    return replace(
        preset,
        embedding=replace(preset.embedding, optimisation=embedding),
        classifier=replace(preset.classifier, optimisation=head),
    )


def chosen_network(preset: PaperPreset, config: TrainConfig, num_classes: int) -> PaperNetwork:
    """The network before training; see :func:`starting_network`.

    The paper's batch norms take thousands of steps to learn what they see. Where there are fewer steps they learn so
    much faster that they have forgotten as much at the end.
    """
    weights = Path(config.weights) if config.weights else None
    network = starting_network(preset, num_classes, weights=weights)
    published = paper_preset(preset.name, preset.variant).embedding.optimisation.iterations
    faster = max(1.0, published / preset.embedding.optimisation.iterations)
    for module in network.backbone.modules():
        if isinstance(module, nn.BatchNorm2d) and module.momentum is not None:
            module.momentum = min(_MOST_MOMENTUM, module.momentum * faster)
    return network


def head_stages(preset: PaperPreset) -> tuple[str, ...]:
    """Stages in which a head learns."""
    return ("head",) if preset.algorithm == 1 else ("head_1", "head_2")


def learning_steps(preset: PaperPreset) -> dict[str, int]:
    """Steps of the stages that learn, in order."""
    heads = dict.fromkeys(head_stages(preset), preset.classifier.optimisation.iterations)
    return {"embedding": preset.embedding.optimisation.iterations, **heads}
