"""Which pictures a model is to label: the project's, those of a folder, or the frames of a film."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spml_core.errors import PictureError, ProjectError
from spml_core.films import Film, is_film, open_film
from spml_core.images import Picture, left_out, list_pictures
from spml_core.project import FilmRecord, PictureRecord, Project
from spml_core.project.checking import note_lines
from spml_core.project.frame_picture import FramePicture


@dataclass(frozen=True)
class Wanted:
    """Pictures to label, opened one by one.

    Attributes
    ----------
    names : sequence of str
        Names of their predictions.
    pictures : iterator of (str, Picture)
        Each with the name of its prediction.
    warnings : tuple of str
        What of a folder was left out, and what of pictures isn't shown.
    """

    names: Sequence[str]
    pictures: Iterator[tuple[str, Picture]]
    warnings: tuple[str, ...] = ()


def pictures_to_predict(project: Project, images: Path | None, film: FilmRecord | None) -> Wanted:
    """What a call of :func:`spml_core.engine.predict_project.predict_project` asks for.

    Parameters
    ----------
    project : Project
    images : Path, optional
        Folder with pictures, or a film.
    film : FilmRecord, optional
        One of the project's films.

    Raises
    ------
    SpmlError
        If there is no such folder or film, or the project has no picture.
    """
    if film is not None:
        project.check_film(film)
        return _frames(project.open_film(film), film.name)
    if images is not None and is_film(images):
        other = open_film(images)
        return _frames(other, images.stem, other.warnings)
    if images is not None:
        paths = list_pictures(images)
        warnings = (*left_out(images, paths), *note_lines(_noted(paths)))
        pictures = ((path.stem, Picture(path)) for path in paths)
        return Wanted([path.stem for path in paths], pictures, warnings)
    frames = [record for record in project.marked_pictures() if record.film is not None]
    records = [*project.pictures, *frames]
    if not records:
        raise ProjectError(
            f"{project.path} holds only films, and no frame is marked.",
            "Name a film, or run spml propagate for it.",
        )
    return Wanted(
        [record.name for record in records],
        ((record.name, project.open_picture(record)) for record in records),
    )


def _noted(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    for path in paths:
        with contextlib.suppress(PictureError):  # labelling it will say what is wrong with it
            yield from ((path, note) for note in Picture(path).notes)


def _frames(film: Film, name: str, warnings: tuple[str, ...] = ()) -> Wanted:
    stems = [film.stem(index) or f"{name}_{index:06d}" for index in range(film.count)]

    def pictures() -> Iterator[tuple[str, Picture]]:
        for index, stem in enumerate(stems):
            record = PictureRecord(0, stem, film.path or Path(name), "", *film.size)
            yield stem, FramePicture(record, partial(film.frame, index))

    return Wanted(stems, pictures(), warnings)
