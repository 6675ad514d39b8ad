"""Which pictures a project trains on. Needs no torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spml_core.errors import ProjectError
from spml_core.project import FilmRecord, PictureRecord, Project
from spml_core.project.pictures import FIND_MOVED, is_original
from spml_core.wording import counted

FRAMES_OF_A_FILM = 20
"""Unmarked frames of each film that take part, at the most.

Unmarked pictures show training what else there is: they shape the embedding and get labels from it. Neighbouring frames
show nearly the same, so evenly spaced ones tell as much as all, and a film of an hour weighs no more than a few
pictures and needn't be read from end to end.
"""


def training_pictures(project: Project) -> tuple[PictureRecord, ...]:
    """Pictures to train on: the stills, the frames that were ever marked, and evenly spaced frames of each film.

    Frames whose marks were all taken away stay: a training that goes on must find the pictures again that it began
    with.

    Parameters
    ----------
    project : Project

    Returns
    -------
    tuple of PictureRecord
        Stills by name, then frames by film and index; each once.

    Raises
    ------
    ProjectError
        If a sequence was moved, so that its frames' names can't be known.
    """
    frames = {record.id: record for record in project.frames}
    for film in project.films:
        for index in spaced_frames(film):
            record = project.frame(film, index)
            frames[record.id] = record
    # Ids are negative and fall as the film's and the frame's numbers grow.
    return (*project.pictures, *(frames[number] for number in sorted(frames, reverse=True)))


def spaced_frames(film: FilmRecord) -> tuple[int, ...]:
    """Indices of a film's evenly spaced frames, the first and the last among them; all of a short film."""
    count = min(FRAMES_OF_A_FILM, film.count)
    if count == 1:
        return (0,)
    return tuple(round(i * (film.count - 1) / (count - 1)) for i in range(count))


def without_replaced(
    records: Sequence[PictureRecord], marked: Collection[int]
) -> tuple[tuple[PictureRecord, ...], tuple[str, ...]]:
    """Leave out marked stills whose file isn't the one that was marked.

    Only what is marked is read: nothing is learned about the pixels of the others.

    Returns
    -------
    records : tuple of PictureRecord
        The rest.
    names : tuple of str
        Of those that were left out.
    """
    replaced = {
        record.id
        for record in records
        if record.id in marked and record.frame is None and record.path.is_file() and not is_original(record)
    }
    return (
        tuple(record for record in records if record.id not in replaced),
        tuple(record.name for record in records if record.id in replaced),
    )


def what_was_replaced(names: Sequence[str]) -> str:
    """A warning that names the replaced pictures; empty if there are none."""
    if not names:
        return ""
    shown = ", ".join(names[:3]) + " ..." * (len(names) > 3)
    one = len(names) == 1
    return (
        f"The file{'' if one else 's'} of {counted(len(names), 'marked picture')} ({shown})"
        f" {'is' if one else 'are'} no longer what was marked, and left out. Put the original{'' if one else 's'} back,"
        " or run spml relink PROJECT DIR (--accept takes them as they are now)."
    )


def check_there(project: Project) -> None:
    """See that every picture and every film is where it was, and every film the same.

    Raises
    ------
    ProjectError
        If one isn't; it says how many are missing.
    """
    pictures = [record for record in project.pictures if not record.path.is_file()]
    films = [film for film in project.films if not film.path.exists()]
    for what, missing in (("picture", pictures), ("film", films)):
        if missing:
            others = f" and {len(missing) - 1} others aren't" if missing[1:] else " isn't"
            raise ProjectError(
                f"The {what} {missing[0].name!r}{others} where it was: there is no {missing[0].path}.",
                FIND_MOVED,
            )
    for film in project.films:
        project.check_film(film)
