"""Where classes went when the table was edited."""

from __future__ import annotations

from spml_core.classes import ClassTable


def followed(before: ClassTable, after: ClassTable) -> dict[int, int]:
    """Find each class of a table in the table that one edit made of it.

    One edit renames a class, recolours it, moves it, adds one or takes one away; so a class is where its name is, or,
    if nobody has its name any more and as many classes are left, where it was: then it was renamed.

    Parameters
    ----------
    before, after : ClassTable

    Returns
    -------
    dict of int to int
        Old to new index; classes that are gone aren't in it.
    """
    new_index = {name: index for index, name in enumerate(after.names)}
    found = {old: new_index[name] for old, name in enumerate(before.names) if name in new_index}
    if len(after) == len(before):
        found |= {old: old for old in range(len(before)) if old not in found}
    return found


def background_of(classes: ClassTable) -> frozenset[int]:
    """The class called background, if there is one: an overlay over all the rest would hide the picture."""
    return frozenset(i for i, name in enumerate(classes.names) if name.strip().lower() == "background")
