"""The memory bank: segments of the last batches, company for this one's pixels (METHODS.md 1.12)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from spml_core.errors import ConfigError


@dataclass(frozen=True)
class BankEntry:
    """Segments of one batch, or of several one after the other. No tensor carries a gradient.

    Attributes
    ----------
    prototypes : Tensor, (S, D)
    local_prototypes : Tensor, (S, D + L)
        With location, embeddings squeezed (METHODS.md 1.4).
    images, labels, regions : Tensor, (S,) int64
    tags : Tensor, (S, K) bool
        Tag vector of the segment's picture, background first.
    """

    prototypes: Tensor
    local_prototypes: Tensor
    images: Tensor
    labels: Tensor
    regions: Tensor
    tags: Tensor

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, getattr(self, field.name).detach())

    def __len__(self) -> int:
        return len(self.prototypes)


class MemoryBank:
    """First in, first out, over whole batches.

    Parameters
    ----------
    capacity : int
        Number of batches to remember; 0 remembers nothing.

    Raises
    ------
    ConfigError
        If the capacity is negative.
    """

    def __init__(self, capacity: int = 2) -> None:
        if capacity < 0:
            raise ConfigError(f"A memory of {capacity} batches was asked for.", "Use 0 or more.")
        self.capacity = capacity
        self._entries: deque[BankEntry] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, entry: BankEntry, batch_size: int) -> None:
        """Remember a batch of ``batch_size`` pictures, forgetting the oldest when full.

        Every stored image number grows by ``batch_size``, so that none equals one of the next batch.
        """
        self._entries.append(entry)
        self._entries = deque(
            (replace(e, images=e.images + batch_size) for e in self._entries), maxlen=self.capacity
        )

    def contents(self) -> BankEntry | None:
        """Everything remembered as one entry, oldest first; None when there is nothing."""
        if not self._entries:
            return None
        return BankEntry(*(torch.cat([getattr(e, f.name) for e in self._entries]) for f in fields(BankEntry)))

    def state_dict(self) -> dict[str, Tensor]:
        """Plain tensors named ``<batch>.<field>``, for a checkpoint."""
        return {
            f"{i}.{f.name}": getattr(entry, f.name)
            for i, entry in enumerate(self._entries)
            for f in fields(BankEntry)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state_dict` gave, keeping the newest batches if there are more than fit.

        Raises
        ------
        ConfigError
            If a tensor is missing or unknown; the bank is left as it was.
        """
        names = [f.name for f in fields(BankEntry)]
        count = len({key.split(".")[0] for key in state})
        wanted = {f"{i}.{name}" for i in range(count) for name in names}
        if wanted != set(state):
            odd = sorted(wanted.symmetric_difference(state))[0]
            raise ConfigError(
                f"The saved memory bank doesn't match: {odd!r} is missing or unknown.", "Start a new run."
            )
        entries = [BankEntry(*(state[f"{i}.{name}"].clone() for name in names)) for i in range(count)]
        self._entries = deque(entries, maxlen=self.capacity)


@torch.no_grad()
def neighbor_accuracy(prototypes: Tensor, labels: Tensor, k: int = 5) -> Tensor:
    """Mean share of the ``k`` nearest prototypes, itself included, with the same label (METHODS.md 1.12).

    Parameters
    ----------
    prototypes : Tensor, (S, D)
    labels : Tensor, (S,) int64
    k : int

    Returns
    -------
    Tensor, ()
        In 0..1; 0 when there is no prototype.
    """
    if len(prototypes) == 0:
        return prototypes.new_zeros(())
    nearest = (prototypes @ prototypes.T).topk(min(k, len(prototypes)), dim=1).indices
    return (labels[nearest] == labels[:, None]).to(prototypes.dtype).mean()
