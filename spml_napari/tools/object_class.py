"""Boxes and key points belong to objects: one of the background would say nothing."""

from __future__ import annotations

from spml_core.annotations.sufficiency import BACKGROUND
from spml_napari.session import Session


def is_object_class(session: Session, kind: str) -> bool:
    """Whether the current class can have a mark of this kind; if it can't, the user is told what to do."""
    if session.class_index != BACKGROUND:
        return True
    name = session.classes.names[BACKGROUND]
    session.report_text(
        "info",
        f"“{name}” is what lies around the objects, so it needs no {kind}: choose an object's class"
        " (keys 2 to 9), or use a scribble.",
    )
    return False
