"""A new head on the frozen embedding, taught by pseudo labels (METHODS.md 1.13)."""

from __future__ import annotations

import torch
from torch import Tensor

from spml_core.models.heads import SoftmaxHead
from spml_core.models.paper_network import PaperNetwork
from spml_core.paper.batches import Batches
from spml_core.paper.context import PaperContext
from spml_core.paper.embedding_stage import cross_entropy
from spml_core.paper.iterating import derived_seed
from spml_core.paper.tensors import part, prefixed
from spml_core.training.caffe_sgd import make_paper_optimiser, set_learning_rate
from spml_core.training.optimiser_state import optimiser_tensors, restore_optimiser


class HeadLearner:
    """A head from nothing, its optimiser, and the embedding it reads.

    Parameters
    ----------
    context : PaperContext
    network : PaperNetwork
        Its embedding stays as it is; its head is replaced.
    batches : Batches
        Labels are pseudo labels.
    name : str
        The stage's, so that the heads of two stages begin differently.
    """

    def __init__(self, context: PaperContext, network: PaperNetwork, batches: Batches, name: str) -> None:
        rates = context.preset.classifier.optimisation
        torch.manual_seed(derived_seed(context.seed, name, "head"))
        self._context = context
        self._network = network.eval()
        self._batches = batches
        network.softmax_head = SoftmaxHead(
            network.embedding_dim, context.num_classes, dropout=context.preset.classifier.dropout
        ).to(context.device)
        self._head = network.softmax_head
        self._optimiser = make_paper_optimiser(
            network,
            rates.learning_rate,
            momentum=rates.momentum,
            weight_decay=rates.weight_decay,
            only_softmax_head=True,
        )

    def step(self, index: int, total: int) -> dict[str, Tensor]:
        """See :class:`Learner`."""
        rates = self._context.preset.classifier.optimisation
        self._head.train()
        batch = self._batches.take(index).to(self._context.device)
        set_learning_rate(
            self._optimiser, rates.learning_rate, index, total, warm_up=rates.warm_up, power=rates.power
        )
        with torch.no_grad():
            embeddings = self._network.embedding(batch.rgb)
        loss = cross_entropy(self._head(embeddings), batch.labels, self._context.num_classes)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return {"cross_entropy": loss, "total": loss}

    def state(self) -> dict[str, Tensor]:
        """See :class:`Learner`."""
        return {**self.network(), **prefixed("optimiser", optimiser_tensors(self._optimiser))}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See :class:`Learner`."""
        self._head.load_state_dict(part(state, "head"))
        restore_optimiser(self._optimiser, part(state, "optimiser"))

    def network(self) -> dict[str, Tensor]:
        """See :class:`Learner`: ``head.*``."""
        return prefixed("head", self._head.state_dict())
