"""What a command says on stdout: sentences for people, or one JSON object a line for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer


class Output:
    """Stdout of a command.

    Parameters
    ----------
    as_json : bool
        Whether to print JSON; else only what ``say`` is given.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def event(self, values: Mapping[str, Any]) -> None:
        """Print an event, with its name under ``"event"``, if JSON is wanted."""
        if self.as_json:
            typer.echo(_line(values))

    def summary(self, text: str, **values: Any) -> None:
        """Print the end of a command: the text for people, or the values as a last line of JSON."""
        typer.echo(_line({"event": "summary", **values}) if self.as_json else text)


def _line(values: Mapping[str, Any]) -> str:
    # It brings numpy along, which has to be loaded after spml_core.cores.share_cores was called.
    from spml_core.io import json_line

    return json_line(values)
