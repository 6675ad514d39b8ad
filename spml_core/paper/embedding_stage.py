"""Stage 1: the embedding learns from weak labels, a head learns to read it (METHODS.md 1.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.classes import IGNORE
from spml_core.paper.batches import CropBatch, CropSource
from spml_core.paper.context import PaperContext
from spml_core.paper.iterating import derived_seed
from spml_core.paper.tensors import part, prefixed
from spml_core.relations import MemoryBank, PicturePixels, contrastive_step
from spml_core.segments import color_features
from spml_core.training.caffe_sgd import make_paper_optimiser, set_learning_rate
from spml_core.training.optimiser_state import optimiser_tensors, restore_optimiser


class EmbeddingLearner:
    """Network, optimiser and memory bank.

    Parameters
    ----------
    context : PaperContext
    batches : CropSource
        Labels are weak labels.
    """

    def __init__(self, context: PaperContext, batches: CropSource) -> None:
        settings = context.preset.embedding
        rates = settings.optimisation
        torch.manual_seed(derived_seed(context.seed, "embedding"))
        self._context = context
        self._batches = batches
        self._network = context.build().to(context.device)
        self._optimiser = make_paper_optimiser(
            self._network,
            rates.learning_rate,
            momentum=rates.momentum,
            weight_decay=rates.weight_decay,
        )
        self._memory = MemoryBank(settings.memory)

    def step(self, index: int, total: int) -> dict[str, Tensor]:
        """See :class:`Learner`: embed, classify, relate, descend."""
        settings = self._context.preset.embedding
        self._network.train()
        batch = self._batches.take(index).to(self._context.device)
        rates = settings.optimisation
        set_learning_rate(
            self._optimiser, rates.learning_rate, index, total, warm_up=rates.warm_up, power=rates.power
        )
        embeddings, logits = self._network(batch.rgb)
        fit = cross_entropy(logits, batch.labels, self._context.num_classes)
        related = contrastive_step(
            self._pixels(embeddings, batch),
            batch.tags,
            settings.relations,
            self._memory.contents(),
            iterations=settings.rounds,
            no_tag=settings.no_tag,
            location=settings.location,
            across_images=settings.across_images,
        )
        loss = related.total + settings.cross_entropy * fit
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._memory.push(related.entry, len(batch.rgb))
        return {"cross_entropy": fit, **related.terms, "total": loss}

    def _pixels(self, embeddings: Tensor, batch: CropBatch) -> list[PicturePixels]:
        """Every cell of the embeddings' grid, with the label and region of the pixel nearest to it."""
        settings = self._context.preset.embedding
        size = embeddings.shape[-2], embeddings.shape[-1]
        labels, regions = (nearest(maps, size).flatten(1) for maps in (batch.labels, batch.regions))
        rows, columns = torch.meshgrid(*(torch.arange(side) for side in size), indexing="ij")
        places = torch.stack([rows, columns], -1).reshape(-1, 2).to(embeddings.device)
        vectors = embeddings.flatten(2).movedim(1, 2)
        return [
            PicturePixels.at(
                vectors[i],
                places,
                size,
                labels[i],
                regions[i],
                settings.cells,
                color_features(batch.rgb[i], *size, blur=settings.blur) if settings.colors else None,
            )
            for i in range(len(vectors))
        ]

    def state(self) -> dict[str, Tensor]:
        """See :class:`Learner`."""
        return {
            **self.network(),
            **prefixed("optimiser", optimiser_tensors(self._optimiser)),
            **prefixed("memory", self._memory.state_dict()),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """See :class:`Learner`."""
        self._network.load_state_dict(part(state, "network"))
        restore_optimiser(self._optimiser, part(state, "optimiser"))
        memory = {name: tensor.to(self._context.device) for name, tensor in part(state, "memory").items()}
        self._memory.load_state_dict(memory)

    def network(self) -> dict[str, Tensor]:
        """See :class:`Learner`: ``network.*``, its head included."""
        return prefixed("network", self._network.state_dict())


def cross_entropy(logits: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Mean loss of the labelled pixels, logits brought to their size; 0 without any (METHODS.md 1.13).

    Parameters
    ----------
    logits : Tensor, (N, K, h, w)
    labels : Tensor, (N, H, W) int64
        Codes of K and above don't count.
    num_classes : int
        K.
    """
    scores = F.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    known = torch.where(labels < num_classes, labels, IGNORE)
    if not (known != IGNORE).any():
        return 0 * scores.sum()
    return F.cross_entropy(scores, known, ignore_index=IGNORE)


def nearest(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Integer maps (N, H, W) at another size, each pixel from the nearest."""
    # Integers are exact in float32 up to 2^24: more than there are regions.
    return F.interpolate(maps[:, None].float(), size=size, mode="nearest")[:, 0].long()
