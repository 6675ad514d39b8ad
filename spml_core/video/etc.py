"""Losses that make single-frame inference steady over time: ETC (METHODS.md 6.3, 6.4).

Only training sees several frames; the network that is learned looks at one. All maps are (N, C, H, W), flows
(N, 2, H, W) in pixels, from frame t to frame k, so that sampling frame k along them shows it as seen from t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.video.conv_lstm import ConvLSTM
from spml_core.video.validity import occlusion_weight
from spml_core.video.warp import warp

Mode = Literal["paper", "reference"]


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
    logits_t: Tensor,
    logits_k: Tensor,
    image_t: Tensor,
    image_k: Tensor,
    flow: Tensor,
    mode: Mode = "paper",
    valid: Tensor | float = 1.0,
) -> Tensor:
    """The :func:`temporal_loss` with the photometric weight of the two images (N, 3, H, W), mean/std-normalised.

    ``valid`` (N, 1, H, W) in 0..1 is multiplied with that weight.
    """
    weight = occlusion_weight(image_t, image_k, flow, mode)
    return temporal_loss(logits_t, logits_k, flow, weight * valid, mode)


def single_frame_distillation(student: Tensor, teacher: Tensor, *, temperature: float = 1.0) -> Tensor:
    """``KL(softmax teacher || softmax student)`` of logits (N, K, H, W); the teacher gets no gradient.

    Parameters
    ----------
    student, teacher : Tensor, (N, K, H, W)
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
    return (aim.exp() * (aim - answer)).sum(1).mean() * temperature**2


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
