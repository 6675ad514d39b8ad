"""``spml new``: a project from a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar


@guarded
def new(
    project: ProjectPath,
    images: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the pictures; they stay there.", show_default=False)
    ],
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
    """Make a project from a folder of pictures."""
    from spml_core.classes import ClassTable
    from spml_core.io import read_classes
    from spml_core.project import Project

    if (classes is None) == (not names):
        raise typer.BadParameter("give either --classes FILE or --class NAME for each class")
    table = read_classes(classes) if classes is not None else ClassTable.from_names(names or [])
    with (
        ProgressBar() as bar,
        Project.create(
            project, images, table, lambda done, total: bar.update("Reading pictures", done, total)
        ) as made,
    ):
        count = len(made.pictures)
    Output(json).summary(
        f"Made {project} with {count} pictures and the classes {', '.join(table.names)}.",
        project=str(project),
        pictures=count,
        classes=list(table.names),
    )
