"""``spml relink``: pictures and films that were moved or renamed, found again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.errors import ProjectError

_SHOWN = 5


@guarded
def relink(
    project: ProjectPath,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder that holds them now, with its subfolders.", show_default=False
        ),
    ],
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Take pictures whose files were changed, and aren't in DIR as they were, as they are now.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Find moved, renamed or replaced pictures and films again, by their content. Marks stay with them."""
    from spml_core.project import Project

    with Project.open(project) as opened:
        gone, films = opened.missing()
        pictures = (*gone, *opened.replaced())
        opened.relink(folder)
        accepted = [record.name for record in opened.accept_replaced()] if accept else []
        lost_names = {record.name for record in (*opened.missing()[0], *opened.replaced())}
        lost = {record for record in pictures if record.name in lost_names} | {*opened.missing()[1]}
        found = {
            "pictures": {r.name: str(opened.record(r.id).path) for r in pictures if r not in lost},
            "films": {film.name: str(opened.film(film.name).path) for film in films if film not in lost},
        }
    missing = [record.name for record in (*pictures, *films) if record in lost]
    names = [name for kind in found.values() for name in kind]
    names = [name for name in names if name not in accepted]
    if missing and not names and not accepted:
        raise ProjectError(
            f"{folder} holds none of the {len(missing)} missing: {_some(missing)}.",
            "Give the folder that holds them now. Pictures that were changed on purpose are taken as they are with"
            " --accept.",
        )
    lines = [f"Found {len(names)}: {_some(names)}."] if names else []
    if accepted:
        lines.append(f"Taken as they are now {len(accepted)}: {_some(accepted)}.")
    if not (lines or missing):
        lines = ["Nothing was missing."]
    if missing:
        lines.append(f"Still missing {len(missing)}: {_some(missing)}.")
    Output(json).summary("\n".join(lines), project=str(project), **found, accepted=accepted, missing=missing)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + " ..." * (len(names) > _SHOWN)
