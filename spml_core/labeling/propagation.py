"""Labels spread from segment to segment: over a whole training set by retrieval, or among a few pictures by affinity.

The bank remembers the labelled segments of all pictures at several sizes; a picture then asks it at several sizes, too
(METHODS.md 1.15). Borrowing from the nearest labelled segment of a picture is METHODS.md 1.11 and 1.14.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from spml_core.classes import IGNORE
from spml_core.errors import ConfigError
from spml_core.labeling.retrieval import RetrievalBank, query_banks
from spml_core.labeling.scoring import query_segments
from spml_core.relations import PicturePixels, borrowed_labels, segment_batch
from spml_core.segments import majority_labels, normalize, segment_prototypes, with_location

BANK_SCALES = (0.5, 1.0, 1.5)
QUERY_SCALES = (0.5, 1.0, 1.5, 2.0)
PART_CELLS = (24, 24)  # METHODS.md 1.14: k-means cells of the variant for body parts
_SHARD = 2**18  # segments of the bank that are kept together: 64 MB of 64 dimensions
_SQUEEZE = 0.1  # METHODS.md 1.11: place outweighs the embedding

Embed: TypeAlias = Callable[[float, bool], Tensor]
"""Embedding (D, h, w) of one picture at a scale, and mirrored or not; if mirrored, turned back. The grid is free: at
stride 4 clustering takes a sixteenth of the time."""


@dataclass(frozen=True)
class LabelledPicture:
    """A picture that goes into the bank.

    Attributes
    ----------
    number : int
    embed : callable
        See ``Embed``.
    labels : Tensor, (H, W) integer
        Label codes, of the picture's own size.
    """

    number: int
    embed: Embed
    labels: Tensor


@torch.no_grad()
def picture_bank(embedding: Tensor, labels: Tensor, num_classes: int, picture: int = 0) -> RetrievalBank:
    """Bank of one picture at one scale.

    Parameters
    ----------
    embedding : Tensor, (D, h, w)
    labels : Tensor, (H, W) integer
        Label codes, at any size: every one votes in the segment it lies in.
    num_classes : int
        K. Segments whose majority is 255, or K or more, are left out.
    picture : int
        Number of the picture.

    Returns
    -------
    RetrievalBank
        Prototypes without location; of equally frequent codes the smallest names the segment.

    Raises
    ------
    ConfigError
        If a map has the wrong number of axes or no pixel.
    """
    _check_map("embedding", embedding, 3)
    _check_map("label map", labels, 2)
    segments = query_segments(embedding)
    units = segment_prototypes(normalize(embedding.flatten(1).T), segments, int(segments.max()) + 1)
    (height, width), (rows, columns) = embedding.shape[1:], labels.shape
    y = torch.arange(rows, device=segments.device) * height // rows
    x = torch.arange(columns, device=segments.device) * width // columns
    voters = segments.reshape(height, width)[y][:, x]
    names = majority_labels(labels.to(voters.device).flatten(), voters.flatten(), len(units), num_classes)
    kept = (names >= 0).nonzero()[:, 0]
    return RetrievalBank(units[kept], names[kept], torch.full_like(kept, picture), kept, num_classes)


def build_banks(
    pictures: Iterable[LabelledPicture], num_classes: int, *, scales: Sequence[float] = BANK_SCALES
) -> Iterator[RetrievalBank]:
    """Bank of a whole training set, in parts of about 2^18 segments, for :func:`~.retrieval.query_banks`.

    Pictures may come from a generator: one at a time is in memory.

    Parameters
    ----------
    pictures : iterable of LabelledPicture
    num_classes : int
        K.
    scales : sequence of float
        Each picture is remembered at each of them, not mirrored.

    Yields
    ------
    RetrievalBank
        None of them empty.
    """
    pending: list[RetrievalBank] = []
    for picture in pictures:
        banks = (
            picture_bank(picture.embed(scale, False), picture.labels, num_classes, picture.number)
            for scale in scales
        )
        pending += [bank for bank in banks if len(bank)]
        if sum(map(len, pending)) >= _SHARD:
            yield RetrievalBank.join(pending)
            pending = []
    if pending:
        yield RetrievalBank.join(pending)


@torch.no_grad()
def neighbor_votes(
    embed: Embed,
    size: tuple[int, int],
    banks: Sequence[RetrievalBank],
    *,
    scales: Sequence[float] = QUERY_SCALES,
    flip: bool = True,
    k: int = 20,
) -> Tensor:
    """What the segments nearest to a picture's own vote for.

    Parameters
    ----------
    embed : callable
        See ``Embed``.
    size : (int, int)
        Height and width of the picture.
    banks : sequence of RetrievalBank
        See :func:`build_banks`. A picture that is in the bank is asked too.
    scales : sequence of float
    flip : bool
        Whether every scale is looked at mirrored, too.
    k : int
        Neighbours of each segment.

    Returns
    -------
    Tensor, (K, H, W)
        Share of the votes, resized bilinearly and averaged over the views; sum 1 over the classes.

    Raises
    ------
    ConfigError
        If there is no scale or no labelled segment, or the dimensions of embedding and banks differ.
    """
    if not scales:
        raise ConfigError("Label propagation got no scale to look at.", "Give one or more, for instance 1.")
    grids, segments, prototypes = [], [], []
    for scale in scales:
        for mirrored in (False, True)[: 1 + flip]:
            embedding = embed(scale, mirrored)
            _check_map("embedding", embedding, 3)
            own = query_segments(embedding)
            units = segment_prototypes(normalize(embedding.flatten(1).T), own, int(own.max()) + 1)
            grids.append((embedding.shape[1], embedding.shape[2]))
            segments.append(own)
            prototypes.append(units)
    # All views ask at once, since a large bank is slow to go through.
    found = query_banks(banks, torch.cat(prototypes), k).votes
    answers = torch.split(found, [len(units) for units in prototypes])
    views = (
        functional.interpolate(votes[own].T.reshape(1, -1, *grid), size=size, mode="bilinear")[0]
        for votes, own, grid in zip(answers, segments, grids, strict=True)
    )
    total = next(views)
    for view in views:
        total += view
    return total / len(segments)


def lift_present(votes: Tensor, present: Tensor, floor: float = 0.15) -> Tensor:
    """Votes (K, H, W) in which each class known to be there gets its own maximum to 1, or nearer to it.

    Parameters
    ----------
    votes : Tensor, (K, H, W)
        In 0..1.
    present : Tensor, (K,) bool
        Classes that the picture's annotation names. The others are left as they are.
    floor : float
        A class is divided by no less than this, above 0: faint ones aren't made sure ones.

    Returns
    -------
    Tensor, (K, H, W)
        In 0..1.

    Raises
    ------
    ConfigError
        If the lengths differ or the floor isn't above 0.
    """
    if votes.ndim != 3 or present.shape != votes.shape[:1] or not floor > 0:
        raise ConfigError(
            f"Votes of shape {tuple(votes.shape)} came with {tuple(present.shape)} present classes and a floor "
            f"of {floor}.",
            "Give (K, H, W), one yes or no per class, and a floor above 0.",
        )
    divisor = torch.where(present.to(votes.device), votes.amax((1, 2)).clamp_min(floor), 1.0)
    return votes / divisor[:, None, None]


@torch.no_grad()
def affinity_votes(
    pictures: Sequence[PicturePixels],
    num_classes: int,
    *,
    threshold: float = -1.0,
    across_images: bool = False,
) -> list[Tensor]:
    """Class of each pixel's segment, or of the labelled segment nearest to that.

    Segments are pure in label and region, and compared by vectors with location whose embedding is squeezed by 0.1.

    Parameters
    ----------
    pictures : sequence of PicturePixels
        One or more, of one embedding.
    num_classes : int
        K; labels of K..254 are unlabeled.
    threshold : float
        Least cosine similarity of the neighbour; at -1 any will do.
    across_images : bool
        Look in all pictures instead of the segment's own.

    Returns
    -------
    list of Tensor, (n, K)
        Of each picture's pixels: 1 for the class. All 0 where no labelled segment is near enough, and at IGNORE.

    Raises
    ------
    ConfigError
        If there is no picture.
    """
    segments = segment_batch(pictures, num_classes)
    squeezed = with_location(segments.pixels, segments.local, _SQUEEZE)
    borrowed = borrowed_labels(
        segment_prototypes(squeezed, segments.own, len(segments)),
        segments.labels,
        segments.images,
        num_classes,
        threshold=threshold,
        across_images=across_images,
    )
    # The last row, of a segment without a neighbour, is zero.
    rows = torch.eye(num_classes + 1, num_classes, dtype=squeezed.dtype, device=squeezed.device)
    found = rows[borrowed[segments.own]]
    valid = [picture.labels != IGNORE for picture in pictures]
    votes = []
    parts = torch.split(found, [int(mask.sum()) for mask in valid])
    for mask, part in zip(valid, parts, strict=True):
        votes.append(found.new_zeros(len(mask), num_classes))
        votes[-1][mask] = part
    return votes


def propagate_within(
    embedding: Tensor,
    labels: Tensor,
    num_classes: int,
    *,
    cells: tuple[int, int] = PART_CELLS,
    colors: Tensor | None = None,
    threshold: float = -1.0,
) -> Tensor:
    """Labels of one picture's segments spread to its unlabelled ones, see :func:`affinity_votes`.

    Parameters
    ----------
    embedding : Tensor, (D, h, w)
    labels : Tensor, (h, w) integer
        Label codes on the same grid.
    num_classes : int
        K.
    cells : (int, int)
        Of the grid that k-means starts from.
    colors : Tensor, (h * w, 3), optional
        Follow the location, see :func:`spml_core.segments.color_features`.
    threshold : float
        Least cosine similarity of the neighbour.

    Returns
    -------
    Tensor, (K, h, w)
        0 or 1; scores to walk from. Pixels of IGNORE are 0 and stay the caller's to restore.

    Raises
    ------
    ConfigError
        If the maps have the wrong number of axes, or not the same size.
    """
    _check_map("embedding", embedding, 3)
    _check_map("label map", labels, 2)
    height, width = labels.shape
    if embedding.shape[1:] != labels.shape:
        raise ConfigError(
            f"An embedding of shape {tuple(embedding.shape)} came with labels of {tuple(labels.shape)}.",
            "Bring both to one grid.",
        )
    device = embedding.device
    y, x = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    flat = labels.to(device).flatten()
    pixels = PicturePixels.at(
        embedding.flatten(1).T,
        torch.stack([y, x], -1).reshape(-1, 2),
        (height, width),
        flat,
        torch.zeros_like(flat),
        cells,
        colors,
    )
    return affinity_votes([pixels], num_classes, threshold=threshold)[0].T.reshape(-1, height, width)


def _check_map(what: str, values: Tensor, axes: int) -> None:
    if values.ndim != axes or 0 in values.shape:
        raise ConfigError(
            f"Label propagation got this shape of {what}: {tuple(values.shape)}.",
            f"Give {axes} axes, (D, h, w) for an embedding and (H, W) for labels, none of length 0.",
        )
