"""``spml info``: what a project holds."""

from __future__ import annotations

from typing import Any

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.wording import counted


@guarded
def info(project: ProjectPath, json: Json = False) -> None:
    """Tell what a project holds."""
    from spml_core.engine.info import describe
    from spml_core.project import Project

    with Project.open(project, write=False) as opened:
        facts = describe(opened)
    missing = facts["missing"]
    lines = [
        f"{facts['project']}  (format {facts['format']}, {facts['bytes'] / 1e6:.1f} MB)",
        f"pictures  {facts['pictures']}, {facts['marked']} of them marked",
        *(
            [f"missing   {len(missing)}: {', '.join(missing[:5])}{' ...' * (len(missing) > 5)}"]
            * bool(missing)
        ),
        *(f"film      {_film_words(film)}" for film in facts["films"]),
        *(f"note      {note}" for note in facts.get("notes", ())),
        "classes   " + ", ".join(f"{c['name']} ({counted(c['marks'], 'mark')})" for c in facts["classes"]),
        f"model     {facts['current_run'] or 'none yet: run spml train'}",
        *(f"run       {r['id']}  {r['created']}  {r['preset'] or '?'}  {r['state']}" for r in facts["runs"]),
    ]
    Output(json).summary("\n".join(lines), **facts)


def _film_words(film: dict[str, Any]) -> str:
    rate = "" if film["frame_rate"] is None else f", {film['frame_rate']:.4g} a second"
    return (
        f"{film['name']}  {counted(film['frames'], 'frame')} of {film['width']} x {film['height']}{rate},"
        f" {len(film['marked'])} of them marked"
    )
