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
    json: Json = False,
) -> None:
    """Find moved or renamed pictures and films again, by their content. Marks stay with them."""
    from spml_core.project import Project

    with Project.open(project) as opened:
        pictures, films = opened.missing()
        opened.relink(folder)
        lost = {record for records in opened.missing() for record in records}
        found = {
            "pictures": {r.name: str(opened.record(r.id).path) for r in pictures if r not in lost},
            "films": {film.name: str(opened.film(film.name).path) for film in films if film not in lost},
        }
    missing = [record.name for record in (*pictures, *films) if record in lost]
    names = [name for kind in found.values() for name in kind]
    if missing and not names:
        raise ProjectError(
            f"{folder} holds none of the {len(missing)} missing: {_some(missing)}.",
            "Give the folder that holds them now; files whose content was changed can't be told.",
        )
    lines = [f"Found {len(names)}: {_some(names)}." if names else "Nothing was missing."]
    if missing:
        lines.append(f"Still missing {len(missing)}: {_some(missing)}.")
    Output(json).summary("\n".join(lines), project=str(project), **found, missing=missing)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + " ..." * (len(names) > _SHOWN)
