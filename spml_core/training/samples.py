"""The feature cache: sampled cells of every picture, read once, learned from many times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.classes import IGNORE
from spml_core.labeling.colors import ColorBins
from spml_core.models import SegmentationNetwork, Window, rgb_tensor
from spml_core.segments import build_hierarchy, edge_strength
from spml_core.training.hints import GridHints
from spml_core.training.training_set import TrainingPicture

_WINDOWS_PER_PICTURE = 12  # windows of a very large picture that are looked at, those with marks first


@dataclass(frozen=True)
class PictureSample:
    """Sampled cells of one picture.

    Attributes
    ----------
    features : Tensor, (n, C) float16
    positions : Tensor, (n, 2) int64
        Row and column on the feature grid.
    grid : tuple of int
        Rows and columns of that grid.
    labels : Tensor, (n,) int64
        Codes of METHODS.md 0.2.
    levels : Tensor, (n, L) int64
        Region of each cut of the over-segmentation, coarse to fine.
    colors : ndarray, (n,) int32
        Colour cell of the pixel in the middle (:class:`ColorBins`).
    drawn : Tensor, (n,) bool
        Whether a cell is part of the fair draw over the picture, not taken for its mark.
    tags : Tensor, (K,) bool
    marked : Tensor, (n,) bool
        Whether a person gave the label; others may get one from the model.
    guesses : Tensor, (n,) int64
        The labels, and first guesses of coarse marks where there is none (:class:`GridHints`).
    allowed : Tensor, (n, K) bool, or None
        Classes that coarse marks leave possible; None if they rule out nothing.
    whole : bool
        Whether nothing was left out because it was late.
    """

    features: Tensor
    positions: Tensor
    grid: tuple[int, int]
    labels: Tensor
    levels: Tensor
    colors: NDArray[np.int32]
    drawn: Tensor
    tags: Tensor
    marked: Tensor
    guesses: Tensor
    allowed: Tensor | None = None
    whole: bool = True

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def regions(self) -> Tensor:
        """Regions for the relations, (n,): the middle cut."""
        return self.levels[:, (self.levels.shape[1] - 1) // 2]


def sample_picture(
    network: SegmentationNetwork,
    picture: TrainingPicture,
    *,
    draw: int,
    per_class: int,
    regions: tuple[int, ...],
    rng: np.random.Generator,
    beat: Callable[[], object] = lambda: None,
    late: Callable[[], bool] = lambda: False,
) -> PictureSample:
    """Compute a picture's features and keep some cells of them.

    Parameters
    ----------
    network : SegmentationNetwork
    picture : TrainingPicture
    draw : int
        Cells drawn fairly over the picture, fewer if it is small.
    per_class : int
        Marked cells kept of each class.
    regions : tuple of int
        Cuts of the over-segmentation of each window.
    rng : Generator
    beat : callable
        Called now and then while it lasts.
    late : callable
        Once it says yes, windows after the first are left out unless they show a class that none before did.
    """
    rgb = picture.rgb()
    num_classes = network.num_classes
    height, width = rgb.shape[:2]
    stride = network.pyramid.stride
    grid = network.pyramid.grid(height, width)
    painted = (
        np.full(grid, num_classes, np.int64)
        if picture.labels is None
        else cell_labels(picture.labels(), stride, num_classes)
    )
    hints = GridHints.of(painted, picture.coarse, (height, width), num_classes)
    labels = hints.labels
    bins = ColorBins.of(rgb)
    windows = _chosen(network.pyramid.windows(height, width), labels < num_classes, stride, rng)
    features, positions, codes, levels, colors, drawn = [], [], [], [], [], []
    seen: set[int] = set()
    whole = True
    for number, window in enumerate(windows):
        part = rgb[window.slices]
        rows, columns = (slice(-(-s.start // stride), -(-s.stop // stride)) for s in window.slices)
        code = labels[rows, columns]
        told = set(np.unique(hints.guesses[rows, columns]).tolist())
        if number and told & set(range(num_classes)) <= seen and late():
            whole = False
            continue
        seen |= told
        flat, fair = _choose_cells(code.reshape(-1), draw // len(windows), per_class, num_classes, rng)
        y, x = np.divmod(flat, code.shape[1])
        beat()
        features.append(window_features(network, rgb, window)[y, x].half().cpu())
        beat()
        positions.append(np.stack([y + rows.start, x + columns.start], axis=1))
        codes.append(code[y, x])
        middle = (
            np.minimum(y * stride + stride // 2, part.shape[0] - 1),
            np.minimum(x * stride + stride // 2, part.shape[1] - 1),
        )
        hierarchy = build_hierarchy(edge_strength(part))
        # Windows have no region in common, whatever their numbers.
        levels.append(np.stack([hierarchy.cut(r)[middle] + number * r for r in regions], axis=1))
        colors.append(bins.assign(part)[middle])
        drawn.append(fair)
    known = torch.from_numpy(np.concatenate(codes))
    places = np.concatenate(positions)
    allowed = hints.allowed(places)
    return PictureSample(
        torch.cat(features),
        torch.from_numpy(places),
        grid,
        known,
        torch.from_numpy(np.concatenate(levels).astype(np.int64)),
        np.concatenate(colors),
        torch.from_numpy(np.concatenate(drawn)),
        torch.from_numpy(picture.tags.copy()),
        known < num_classes,
        torch.from_numpy(hints.guesses[tuple(places.T)]),
        None if allowed is None else torch.from_numpy(allowed),
        whole,
    )


@torch.inference_mode()
def window_features(network: SegmentationNetwork, rgb: NDArray[np.uint8], window: Window) -> Tensor:
    """Features (h, w, C) of the core of a window of a picture (H, W, 3)."""
    stride = network.pyramid.stride
    top, left, height, width = window.outer
    pixels = rgb_tensor(rgb[top : top + height, left : left + width]).to(network.mean.device)
    rows, columns = (slice(s.start // stride, -(-s.stop // stride)) for s in window.inside)
    return network.features(pixels)[0, :, rows, columns].permute(1, 2, 0)


def cell_labels(labels: NDArray[np.uint8], stride: int, num_classes: int) -> NDArray[np.int64]:
    """Label of each grid cell: the class most of its marked pixels have, ties to the lower.

    A cell without a marked pixel is IGNORE if all its pixels are, else UNLABELED.

    Parameters
    ----------
    labels : ndarray, (H, W) uint8
        Codes of METHODS.md 0.2.
    stride : int
    num_classes : int

    Returns
    -------
    ndarray, (ceil(H / stride), ceil(W / stride)) int64
    """
    height, width = labels.shape
    rows, columns = -(-height // stride), -(-width // stride)
    y, x = np.nonzero(labels < num_classes)
    cell = (y // stride) * columns + x // stride
    counts = np.bincount(cell * num_classes + labels[y, x], minlength=rows * columns * num_classes)
    best = counts.reshape(-1, num_classes)
    cells = np.where(best.any(1), best.argmax(1), num_classes)
    padded = np.pad(
        labels, ((0, rows * stride - height), (0, columns * stride - width)), constant_values=IGNORE
    )
    ignored = (padded == IGNORE).reshape(rows, stride, columns, stride).all(axis=(1, 3))
    result: NDArray[np.int64] = np.where(ignored, IGNORE, cells.reshape(rows, columns)).astype(np.int64)
    return result


def _chosen(
    windows: list[Window], marked: NDArray[np.bool_], stride: int, rng: np.random.Generator
) -> list[Window]:
    if len(windows) <= _WINDOWS_PER_PICTURE:
        return windows
    counts = np.array(
        [
            marked[w.slices[0].start // stride : w.slices[0].stop // stride,
                   w.slices[1].start // stride : w.slices[1].stop // stride].sum()
            for w in windows
        ]
    )  # fmt: skip
    # Windows with marks come first, the rest by lot.
    order = np.lexsort((rng.random(len(windows)), -counts))
    return [windows[i] for i in sorted(order[:_WINDOWS_PER_PICTURE])]


def _choose_cells(
    codes: NDArray[np.int64], draw: int, per_class: int, num_classes: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Cells to keep, in order, and which of them belong to the fair draw."""
    valid = np.nonzero(codes != IGNORE)[0]
    if not len(valid):
        valid = np.arange(1)  # where all is void: a cell that takes part in nothing
    fair = rng.permutation(valid)[: max(draw, 1)]
    marked = [rng.permutation(np.nonzero(codes == c)[0])[:per_class] for c in range(num_classes)]
    kept = np.unique(np.concatenate([fair, *marked]))
    return kept, np.isin(kept, fair)
