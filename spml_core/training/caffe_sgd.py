"""The paper's optimiser: parameter groups, momentum in Caffe's form, and its schedule (METHODS.md 0.4, 1.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from spml_core.errors import ConfigError
from spml_core.models.paper_network import PaperNetwork
from spml_core.training.schedule import POWER, poly

MomentumForm = Literal["caffe", "torch"]

WARM_UP = 100
"""Steps in which the paper's learning rate rises."""


class CaffeSGD(torch.optim.Optimizer):
    """Stochastic gradient descent with momentum, whose buffer holds the learning rate or doesn't.

    ``"caffe"``: ``b <- m b + lr (grad + wd p)``, ``p <- p - b``. ``"torch"``: ``b <- m b + grad + wd p``,
    ``p <- p - lr b``. They are the same while the learning rate is constant; when it falls, Caffe's steps remember the
    rates they were made with.

    Parameters
    ----------
    params : iterable
        Parameters, or groups as dictionaries, which may have an ``lr``, ``momentum`` or ``weight_decay`` of their own
        and an ``lr_mult``, a factor that :func:`set_learning_rate` applies.
    lr : float
    momentum : float
        m.
    weight_decay : float
        wd.
    momentum_form : {"caffe", "torch"}

    Raises
    ------
    ConfigError
        If a value is negative or the form unknown.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        *,
        momentum_form: MomentumForm = "caffe",
    ) -> None:
        if momentum_form not in ("caffe", "torch"):
            raise ConfigError(f"Unknown form of momentum {momentum_form!r}.", "Use caffe or torch.")
        if min(lr, momentum, weight_decay) < 0:
            raise ConfigError(
                f"SGD was given lr = {lr}, momentum = {momentum}, weight_decay = {weight_decay}.",
                "Use 0 or more.",
            )
        defaults = {
            "lr": lr,
            "lr_mult": 1.0,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "momentum_form": momentum_form,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; ``closure``, if given, computes the loss and its gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._descend(parameters, group)
        return loss

    def _descend(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        buffers = [self._buffer(p) for p in parameters]
        gradients = [p.grad for p in parameters if p.grad is not None]
        torch._foreach_mul_(buffers, group["momentum"])
        caffe = group["momentum_form"] == "caffe"
        rate = group["lr"] if caffe else 1.0
        torch._foreach_add_(buffers, gradients, alpha=rate)
        if group["weight_decay"]:
            torch._foreach_add_(buffers, parameters, alpha=rate * group["weight_decay"])
        torch._foreach_add_(parameters, buffers, alpha=-1.0 if caffe else -group["lr"])

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def paper_parameter_groups(network: PaperNetwork, weight_decay: float = 5e-4) -> list[dict[str, Any]]:
    """What learns, and how fast (the table of METHODS.md 1.3); stem and first stage are in no group.

    Returns
    -------
    list of dict
        ``name``, ``params``, ``lr_mult`` and ``weight_decay``: stages 2 to 4, embedding head and softmax head, weights
        and biases apart. Biases learn twice as fast and don't decay.
    """
    backbone = network.backbone
    parts: tuple[tuple[str, tuple[nn.Module, ...], float], ...] = (
        ("stages", (backbone.layer2, backbone.layer3, backbone.layer4), 1.0),
        ("embedding_head", (network.embedding_head,), 10.0),
        ("softmax_head", (network.softmax_head,), 10.0),
    )
    groups = []
    for name, modules, factor in parts:
        named = [item for module in modules for item in module.named_parameters()]
        weights = [p for n, p in named if not n.endswith("bias")]
        biases = [p for n, p in named if n.endswith("bias")]
        groups += [
            {"name": f"{name}.weights", "params": weights, "lr_mult": factor, "weight_decay": weight_decay},
            {"name": f"{name}.biases", "params": biases, "lr_mult": 2 * factor, "weight_decay": 0.0},
        ]
    return groups


def make_paper_optimiser(
    network: PaperNetwork,
    learning_rate: float = 3e-3,
    *,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    momentum_form: MomentumForm = "caffe",
    only_softmax_head: bool = False,
) -> CaffeSGD:
    """The paper's optimiser over :func:`paper_parameter_groups`, at the full learning rate.

    Parameters
    ----------
    network : PaperNetwork
    learning_rate, momentum, weight_decay : float
    momentum_form : {"caffe", "torch"}
    only_softmax_head : bool
        For the stage in which the embedding is frozen (METHODS.md 1.13).
    """
    groups = paper_parameter_groups(network, weight_decay)
    if only_softmax_head:
        groups = [group for group in groups if group["name"].startswith("softmax_head")]
    for group in groups:
        group["lr"] = learning_rate * group["lr_mult"]
    return CaffeSGD(groups, learning_rate, momentum, weight_decay, momentum_form=momentum_form)


def set_learning_rate(
    optimiser: torch.optim.Optimizer,
    base: float,
    step: int,
    total: int,
    *,
    warm_up: int = WARM_UP,
    power: float = POWER,
) -> float:
    """Give every group its learning rate for ``step`` (from 0) of ``total``, and return that of a factor of 1.

    ``base * (1 - step / total)^power``, but in the first ``warm_up`` steps no more than a ramp from ``0.1 base`` to
    ``base`` (METHODS.md 0.4); times the group's ``lr_mult``.
    """
    rate = base * poly(step, total, warm_up=warm_up, power=power)
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("lr_mult", 1.0)
    return rate
