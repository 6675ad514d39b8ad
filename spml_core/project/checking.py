"""Pictures and films read once before a project takes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from spml_core.images import FrameNames
from spml_core.project.choosing import Chosen
from spml_core.project.films import CheckedFilm, check_film
from spml_core.project.pictures import CheckedPicture, Progress, check_pictures


@dataclass(frozen=True)
class Checked:
    """What was read without complaint."""

    pictures: list[CheckedPicture]
    films: list[CheckedFilm]
    root: Path | None = None
    left_out: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know: what of a folder was left out, what of pictures isn't shown, what films lack."""
        noted = [(picture.path, note) for picture in self.pictures for note in picture.notes]
        films = (warning for film in self.films for warning in film.warnings)
        return (*self.left_out, *note_lines(noted), *films)

    @property
    def stems(self) -> list[str]:
        """Names of the pictures."""
        return [picture.path.stem for picture in self.pictures]

    @property
    def frame_names(self) -> list[FrameNames]:
        """Names of the films and their frames."""
        return [film.frame_names for film in self.films]


def check(chosen: Chosen, progress: Progress | None = None) -> Checked:
    """Decode every picture and open every film; ``progress`` is called after each.

    Raises
    ------
    PictureError, FilmError
        On the first that can't be read.
    """
    total = len(chosen.pictures) + len(chosen.films)
    done = count(1)

    def step() -> None:
        if progress is not None:
            progress(next(done), total)

    pictures = check_pictures(chosen.pictures, step)
    films = []
    for path in chosen.films:
        films.append(check_film(path))
        step()
    return Checked(pictures, films, chosen.root, chosen.warnings)


def note_lines(noted: Iterable[tuple[Path, str]]) -> tuple[str, ...]:
    """Say of pictures what isn't shown of them, each thing once for all of whom it is true."""
    by_note: dict[str, list[Path]] = {}
    for path, note in noted:
        by_note.setdefault(note, []).append(path)
    lines = []
    for note, paths in by_note.items():
        others = len(paths) - 1
        more = f" and {others} other picture{'s' * (others > 1)}: each" if others else ""
        lines.append(f"{paths[0]}{more} {note}.")
    return tuple(lines)
