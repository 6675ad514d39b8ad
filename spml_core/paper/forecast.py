"""How long all of a run will take. The unit is a look: the network once forwards over one crop.

It is a rough measure, made to tell minutes from days and to share out a time budget.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import torch

from spml_core.paper.batches import CropBatch
from spml_core.paper.chosen import with_steps
from spml_core.paper.context import PaperContext
from spml_core.paper.embedding_stage import EmbeddingLearner
from spml_core.paper.presets import PaperPreset, adapted
from spml_core.training.events import Event, StageProgress
from spml_core.training.training_set import TrainingPicture

PROBE = "probe"
_EMBEDDING = "embedding"
_LOOKS_FOR_STEP = 3  # of the embedding, for each crop: going backwards takes twice as long as forwards
_LOOKS_FOR_CRF = 1
_SEEN = 5  # pictures whose size is looked at
_PROBED = 2  # crops in a step that is only timed
_PROBE_STEPS = 2  # the first one is slower


@dataclass(frozen=True)
class Forecast:
    """What the stages of a run cost.

    Attributes
    ----------
    preset : PaperPreset
    windows : float
        Crops that the training pictures take together to be seen once.
    """

    preset: PaperPreset
    windows: float

    @classmethod
    def of(cls, preset: PaperPreset, pictures: Sequence[TrainingPicture]) -> Forecast:
        """Forecast for some pictures; the size of a few stands for all."""
        seen = [
            pictures[i * len(pictures) // min(_SEEN, len(pictures))] for i in range(min(_SEEN, len(pictures)))
        ]
        crops = [math.prod(math.ceil(n / preset.crop) for n in p.rgb().shape[:2]) for p in seen]
        return cls(preset, len(pictures) * sum(crops) / len(crops))

    def looks(self) -> dict[str, float]:
        """Looks of every stage from the embedding on, in order."""
        preset, each = self.preset, self.windows
        learning, head = preset.embedding.optimisation, preset.classifier.optimisation
        heads = head.iterations * head.batch
        views = 2 if preset.walk.flip else 1
        looks: dict[str, float] = {_EMBEDDING: _LOOKS_FOR_STEP * learning.iterations * learning.batch}
        if preset.algorithm == 1:
            looks |= {"pseudo_labels": each * (2 * views + _LOOKS_FOR_CRF), "head": heads}
        else:
            votes = preset.votes
            bank = each * sum(scale**2 for scale in votes.bank_scales)
            asking = each * sum(scale**2 for scale in votes.query_scales) * (2 if votes.query_flip else 1)
            scales, flip = preset.head_views
            seen_by_head = sum(scale**2 for scale in scales) * (2 if flip else 1)
            for number, walk in (("1", views + _LOOKS_FOR_CRF), ("2", views + seen_by_head)):
                looks |= {
                    f"walk_{number}": each * walk,
                    f"bank_{number}": bank,
                    f"votes_{number}": asking + each * _LOOKS_FOR_CRF,
                    f"head_{number}": heads,
                }
        return looks | {"bank": each}

    def after(self, stage: str) -> float:
        """Looks of all stages after one."""
        looks = self.looks()
        order = list(looks)
        later = order[order.index(stage) + 1 :] if stage in looks else order
        return sum(looks[name] for name in later)

    def looks_per_step(self, stage: str) -> float:
        """Looks of a learning step."""
        if stage == _EMBEDDING:
            return _LOOKS_FOR_STEP * self.preset.embedding.optimisation.batch
        return self.preset.classifier.optimisation.batch

    def fitting_steps(self, looks: float) -> int:
        """Most steps of the embedding, 1 to the published number, so that the run takes about so many looks."""
        most = self.preset.embedding.optimisation.iterations
        few, many = 1, most
        while few < many:
            middle = (few + many + 1) // 2
            if replace(self, preset=with_steps(self.preset, middle)).after("") <= looks:
                few = middle
            else:
                many = middle - 1
        return few


def probe(context: PaperContext) -> Generator[Event, None, float]:
    """Take two small steps on noise; tells how many seconds a look takes.

    Parameters
    ----------
    context : PaperContext
        Isn't changed.
    """
    small = replace(context, preset=adapted(context.preset, batch=_PROBED))
    learner = EmbeddingLearner(small, _Noise(small))
    seconds = math.nan
    for index in range(_PROBE_STEPS):
        yield StageProgress(PROBE, index, _PROBE_STEPS, math.nan)
        began = time.monotonic()
        learner.step(index, _PROBE_STEPS)["total"].item()
        seconds = time.monotonic() - began
    return seconds / (_LOOKS_FOR_STEP * _PROBED)


class _Noise:
    """Crops of noise, half of every one marked, in stripes of all classes."""

    def __init__(self, context: PaperContext) -> None:
        crop, classes = context.preset.crop, context.num_classes
        rows = torch.arange(crop)
        labels = (rows * 2 * classes // crop).clamp_max(classes).expand(crop, crop)
        regions = (rows[:, None] // 32) * crop + rows // 32
        count = context.preset.embedding.optimisation.batch
        self._batch = CropBatch(
            torch.randn(count, 3, crop, crop),
            labels.expand(count, crop, crop).contiguous(),
            regions.expand(count, crop, crop).contiguous(),
            torch.ones(count, classes, dtype=torch.bool),
        )

    def take(self, step: int) -> CropBatch:
        """The same for every step."""
        return self._batch
