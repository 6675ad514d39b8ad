"""``spml add``: more pictures and films for a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar
from spml_core.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spml_core.project import FilmRecord


@guarded
def add(
    project: ProjectPath,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Pictures, films, or folders of them; they stay there.",
            show_default=False,
        ),
    ],
    film: Annotated[
        bool, typer.Option("--film", help="Take each path as a film; a folder's pictures are its frames.")
    ] = False,
    json: Json = False,
) -> None:
    """Add pictures and films that a project doesn't have yet: all of them, or none if one is wrong."""
    from spml_core.project import Project
    from spml_core.project.choosing import choose

    pictures: list[Path] = []
    films: list[Path] = list(paths) if film else []
    left_out: list[str] = []
    for path in () if film else paths:
        found = choose(path if path.is_dir() else [path])
        pictures += found.pictures
        films += found.films
        left_out += found.warnings
    with ProgressBar() as bar, Project.open(project) as opened:
        new_pictures, new_films = opened.add(
            pictures, films, lambda done, total: bar.update("Reading pictures", done, total)
        )
        warnings = tuple(dict.fromkeys([*left_out, *opened.warnings]))
    tell_warnings(warnings)
    Output(json).summary(
        f"Added {what_came(len(new_pictures), new_films)} to {project}.",
        project=str(project),
        pictures=[record.name for record in new_pictures],
        films=[record.name for record in new_films],
        **as_values(warnings),
    )


def what_came(pictures: int, films: Iterable[FilmRecord]) -> str:
    """Pictures and films in words: ``2 pictures and the film walk (120 frames)``."""
    words = [f"{film.name} ({counted(film.count, 'frame')})" for film in films]
    parts = [counted(pictures, "picture")] * (pictures > 0 or not words)
    if words:
        parts.append(f"the film{'s' * (len(words) > 1)} {', '.join(words)}")
    return " and ".join(parts)


def tell_warnings(warnings: Iterable[str]) -> None:
    """Print what should be known of what was taken or left out, a line each."""
    for warning in warnings:
        typer.echo(f"spml: {warning}", err=True)


def as_values(warnings: Iterable[str]) -> dict[str, list[str]]:
    """Warnings as a value of the summary, if there are any."""
    return {"warnings": list(warnings)} if warnings else {}
