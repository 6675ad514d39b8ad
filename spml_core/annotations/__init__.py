"""Marks that a person makes, their exact JSON form, and the weak label maps painted from them."""

from spml_core.annotations.coarse import CoarseMarks
from spml_core.annotations.codec import FORMAT_VERSION, mark_from_json, mark_to_json
from spml_core.annotations.marks import (
    ACCEPTANCES,
    UNTOUCHED,
    Acceptance,
    Box,
    Erasure,
    KeyPoint,
    Mark,
    Patch,
    Point,
    Scribble,
    Tag,
    classes_of,
    with_classes,
)
from spml_core.annotations.rasterize import rasterize, tag_vector

__all__ = [
    "ACCEPTANCES",
    "FORMAT_VERSION",
    "UNTOUCHED",
    "Acceptance",
    "Box",
    "CoarseMarks",
    "Erasure",
    "KeyPoint",
    "Mark",
    "Patch",
    "Point",
    "Scribble",
    "Tag",
    "classes_of",
    "mark_from_json",
    "mark_to_json",
    "rasterize",
    "tag_vector",
    "with_classes",
]
