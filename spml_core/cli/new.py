"""``spml new``: a project from pictures and films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.add import as_values, tell_warnings, what_came
from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar


@guarded
def new(
    project: ProjectPath,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILM",
            help="Folder of the pictures and films, or a film; they stay there.",
            show_default=False,
        ),
    ] = None,
    film: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="A film: video, TIFF stack, zarr, or a folder whose pictures are its frames; repeat for each.",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='JSON: {"0": "background", "1": "cell"}.', show_default=False),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="A class; repeat for each.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Make a project from pictures and films."""
    from spml_core.classes import ClassTable
    from spml_core.io import read_classes
    from spml_core.project import Project

    if images is None and not film:
        raise typer.BadParameter("give --images DIR, or --film PATH for each film")
    if (classes is None) == (not names):
        raise typer.BadParameter("give either --classes FILE or --class NAME for each class")
    table = read_classes(classes) if classes is not None else ClassTable.from_names(names or [])
    with (
        ProgressBar() as bar,
        Project.create(
            project,
            () if images is None else images,
            table,
            lambda done, total: bar.update("Reading pictures", done, total),
            film or (),
        ) as made,
    ):
        count, films = len(made.pictures), made.films
        warnings = made.warnings
    tell_warnings(warnings)
    Output(json).summary(
        f"Made {project} with {what_came(count, films)} and the classes {', '.join(table.names)}.",
        project=str(project),
        pictures=count,
        films=[record.name for record in films],
        classes=list(table.names),
        **as_values(warnings),
    )
