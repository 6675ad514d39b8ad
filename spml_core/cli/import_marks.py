"""``spml import``: marks from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output


@guarded
def import_marks(
    project: ProjectPath,
    scribbles: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Index PNGs named as their pictures; 255 is not annotated.",
            show_default=False,
        ),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV with image,x,y,class.", show_default=False)
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Index PNGs named as their pictures; 255 is void.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add marks to a project: all of them, or none if a file is wrong."""
    from spml_core.engine import imports
    from spml_core.project import Project

    if scribbles is None and points is None and masks is None:
        raise typer.BadParameter("give at least one of --scribbles DIR, --points FILE and --masks DIR")
    with Project.open(project) as opened:
        done = imports.import_marks(opened, scribbles=scribbles, points=points, masks=masks)
    listed = ", ".join(f"{count} {kind}" for kind, count in done.marks.items())
    Output(json).summary(
        f"Imported {listed} on {done.pictures} pictures.", pictures=done.pictures, marks=done.marks
    )
