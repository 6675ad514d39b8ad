"""Losses that make single-frame inference steady over time: ETC (METHODS.md 6.3, 6.4).

Only training sees several frames; the network that is learned looks at one. All maps are (N, C, H, W), flows
(N, 2, H, W) in pixels, from frame t to frame k, so that sampling frame k along them shows it as seen from t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.video.conv_lstm import ConvLSTM
from spml_core.video.validity import occlusion_weight
from spml_core.video.warp import warp

Mode = Literal["paper", "reference"]

AUXILIARY_WEIGHT = 0.4
"""Of the auxiliary head's cross-entropy, where there is one."""

NEIGHBOR_WEIGHT = 0.4
"""Of the previous and the next frame in the dependency within frames."""

CITYSCAPES_CLASS_WEIGHTS = (
    0.8373, 0.918, 0.866, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023, 0.9539, 0.9843, 1.1116, 0.9037,
    1.0865, 1.0955, 1.0865, 1.1529, 1.0507,
)  # fmt: skip
"""Weights of the 19 classes in the reference's cross-entropy (METHODS.md 6.5)."""

_REFERENCE_GAPS = (-3, -2, -1, 1, 2)
_GAPS = (-3, -2, -1, 1, 2, 3)


def temporal_loss(
    logits_t: Tensor, logits_k: Tensor, flow: Tensor, weight: Tensor, mode: Mode = "paper"
) -> Tensor:
    """How much the answers for two frames differ along the flow, METHODS.md 6.3. Both frames get gradient.

    ``"paper"`` compares probabilities: ``mean_i V_i |q_t(i) - q_k->t(i)|^2``, the squares summed over the classes.
    ``"reference"`` compares logits, multiplies both sides with V before they are squared (so V^2 counts), and averages
    over the classes, too. The third difference is in the weight: :func:`motion_weight`.

    Parameters
    ----------
    logits_t, logits_k : Tensor, (N, K, H, W)
    flow : Tensor, (N, 2, H, W)
        From t to k.
    weight : Tensor, (N, 1, H, W)
        V, in 0..1.
    mode : {"paper", "reference"}

    Returns
    -------
    Tensor, ()
    """
    if mode == "reference":
        difference = weight * logits_t - weight * warp(logits_k, flow)
        return (difference * difference).mean()
    difference = torch.softmax(logits_t, 1) - warp(torch.softmax(logits_k, 1), flow)
    return (weight * (difference * difference).sum(1, keepdim=True)).mean()


def motion_loss(
    logits_t: Tensor, logits_k: Tensor, image_t: Tensor, image_k: Tensor, flow: Tensor, mode: Mode = "paper"
) -> Tensor:
    """The :func:`temporal_loss` with the photometric weight of the two images (N, 3, H, W), mean/std-normalised."""
    return temporal_loss(logits_t, logits_k, flow, occlusion_weight(image_t, image_k, flow, mode), mode)


def single_frame_distillation(
    student: Tensor, teacher: Tensor, *, per_pixel: bool = True, temperature: float = 1.0
) -> Tensor:
    """``KL(softmax teacher || softmax student)`` of logits (N, K, H, W); the teacher gets no gradient.

    Parameters
    ----------
    student, teacher : Tensor, (N, K, H, W)
    per_pixel : bool
        Whether to average over pixels; else over pixels and classes as the reference does, K times less.
    temperature : float
        Above 0. The loss is multiplied with its square, so that gradients keep their size.

    Raises
    ------
    ConfigError
        If the temperature isn't positive.
    """
    if not temperature > 0:
        raise ConfigError(f"A temperature of {temperature} was given.", "Use one above 0.")
    aim = torch.log_softmax(teacher.detach() / temperature, 1)
    answer = torch.log_softmax(student / temperature, 1)
    divergence = (aim.exp() * (aim - answer)).sum(1).mean() * temperature**2
    return divergence if per_pixel else divergence / student.shape[1]


def frame_affinity(features_t: Tensor, features_k: Tensor, *, swapped_norms: bool = False) -> Tensor:
    """How alike the cells of two frames are.

    Parameters
    ----------
    features_t, features_k : Tensor, (N, C, h, w)
    swapped_norms : bool
        Whether entry (i, j) is divided by ``|f_k(i)| |f_t(j)|`` as the reference does, instead of by
        ``|f_t(i)| |f_k(j)|``: equal only where the frames' norms are.

    Returns
    -------
    Tensor, (N, h w, h w)
        Cosine of cell i of frame t and cell j of frame k.
    """
    a, b = features_t.flatten(2).transpose(1, 2), features_k.flatten(2)
    rows = a.norm(dim=2, keepdim=True).clamp_min(1e-12)
    columns = b.norm(dim=1, keepdim=True).clamp_min(1e-12)
    if swapped_norms:
        rows, columns = columns.transpose(1, 2), rows.transpose(1, 2)
    cosines: Tensor = (a @ b) / (rows * columns)
    return cosines


def pair_dependency(
    student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], *, swapped_norms: bool = False
) -> Tensor:
    """``mean_ij (A^S - A^T)^2`` of the affinities between two frames; L_PF.

    Parameters
    ----------
    student, teacher : tuple of two Tensor, (N, C, h, w)
        Features of frames t and k; student and teacher may have different numbers of channels. The teacher gets no
        gradient.
    swapped_norms : bool
        See :func:`frame_affinity`.
    """
    learned = frame_affinity(*student, swapped_norms=swapped_norms)
    with torch.no_grad():
        aim = frame_affinity(*teacher, swapped_norms=swapped_norms)
    return F.mse_loss(learned, aim)


def within_frame_dependency(
    student: tuple[Tensor, Tensor, Tensor], teacher: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """The pair-wise dependency of each frame with itself, after a 2 x 2 average pool.

    ``L(current) + 0.4 (L(previous) + L(next))`` of features (N, C, h, w) of the previous, current and next frame.
    """
    total = student[1].new_zeros(())
    for weight, learned, aim in zip((NEIGHBOR_WEIGHT, 1.0, NEIGHBOR_WEIGHT), student, teacher, strict=True):
        small, goal = F.avg_pool2d(learned, 2), F.avg_pool2d(aim, 2)
        total = total + weight * pair_dependency((small, small), (goal, goal))
    return total


def affinity_images(frames: Sequence[Tensor], pool: int = 16) -> Tensor:
    """Self-affinities of frames after an average pool, as one-channel images.

    Parameters
    ----------
    frames : sequence of T Tensor, (N, C, h, w)
    pool : int
        Side of the pool, at most the frame's.

    Returns
    -------
    Tensor, (T, N, 1, p, p)
        p is the number of cells that the pool leaves.
    """
    height, width = frames[0].shape[-2:]
    side = (min(pool, height), min(pool, width))
    pooled = [F.avg_pool2d(frame, side) for frame in frames]
    return torch.stack([frame_affinity(p, p)[:, None] for p in pooled])


def multi_frame_dependency(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    lstm: ConvLSTM,
    *,
    pool: int = 16,
    with_cell: bool = True,
) -> Tensor:
    """How differently the affinities of student and teacher develop over frames; L_MF, METHODS.md 6.4.

    Parameters
    ----------
    student, teacher : sequence of Tensor, (N, C, h, w)
        Features of consecutive frames, earliest first. The teacher gets no gradient.
    lstm : ConvLSTM
        The same for both.
    pool : int
        Side of the average pool before the affinities.
    with_cell : bool
        Whether the last cell state counts like the last hidden state (reference), or the hidden state alone (paper).
    """
    hidden, cell = lstm(affinity_images(student, pool))
    with torch.no_grad():
        aim_hidden, aim_cell = lstm(affinity_images(teacher, pool))
    loss = F.mse_loss(hidden, aim_hidden)
    return loss + F.mse_loss(cell, aim_cell) if with_cell else loss


@dataclass(frozen=True)
class EtcTerms:
    """Terms of ETC; those that aren't used are 0.

    Attributes
    ----------
    cross_entropy, auxiliary : Tensor, ()
        Of the head, and of an auxiliary head.
    temporal, single, pair, multi : Tensor, ()
        L_tl, L_KD, L_PF and L_MF.
    """

    cross_entropy: Tensor
    auxiliary: Tensor
    temporal: Tensor
    single: Tensor
    pair: Tensor
    multi: Tensor

    def total(self, strength: float = 0.1) -> Tensor:
        """``CE + 0.4 CE_aux + strength (L_tl + L_KD + L_PF + L_MF)``."""
        steadiness = self.temporal + self.single + self.pair + self.multi
        return self.cross_entropy + AUXILIARY_WEIGHT * self.auxiliary + strength * steadiness


def draw_other_frame(frame: int, count: int, rng: np.random.Generator, mode: Mode = "paper") -> int:
    """A frame at most three away from ``frame`` in a film of ``count`` frames, never itself unless it is the only one.

    The reference draws ``t - index`` with an index of -3, -2, -1, 1 or 2, so never the frame three before.
    """
    gaps = _REFERENCE_GAPS if mode == "reference" else _GAPS
    others = [frame - gap for gap in gaps if 0 <= frame - gap < count]
    return others[int(rng.integers(len(others)))] if others else frame
