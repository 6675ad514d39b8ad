"""Spherical k-means over the pixels of one picture (METHODS.md 1.5)."""

from __future__ import annotations

import torch
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.segments.prototypes import segment_prototypes


def grid_cells(positions: Tensor, height: int, width: int, cells: tuple[int, int]) -> Tensor:
    """Grid cell of chosen pixels: the initial cluster of each.

    Parameters
    ----------
    positions : Tensor, (n, 2)
        (y, x) on a grid of ``height`` x ``width``.
    height, width : int
    cells : (int, int)
        Number of cells down and across, 1 or more.

    Returns
    -------
    Tensor, (n,) int64
        ``ly + ky * lx``, column by column. A side's cells are ``round_half_even(linspace(0, k - 1, side))``,
        so those at the border are half as long as the others.

    Raises
    ------
    ConfigError
        If a number of cells is below 1.
    """
    if min(cells) < 1:
        raise ConfigError(f"A grid of {cells[0]} x {cells[1]} cells was asked for.", "Use 1 or more.")
    down, across = (
        torch.linspace(0, k - 1, side, dtype=torch.float64).round().long().to(positions.device)
        for k, side in zip(cells, (height, width), strict=True)
    )
    y, x = positions.long().unbind(-1)
    return down[y] + cells[0] * across[x]


def grid_labels(height: int, width: int, cells: tuple[int, int]) -> Tensor:
    """Assign every pixel of a grid to its cell, (H, W) int64; see :func:`grid_cells`."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return grid_cells(torch.stack([y, x], -1).reshape(-1, 2), height, width, cells).reshape(height, width)


@torch.no_grad()
def spherical_kmeans(
    vectors: Tensor, initial: Tensor, iterations: int = 10, *, num_clusters: int | None = None
) -> Tensor:
    """Cluster unit vectors by cosine similarity, starting from given labels.

    Parameters
    ----------
    vectors : Tensor, (n, E)
        Unit vectors, usually with location (METHODS.md 1.4).
    initial : Tensor, (n,) int64
        Starting labels, 0 or more. They are compacted unless ``num_clusters`` says how many there are.
    iterations : int
        Rounds of prototypes and assignment.
    num_clusters : int, optional
        Keep numbers as they are: clusters ``0..num_clusters-1``, some of them perhaps empty from the start.

    Returns
    -------
    Tensor, (n,) int64
        Of two equally similar clusters the lower number wins. An empty cluster has the zero vector for its
        prototype, so it can only win pixels that every other cluster is turned away from.

    Raises
    ------
    ConfigError
        If vectors and labels differ in number.
    """
    if len(vectors) != len(initial):
        raise ConfigError(
            f"{len(vectors)} vectors came with {len(initial)} initial labels.", "Give one per vector."
        )
    labels = initial
    if num_clusters is None:
        present, labels = torch.unique(initial, return_inverse=True)
        num_clusters = len(present)
    for _ in range(iterations if len(vectors) else 0):
        labels = (vectors @ segment_prototypes(vectors, labels, num_clusters).T).argmax(1)
    return labels
