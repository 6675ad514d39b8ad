"""Which of several files, or entries of a file, speaks of a picture: the one whose folders agree best (ADR 0016)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from spml_core.errors import MarkError
from spml_core.images import Match, PictureNames
from spml_core.io.imports.warnings import ImportWarnings

Key: TypeAlias = tuple[str, ...]
AreOne: TypeAlias = Callable[[Key, Key], bool]

_OTHERS = "Left out, as their folders name other pictures"
_KEEP = "Keep one of them, or say in which folder the picture lies."


@dataclass(frozen=True)
class Claim:
    """That a file, or an entry of one, speaks of a picture.

    Attributes
    ----------
    what : str
        The file or entry, for messages.
    match : Match
    """

    what: str
    match: Match


def settle(
    claims: Sequence[Claim | None],
    kind: str,
    names: PictureNames,
    warnings: ImportWarnings,
    are_one: AreOne,
) -> list[str | None]:
    """Name of the picture that each claim gets; None for those left out, of which the warnings are told.

    Parameters
    ----------
    claims : sequence of Claim or None
        None, which speaks of no picture, stays so.
    kind : str
        What they are, for errors: files, images.
    names : PictureNames
    warnings : ImportWarnings
    are_one : callable
        Whether two words of equally good folders may both speak of the picture, given those folders.

    Raises
    ------
    MarkError
        If the folders of several differ and none agrees with the picture's more than the others.
    """
    best: dict[str, Claim] = {}
    for claim in claims:
        if claim is not None and claim.match.fits:
            other = best.setdefault(claim.match.name, claim)
            if claim.match.agreement > other.match.agreement:
                best[claim.match.name] = claim
    found: list[str | None] = []
    for claim in claims:
        if claim is None:
            found.append(None)
            continue
        name = claim.match.name
        winner = best.get(name)
        if winner is None or not claim.match.fits:
            warnings.add(_OTHERS, f"{claim.what} isn't {names.place(name)!r}")
            found.append(None)
        elif are_one(claim.match.said.key, winner.match.said.key):
            found.append(name)
        elif claim.match.agreement < winner.match.agreement:
            warnings.add(_OTHERS, f"{claim.what} isn't {names.place(name)!r}, {winner.what} is")
            found.append(None)
        else:
            raise MarkError(
                f"Two {kind} belong to the picture {name!r}: {winner.what} and {claim.what}.", _KEEP
            )
    return found


def same_folders(these: Key, those: Key) -> bool:
    """Of two entries for pictures: a picture has one place."""
    return these == those


def nested_folders(these: Key, those: Key) -> bool:
    """Of two files of marks: one may lie in a folder beside the other."""
    least = min(len(these), len(those))
    return these == those or (least > 0 and these[:least] == those[:least])


def no_other_folders(these: Key, those: Key) -> bool:
    """Of two names in a table: one without a folder is short for the other."""
    return these == those or not (these and those)
