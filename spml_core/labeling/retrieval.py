"""Labels by retrieval: each segment asks its nearest labelled segments (METHODS.md 1.15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.segments import majority_labels, normalize, segment_prototypes

# Similarities held at once: 64 MB of float32.
_BATCH_ELEMENTS = 2**24


@dataclass(frozen=True)
class Retrieval:
    """What the bank answers to S segments.

    Attributes
    ----------
    labels : Tensor, (S,) int64
        Most frequent class among the neighbours, ties to the smallest.
    votes : Tensor, (S, K) float
        Share of the neighbours in each class.
    neighbours : Tensor, (S, k) int64
        Entries of the bank, most similar first; of equals, the earlier entry.
    similarities : Tensor, (S, k) float
        Their cosines, in -1..1.
    """

    labels: Tensor
    votes: Tensor
    neighbours: Tensor
    similarities: Tensor


@dataclass(frozen=True)
class RetrievalBank:
    """Labelled segments of many pictures.

    Attributes
    ----------
    prototypes : Tensor, (M, D)
        Unit vectors, without location.
    labels : Tensor, (M,) int64
        In ``0..num_classes-1``.
    pictures, segments : Tensor, (M,) int64
        Where each comes from: picture, and segment within it.
    num_classes : int
    places : Tensor, (M, 2) int64, or None
        Row and column, in the picture's own pixels, of a pixel inside each; None in models of format 1.
    marked : Tensor, (M,) bool, or None
        Whether a person marked something in it; else the model named it. None in models of format 1.

    Raises
    ------
    ConfigError
        If lengths differ or a label is no class.
    """

    prototypes: Tensor
    labels: Tensor
    pictures: Tensor
    segments: Tensor
    num_classes: int
    places: Tensor | None = None
    marked: Tensor | None = None

    def __post_init__(self) -> None:
        parts = (self.prototypes, self.labels, self.pictures, self.segments, self.places, self.marked)
        lengths = [len(t) for t in parts if t is not None]
        if len(set(lengths)) > 1:
            raise ConfigError(
                f"A retrieval bank's parts have lengths {lengths}.", "Give one row per segment."
            )
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.num_classes:
            raise ConfigError(
                f"A retrieval bank of {self.num_classes} classes has labels from {int(self.labels.min())} to "
                f"{int(self.labels.max())}.",
                "Leave unlabelled segments out.",
            )

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    @torch.no_grad()
    def from_picture(
        cls,
        embeddings: Tensor,
        segments: Tensor,
        labels: Tensor,
        num_classes: int,
        picture: int = 0,
        places: Tensor | None = None,
        marked: Tensor | None = None,
    ) -> RetrievalBank:
        """Bank of one picture: prototypes of its segments, named by majority vote.

        Parameters
        ----------
        embeddings : Tensor, (n, D)
        segments : Tensor, (n,) int64
            Segment of each pixel, 0 or more.
        labels : Tensor, (n,) integer
            Label codes. A segment whose majority isn't a class is left out.
        num_classes : int
        picture : int
            Number of the picture.
        places : Tensor, (S, 2) int64, optional
            A pixel inside each segment, see :func:`central_rows`.
        marked : Tensor, (S,) bool, optional
            Whether a person marked something in each segment.
        """
        count = int(segments.max()) + 1 if len(segments) else 0
        units = segment_prototypes(normalize(embeddings), segments, count)
        names = majority_labels(labels, segments, count, num_classes)
        kept = (names >= 0).nonzero()[:, 0]
        where, by_hand = (None if part is None else part[kept] for part in (places, marked))
        return cls(
            units[kept], names[kept], torch.full_like(kept, picture), kept, num_classes, where, by_hand
        )

    @classmethod
    def join(cls, banks: Sequence[RetrievalBank]) -> RetrievalBank:
        """One bank of several, in order; with places, and who named them, if all of them know.

        Raises
        ------
        ConfigError
            If there is none, or their numbers of classes differ.
        """
        counts = sorted({bank.num_classes for bank in banks})
        if len(counts) != 1:
            raise ConfigError(
                f"Retrieval banks with {counts} classes can't be joined.", "Use one class table."
            )
        places = [bank.places for bank in banks if bank.places is not None]
        marked = [bank.marked for bank in banks if bank.marked is not None]
        return cls(
            torch.cat([bank.prototypes for bank in banks]),
            torch.cat([bank.labels for bank in banks]),
            torch.cat([bank.pictures for bank in banks]),
            torch.cat([bank.segments for bank in banks]),
            counts[0],
            torch.cat(places) if len(places) == len(banks) else None,
            torch.cat(marked) if len(marked) == len(banks) else None,
        )

    def renamed(self, codes: Tensor, num_classes: int) -> RetrievalBank:
        """The same segments under other label codes; those whose class is gone are left out.

        Parameters
        ----------
        codes : Tensor, (K,) int64
            New code of each class; ``num_classes`` or more if it is gone.
        num_classes : int
        """
        labels = codes.to(self.labels.device)[self.labels]
        kept = labels < num_classes
        return RetrievalBank(
            self.prototypes[kept],
            labels[kept],
            self.pictures[kept],
            self.segments[kept],
            num_classes,
            None if self.places is None else self.places[kept],
            None if self.marked is None else self.marked[kept],
        )

    @torch.no_grad()
    def query(self, prototypes: Tensor, k: int = 20) -> Retrieval:
        """Nearest entries of each of S unit vectors, and what they vote for.

        Parameters
        ----------
        prototypes : Tensor, (S, D)
            Unit vectors.
        k : int
            Neighbours to ask, 1 or more; all of them when the bank has fewer.

        Raises
        ------
        ConfigError
            If the bank is empty, ``k`` is below 1, or the dimensions differ.
        """
        if len(self) == 0:
            raise ConfigError("The retrieval bank has no labelled segment.", "Mark something first.")
        if k < 1 or prototypes.ndim != 2 or prototypes.shape[1] != self.prototypes.shape[1]:
            raise ConfigError(
                f"{k} neighbours of vectors {tuple(prototypes.shape)} were asked of a bank of "
                f"{tuple(self.prototypes.shape)}.",
                "Ask for 1 or more, with vectors of the bank's length.",
            )
        k = min(k, len(self))
        best, index = [], []
        for batch in torch.split(prototypes, max(1, _BATCH_ELEMENTS // len(self))):
            similarity = batch @ self.prototypes.T
            entries = _first_highest(similarity, k)
            values, order = similarity.gather(1, entries).sort(dim=1, descending=True, stable=True)
            best.append(values)
            index.append(entries.gather(1, order))
        similarities, neighbours = torch.cat(best), torch.cat(index)
        ballots = torch.nn.functional.one_hot(self.labels[neighbours], self.num_classes).sum(1)
        return Retrieval(ballots.argmax(1), ballots.to(prototypes.dtype) / k, neighbours, similarities)


def central_rows(positions: Tensor, segments: Tensor, count: int, preferred: Tensor) -> Tensor:
    """For each segment the row that lies nearest to the middle of it, or of its preferred rows if it has any.

    Parameters
    ----------
    positions : Tensor, (n, 2)
        Row and column of each pixel.
    segments : Tensor, (n,) int64
        In ``0..count-1``, each with a pixel at least.
    count : int
    preferred : Tensor, (n,) bool

    Returns
    -------
    Tensor, (count,) int64
        Indexes into ``positions``; of equals, the first.
    """
    has = torch.zeros(count, dtype=torch.bool, device=segments.device)
    has[segments[preferred]] = True
    usable = (preferred | ~has[segments]).nonzero()[:, 0]
    points, own = positions[usable].double(), segments[usable]
    sums = torch.zeros(count, 2, dtype=points.dtype, device=points.device).index_add_(0, own, points)
    middles = sums / torch.bincount(own, minlength=count)[:, None]
    order = (points - middles[own]).square().sum(1).argsort(stable=True)
    order = order[own[order].argsort(stable=True)]
    first = torch.ones(len(order), dtype=torch.bool, device=order.device)
    first[1:] = own[order][1:] != own[order][:-1]
    return usable[order[first]]


def _first_highest(values: Tensor, k: int) -> Tensor:
    """Columns of each row's ``k`` highest values (S, k), ascending; of equals, the first columns."""
    if k == values.shape[1]:
        return torch.arange(k, device=values.device).expand(len(values), -1)
    top, columns = values.topk(k + 1, dim=1)
    chosen = columns[:, :k].sort(dim=1).values
    # topk may take any of equal values, which matters only where the next one equals the last one taken.
    tied = (top[:, k - 1] == top[:, k]).nonzero()[:, 0]
    if len(tied):
        rows, rim = values[tied], top[tied, k - 1 : k]
        level, above = rows == rim, rows > rim
        wanted = above | (level & (level.cumsum(1) <= k - above.sum(1, keepdim=True)))
        chosen[tied] = wanted.nonzero()[:, 1].reshape(-1, k)
    return chosen
