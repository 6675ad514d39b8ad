"""Marks that name no pixels: what is left of a picture's marks once scribbles, points and masks are painted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spml_core.annotations.marks import Box, KeyPoint, Mark, Tag


@dataclass(frozen=True)
class CoarseMarks:
    """Boxes, key points and tags of one picture; seeds make pixels of them (METHODS.md 1.10).

    Attributes
    ----------
    boxes : tuple of Box
        If there are any, what lies outside all of them is background (class 0), unless it is marked otherwise.
    key_points : tuple of KeyPoint
    tags : tuple of int
        Tagged classes in ascending order.
    complete : bool
        Whether the tags name every class that is in the picture, background (class 0) aside.
    """

    boxes: tuple[Box, ...] = ()
    key_points: tuple[KeyPoint, ...] = ()
    tags: tuple[int, ...] = ()
    complete: bool = False

    @classmethod
    def of(cls, marks: Iterable[Mark]) -> CoarseMarks:
        """The coarse ones among a picture's marks. A list of tags is complete if each of them says so.

        Boxes and key points of the background are left out: only objects have them, and an object whose class was
        merged into the background is one no longer.
        """
        known = tuple(marks)
        tags = [mark for mark in known if isinstance(mark, Tag)]
        return cls(
            tuple(mark for mark in known if isinstance(mark, Box) and mark.class_index),
            tuple(mark for mark in known if isinstance(mark, KeyPoint) and mark.class_index),
            tuple(sorted({tag.class_index for tag in tags})),
            bool(tags) and all(tag.complete for tag in tags),
        )

    def __bool__(self) -> bool:
        return bool(self.boxes or self.key_points or self.tags)
