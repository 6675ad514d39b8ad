"""``spml doctor``: whether everything is there that the program needs."""

from __future__ import annotations

from dataclasses import asdict

import typer

from spml_core.cli.failures import USER_ERROR, guarded
from spml_core.cli.options import Json
from spml_core.cli.output import Output


@guarded
def doctor(json: Json = False) -> None:
    """Check the installation; exit code 2 if something is wrong."""
    from spml_core.engine.doctor import examine

    checks = examine()
    problems = [check for check in checks if not check.ok]
    output = Output(json)
    lines = []
    for check in checks:
        output.event({"event": "check", **asdict(check)})
        lines.append(f"{'ok     ' if check.ok else 'PROBLEM'}  {check.name:<16}  {check.found}")
        if check.remedy:
            lines.append(f"{'':9}{'':16}  {check.remedy}")
    lines.append(
        "All is well." if not problems else f"{len(problems)} of {len(checks)} checks found a problem."
    )
    output.summary("\n".join(lines), checks=len(checks), problems=len(problems))
    if problems:
        raise typer.Exit(USER_ERROR)
