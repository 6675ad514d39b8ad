"""One label map from all that is known of a picture: painted labels, boxes, key points, tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import CoarseMarks
from spml_core.errors import MarkError
from spml_core.seeds.activation import check_finite, normalise_psa
from spml_core.seeds.box_seeds import box_seeds
from spml_core.seeds.checks import check_maps
from spml_core.seeds.grid import Real, to_picture
from spml_core.seeds.key_point_seeds import key_point_seeds
from spml_core.seeds.tag_seeds import tag_seeds


def combine_seeds(
    painted: NDArray[np.uint8],
    coarse: CoarseMarks,
    activation: NDArray[Real] | None,
    num_classes: int,
    *,
    alpha: float = 6.0,
    tag_threshold: float = 0.2,
    box_threshold: float = 0.5,
) -> NDArray[np.uint8]:
    """Label map of a picture from its painted labels and the seeds of its coarse marks.

    The more closely a kind of mark says where a class is, the more it counts:

    1. painted labels, whose every pixel a person saw;
    2. the classes of box seeds: a box bounds its object;
    3. the classes of key point seeds: a point names one place, how far the part reaches is guessed;
    4. the classes of tag seeds, for tags without a box or key point of their class, as those tell where all
       of it is. The place is a guess of the classifier's alone.

    The background is what all kinds that are there agree on: one that saw nothing somewhere doesn't
    outweigh one that saw something or can't tell. Tags that don't name every class can't tell the
    background from the classes they leave out, so they agree nowhere.

    Parameters
    ----------
    painted : ndarray (H, W), uint8
        Codes of METHODS.md 0.2; what is K (UNLABELED) may get a seed.
    coarse : CoarseMarks
    activation : ndarray (K-1, h, w) or None
        Class activation maps, not negative where they count, of any scale; resized bilinearly to the picture
        if their proportions are the picture's. Boxes and tags need them.
    num_classes : int
        K.
    alpha, tag_threshold : float
        Of :func:`tag_seeds`.
    box_threshold : float
        Of :func:`box_seeds`.

    Returns
    -------
    ndarray (H, W), uint8
        A class 0..K-1, K (UNLABELED) or 255 (IGNORE, where painted so).

    Raises
    ------
    MarkError
        If there are boxes or tags without activation maps, the maps' proportions or number are wrong, or a
        coarse mark's class is none of the K or, but for a tag, the background.
    """
    shape: tuple[int, int] = painted.shape[0], painted.shape[1]
    kinds: list[NDArray[np.uint8]] = []
    if coarse.boxes or coarse.tags:
        if activation is None:
            raise MarkError(
                f"{len(coarse.boxes)} boxes and {len(coarse.tags)} tags came without activation maps.",
                "Compute them with a tag classifier, or import published ones.",
            )
        check_maps(activation, num_classes)
        check_finite(activation)
        maps = to_picture(activation, shape)
        if coarse.boxes:
            kinds.append(box_seeds(maps, coarse.boxes, shape, num_classes, box_threshold))
    if coarse.key_points:
        kinds.append(key_point_seeds(coarse.key_points, shape, num_classes))
    if coarse.tags:
        kinds.append(_from_tags(maps, coarse, num_classes, alpha, tag_threshold))
    labels = _merged(kinds, shape, num_classes)
    labels[painted != num_classes] = painted[painted != num_classes]
    return labels


def _from_tags(
    maps: NDArray[Real], coarse: CoarseMarks, num_classes: int, alpha: float, threshold: float
) -> NDArray[np.uint8]:
    """Tag seeds without classes that boxes or key points place, or a background that the tags can't vouch for."""
    placed = [b.class_index for b in coarse.boxes] + [p.class_index for p in coarse.key_points]
    present = np.zeros(num_classes, bool)
    for tag in coarse.tags:
        if not 0 <= tag < num_classes:
            raise MarkError(
                f"A tag has class index {tag}; there are {num_classes} classes.", "Add the class."
            )
        present[tag] = True
    tagged = np.where(present[1:, None, None], maps, 0).astype(maps.dtype)
    seeds = tag_seeds(normalise_psa(tagged), present, alpha, threshold)
    seeds[np.isin(seeds, placed)] = num_classes
    if not coarse.complete:
        seeds[seeds == 0] = num_classes
    return seeds


def _merged(
    kinds: Sequence[NDArray[np.uint8]], shape: tuple[int, int], num_classes: int
) -> NDArray[np.uint8]:
    """Classes of the first kind that has one there; background where all kinds see it."""
    labels = np.full(shape, num_classes, np.uint8)
    if kinds:
        labels[np.logical_and.reduce([seeds == 0 for seeds in kinds])] = 0
    for seeds in reversed(kinds):
        classes = (seeds > 0) & (seeds < num_classes)
        labels[classes] = seeds[classes]
    return labels
