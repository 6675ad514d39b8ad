"""Splitting clusters along labels and regions, and naming segments by vote (METHODS.md 1.6)."""

from __future__ import annotations

import torch
from torch import Tensor

from spml_core.errors import ConfigError


def intersect(*keys: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Cells in which every key is constant: the common refinement of several partitions.

    Parameters
    ----------
    *keys : Tensor, (n,) integer
        For instance image, cluster, label, region. Values 0 or more.

    Returns
    -------
    segments : Tensor, (n,) int64
        Compact segment ids ``0..S-1``, ordered by the first key, then the second, and so on.
    values : tuple of Tensor, each (S,) int64
        Each key's value in every segment.

    Raises
    ------
    ConfigError
        If there is no key, their lengths differ, a value is negative, or the product of their ranges passes
        2^63.
    """
    if not keys or len({len(key) for key in keys}) > 1:
        raise ConfigError(
            f"A partition needs keys of one length; got {[len(key) for key in keys]}.",
            "Give one value per pixel.",
        )
    if len(keys[0]) == 0:
        empty = keys[0].new_zeros(0, dtype=torch.long)
        return empty, tuple(empty for _ in keys)
    if min(int(key.min()) for key in keys) < 0:
        raise ConfigError("A partition key has a negative value.", "Drop pixels that take no part first.")
    bases = [int(key.max()) + 1 for key in keys]
    span = 1
    for base in bases:
        span *= base
    if span > 2**63 - 1:
        raise ConfigError(
            f"Partition keys with ranges {bases} don't fit in 64 bits.", "Make the region ids compact."
        )
    code = keys[0].long()
    for key, base in zip(keys[1:], bases[1:], strict=True):
        code = code * base + key
    present, segments = torch.unique(code, return_inverse=True)
    values = []
    for base in reversed(bases):
        values.append(present % base)
        present = present // base
    return segments, tuple(reversed(values))


def majority_labels(labels: Tensor, segments: Tensor, num_segments: int, num_classes: int) -> Tensor:
    """Most frequent label code of each segment.

    Parameters
    ----------
    labels : Tensor, (n,) integer in 0..255
        Label codes; UNLABELED and IGNORE vote like any other value.
    segments : Tensor, (n,) int64
    num_segments : int
    num_classes : int
        K.

    Returns
    -------
    Tensor, (num_segments,) int64
        The winner, ties to the smallest code; -1 where the winner isn't a class (K or above) or nobody votes.
    """
    codes = 256
    votes = torch.bincount(segments * codes + labels.long(), minlength=num_segments * codes)
    votes = votes.reshape(num_segments, codes)
    winner = votes.argmax(1)
    return torch.where((votes.sum(1) > 0) & (winner < num_classes), winner, -1)
