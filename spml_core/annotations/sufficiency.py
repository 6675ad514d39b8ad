"""Whether marks are enough to learn from: the one rule that training, command line and window share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from spml_core.annotations.coarse import CoarseMarks
from spml_core.annotations.marks import Mark
from spml_core.annotations.rasterize import rasterize

BACKGROUND = 0
"""The class outside all boxes, far from all key points, and wherever no tagged class is seen (METHODS.md 1.10)."""


def told_classes(marks: Sequence[Mark], shape: tuple[int, int], num_classes: int) -> frozenset[int]:
    """Classes for which the marks of one picture tell a place.

    Tags name none, and of what was painted only what is left under later marks and erasures counts.

    Parameters
    ----------
    marks : sequence of Mark
        In the order they were made.
    shape : tuple of int
        Height and width of the picture.
    num_classes : int
        K.
    """
    coarse = CoarseMarks.of(marks)
    there = np.bincount(rasterize(marks, shape, num_classes).ravel(), minlength=256)[:num_classes]
    return known_classes(map(int, np.flatnonzero(there)), [CoarseMarks(coarse.boxes, coarse.key_points)])


def known_classes(painted: Iterable[int], coarse: Iterable[CoarseMarks]) -> frozenset[int]:
    """Classes for which marks can tell at least one pixel.

    * Painted classes: scribbles, points, patches.
    * Classes of boxes and key points. Both bring background with them: it is what lies outside, or far away.
    * Tagged classes that can be told apart: some picture is tagged with the class, and the complete list of
      another leaves it out. A class that every picture holds can't be found by tags. Those that can be found
      bring background with them, too.

    Parameters
    ----------
    painted : iterable of int
        Classes painted in any picture.
    coarse : iterable of CoarseMarks
        Of each picture.

    Returns
    -------
    frozenset of int
    """
    known = set(painted)
    tagged: set[int] = set()
    complete_lists: set[frozenset[int]] = set()
    for marks in coarse:
        regions = {box.class_index for box in marks.boxes}
        regions |= {point.class_index for point in marks.key_points}
        if regions:
            known |= regions | {BACKGROUND}
        held = regions | set(marks.tags)
        tagged |= set(marks.tags)
        if marks.complete:
            complete_lists.add(frozenset(held))
    told_apart = {
        index
        for index in tagged - {BACKGROUND}
        if any(index not in its_classes for its_classes in complete_lists)
    }
    if told_apart:
        known |= told_apart | {BACKGROUND}
    return frozenset(known)


def enough_to_learn(painted: Iterable[int], coarse: Iterable[CoarseMarks]) -> bool:
    """Whether at least two classes are known; parameters as of :func:`known_classes`."""
    return len(known_classes(painted, coarse)) >= 2


def what_is_lacking(
    painted: Iterable[int], coarse: Iterable[CoarseMarks], class_names: Sequence[str]
) -> tuple[str, str]:
    """Say why marks aren't enough to learn from.

    Parameters
    ----------
    painted, coarse
        As of :func:`known_classes`.
    class_names : sequence of str

    Returns
    -------
    tuple of str
        What is wrong and what to do; both empty if nothing is.

    Examples
    --------
    >>> what_is_lacking([1], [], ["background", "leaf"])[0]
    'So far only “leaf” is marked.'
    """
    pictures = tuple(coarse)
    known = known_classes(painted, pictures)
    if len(known) >= 2:
        return "", ""
    tags = {index for marks in pictures for index in marks.tags}
    if tags and not known:
        named = ", ".join(f"“{class_names[index]}”" for index in sorted(tags))
        return (
            f"So far there are only tags of {named}, and no complete list of tags leaves any of them out.",
            "Tag a picture that lacks one of them, or draw a box or a scribble.",
        )
    remedy = (
        "Mark at least two classes with scribbles or points, draw a box around an object, or tag pictures"
        " that differ."
    )
    if not known:
        return "So far nothing is marked.", remedy
    return f"So far only “{class_names[next(iter(known))]}” is marked.", remedy
