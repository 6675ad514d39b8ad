"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProjectPath = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="Folder of the project.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line, the last one a summary.")]
