"""Losses with which a student learns from clicks and from its teacher's neighbouring frames: WeClick (METHODS.md 7.2).

Maps are (N, K, H, W), flows (N, 2, H, W) in pixels from the target frame k to a neighbour f. Teachers get no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.video.etc import single_frame_distillation
from spml_core.video.warp import warp

Form = Literal["fused", "separate"]


@dataclass(frozen=True)
class Neighbor:
    """What a neighbouring frame has to say about the target frame.

    Attributes
    ----------
    probabilities : Tensor, (N, K, H, W)
        The teacher's of the neighbour, in the neighbour's own pixels.
    flow : Tensor, (N, 2, H, W)
        From the target frame to the neighbour.
    validity : Tensor, (N, 1, H, W)
        V, in 0..1: how far to trust the flow, in the target's pixels.
    """

    probabilities: Tensor
    flow: Tensor
    validity: Tensor

    def memory(self) -> Tensor:
        """``m_f->k``: the neighbour's probabilities (N, K, H, W) in the target's pixels."""
        return warp(self.probabilities.detach(), self.flow)


def weak_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the labelled pixels, 0 without any; L_weak.

    Parameters
    ----------
    logits : Tensor, (N, K, H, W)
    labels : Tensor, (N, H, W) int64
        Classes 0..K-1; any other code is not looked at.
    """
    known = labels < logits.shape[1]
    if not known.any():
        return 0 * logits.sum()
    return F.cross_entropy(logits.movedim(1, -1)[known], labels[known])


def memory_flow(neighbors: Sequence[Neighbor]) -> tuple[Tensor, Tensor]:
    """What the neighbours together say: ``M_k = sum_f V_f m_f->k / sum_f V_f``.

    Parameters
    ----------
    neighbors : sequence of Neighbor
        One at least.

    Returns
    -------
    memory : Tensor, (N, K, H, W)
        Sums to 1 over the classes where there is a valid neighbour, is 0 elsewhere.
    seen : Tensor, (N, H, W) bool
        Where there is one.

    Raises
    ------
    ConfigError
        If there is no neighbour.
    """
    if not neighbors:
        raise ConfigError("No neighbour was given.", "Leave the memory flow out where a frame has none.")
    total = sum((n.validity for n in neighbors[1:]), neighbors[0].validity)
    memory = torch.zeros_like(neighbors[0].probabilities)
    for neighbor in neighbors:
        memory = memory + neighbor.validity * neighbor.memory()
    seen = total > 0
    return torch.where(seen, memory / total.clamp_min(1e-12), 0), seen[:, 0]


def memory_flow_loss(logits: Tensor, neighbors: Sequence[Neighbor], form: Form = "fused") -> Tensor:
    """How far the student is from what the neighbours say; L_MFD, 0 where nobody says anything.

    ``"fused"`` is ``mean_i KL(M_k(i) || S(i))`` over the pixels that a valid neighbour sees. ``"separate"`` is the mean
    over the neighbours of the mean ``KL(m_f(i) || S(i))`` weighted with V_f; neighbours that see nothing are left out.

    Parameters
    ----------
    logits : Tensor, (N, K, H, W)
        The student's of the target frame.
    neighbors : sequence of Neighbor
    form : {"fused", "separate"}
    """
    nothing = 0 * logits.sum()
    if not neighbors:
        return nothing
    answer = torch.log_softmax(logits, 1)
    if form == "fused":
        memory, seen = memory_flow(neighbors)
        return divergence(memory, answer)[seen].mean() if seen.any() else nothing
    terms = []
    for neighbor in neighbors:
        validity = neighbor.validity[:, 0]
        if (validity > 0).any():
            terms.append((validity * divergence(neighbor.memory(), answer)).sum() / validity.sum())
    return torch.stack(terms).mean() if terms else nothing


def divergence(aim: Tensor, log_answer: Tensor) -> Tensor:
    """``KL(aim || answer)`` per pixel (N, ...), of probabilities and log-probabilities (N, K, ...); 0 log 0 is 0."""
    return (torch.xlogy(aim, aim) - aim * log_answer).sum(1)


def weclick_losses(
    student: Tensor, teacher: Tensor, labels: Tensor, neighbors: Sequence[Neighbor], form: Form = "fused"
) -> dict[str, Tensor]:
    """L_weak as ``"weak"``, L_MFD as ``"memory_flow"`` and L_KD as ``"teacher"``, unweighted.

    Parameters
    ----------
    student, teacher : Tensor, (N, K, H, W)
        Logits of the target frame.
    labels : Tensor, (N, H, W) int64
        Weak labels of the target frame; all UNLABELED where it has none.
    neighbors : sequence of Neighbor
        Frames that there are; of n - 1 previous ones those before the film's beginning are left out.
    form : {"fused", "separate"}
        Of L_MFD.
    """
    return {
        "weak": weak_loss(student, labels),
        "memory_flow": memory_flow_loss(student, neighbors, form),
        "teacher": single_frame_distillation(student, teacher),
    }
