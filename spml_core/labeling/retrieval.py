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
_BATCH_QUERIES = 2048


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
        return query_banks([self], prototypes, k)


@torch.no_grad()
def query_banks(banks: Sequence[RetrievalBank], prototypes: Tensor, k: int = 20) -> Retrieval:
    """Nearest entries in several banks at once, as if they were joined, but without the memory that takes.

    Parameters
    ----------
    banks : sequence of RetrievalBank
        Of one number of classes; some may be empty.
    prototypes : Tensor, (S, D)
        Unit vectors.
    k : int
        As in :meth:`RetrievalBank.query`.

    Returns
    -------
    Retrieval
        ``neighbours`` count through the banks in order.

    Raises
    ------
    ConfigError
        As :meth:`RetrievalBank.query`, or if the numbers of classes differ.
    """
    banks = [bank for bank in banks if len(bank)]
    if not banks:
        raise ConfigError("The retrieval bank has no labelled segment.", "Mark something first.")
    num_classes = banks[0].num_classes
    shapes = [tuple(bank.prototypes.shape) for bank in banks]
    if k < 1 or prototypes.ndim != 2 or any(width != prototypes.shape[1] for _, width in shapes):
        raise ConfigError(
            f"{k} neighbours of vectors {tuple(prototypes.shape)} were asked of a bank of "
            f"{', '.join(map(str, shapes))}.",
            "Ask for 1 or more, with vectors of the bank's length.",
        )
    if any(bank.num_classes != num_classes for bank in banks):
        raise ConfigError(
            f"Retrieval banks with {sorted({bank.num_classes for bank in banks})} classes were asked together.",
            "Use one class table.",
        )
    k = min(k, sum(map(len, banks)))
    answers = [_nearest(banks, batch, k) for batch in torch.split(prototypes, _BATCH_QUERIES)]
    similarities, neighbours = (torch.cat(parts) for parts in zip(*answers, strict=True))
    labels = torch.cat([bank.labels for bank in banks])[neighbours]
    ballots = torch.zeros(len(prototypes), num_classes, dtype=torch.long, device=labels.device)
    ballots.scatter_add_(1, labels, torch.ones_like(labels))
    return Retrieval(ballots.argmax(1), ballots.to(prototypes.dtype) / k, neighbours, similarities)


def _nearest(banks: Sequence[RetrievalBank], queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Similarities and entries (S, k) of each query's nearest, most similar first; of equals, the earlier entry."""
    best = queries.new_full((len(queries), k), -torch.inf)
    entries = torch.full((len(queries), k), -1, dtype=torch.long, device=queries.device)
    first = 0
    for bank in banks:
        for chunk in torch.split(bank.prototypes, max(1, _BATCH_ELEMENTS // max(1, len(queries)))):
            similarity = queries @ chunk.T
            # Later in a large bank hardly any query finds something better: only those that do are looked at.
            rows = (similarity.amax(1) > best[:, -1]).nonzero()[:, 0]
            similarity = similarity[rows]
            found = _first_highest(similarity, min(k, len(chunk)))
            values = torch.cat([best[rows], similarity.gather(1, found)], 1)
            values, order = values.sort(dim=1, descending=True, stable=True)
            best[rows] = values[:, :k]
            entries[rows] = torch.cat([entries[rows], found + first], 1).gather(1, order[:, :k])
            first += len(chunk)
    return best, entries


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
