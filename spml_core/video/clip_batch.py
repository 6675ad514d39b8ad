"""A few frames of a film on one augmented crop, and the loss terms of a student that sees them (METHODS.md 7.4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.models import SegmentationNetwork
from spml_core.models.normalisation import normalise_rgb
from spml_core.video.conv_lstm import ConvLSTM
from spml_core.video.etc import Mode, motion_loss, multi_frame_dependency, pair_dependency
from spml_core.video.regulariser import cut_energy
from spml_core.video.weclick import Neighbor, weclick_losses

_PAIR_POOL = 4  # side in cells of what the affinity of two frames looks at as one
_MULTI_POOL = 16  # the same, of three frames


@dataclass(frozen=True)
class ClipBatch:
    """A target frame and the frames beside it.

    Attributes
    ----------
    images : Tensor, (1 + F, 3, H, W)
        In 0..255; the target first, then the previous and the next frame as far as the flow leads there.
    labels : Tensor, (1, h, w) int64
        Weak labels of the target's cells.
    teacher : Tensor, (1, K, h, w)
        The teacher's probabilities of the target.
    memory : tuple of Neighbor
        What earlier frames say about the target, one by one or already fused, in the target's own cells.
    flows : Tensor, (F, 2, h, w)
        From the target to each of the others, in cells.
    validity : Tensor, (F, 1, h, w)
        In 0..1.
    """

    images: Tensor
    labels: Tensor
    teacher: Tensor
    memory: tuple[Neighbor, ...]
    flows: Tensor
    validity: Tensor


def clip_losses(
    student: SegmentationNetwork, teacher: SegmentationNetwork, batch: ClipBatch, config: TrainConfig
) -> dict[str, Tensor]:
    """Unweighted loss terms of a student whose backbone learns; the teacher gets no gradient.

    WeClick's need the target alone. ETC's compare the frames, and all of them get gradient.

    Parameters
    ----------
    student, teacher : SegmentationNetwork
    batch : ClipBatch
    config : TrainConfig
    """
    images = batch.images if config.learns_steadiness else batch.images[:1]
    # The backbone's convolutions gain from half precision on a GPU; everything after it stays exact.
    with torch.autocast(images.device.type, torch.bfloat16, enabled=images.device.type == "cuda"):
        features = student.features(images)
    embedding = student.embed(_standardised(student, features)).movedim(-1, 1)
    logits = student.logits_of(embedding)
    aim = batch.teacher.clamp_min(1e-6).log()  # logits, but for a constant
    terms = weclick_losses(logits[:1], aim, batch.labels, batch.memory, "separate")
    if not config.learns_from_neighbors:
        del terms["memory_flow"]
    if config.learns_steadiness:
        terms |= _etc_terms(logits, embedding, teacher, batch, config)
    if config.cut:
        terms["cut"] = cut_energy(torch.softmax(logits[:1], 1), images[:1])
    return terms


def _etc_terms(
    logits: Tensor, embedding: Tensor, teacher: SegmentationNetwork, batch: ClipBatch, config: TrainConfig
) -> dict[str, Tensor]:
    nothing = 0 * logits.sum()
    terms = {"temporal": nothing, "pair": nothing, "multi": nothing}
    others = range(1, len(batch.images))
    if not others:
        return terms
    with torch.no_grad():
        known = _standardised(teacher, teacher.features(batch.images)).movedim(-1, 1)
    mode: Mode = "reference" if config.temporal_mode == "reference" else "paper"
    seen = normalise_rgb(F.adaptive_avg_pool2d(batch.images, (logits.shape[2], logits.shape[3])))
    learned, aims = (_pooled(maps, _PAIR_POOL) for maps in (embedding, known))
    temporal, pair = [], []
    for i in others:
        flow, valid = batch.flows[i - 1 : i], batch.validity[i - 1 : i]
        temporal.append(
            motion_loss(logits[:1], logits[i : i + 1], seen[:1], seen[i : i + 1], flow, mode, valid)
        )
        pair.append(
            pair_dependency(
                (learned[:1], learned[i : i + 1]),
                (aims[:1], aims[i : i + 1]),
                swapped_norms=mode == "reference",
            )
        )
    terms |= {"temporal": torch.stack(temporal).mean(), "pair": torch.stack(pair).mean()}
    if len(others) == 2:
        order = (1, 0, 2)
        lstm = ConvLSTM().to(logits.device)
        terms["multi"] = multi_frame_dependency(
            [embedding[i : i + 1] for i in order], [known[i : i + 1] for i in order], lstm, pool=_MULTI_POOL
        )
    return terms


def _standardised(network: SegmentationNetwork, features: Tensor) -> Tensor:
    """Features (N, C, h, w), standardised with the channels last."""
    return network.standardise(features.movedim(1, -1).float())


def _pooled(maps: Tensor, side: int) -> Tensor:
    return F.avg_pool2d(maps, (min(side, maps.shape[2]), min(side, maps.shape[3])))
