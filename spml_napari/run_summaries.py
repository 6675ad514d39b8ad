"""What the window says about a run, gathered from its folder without reading all of it. No Qt."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spml_core.engine.run_control import MODEL_FILE
from spml_core.errors import SpmlError
from spml_core.io.own_files import read_own
from spml_core.project import Run

CHECKPOINT_FILE = "checkpoint.safetensors"

# Steps are a line of some 250 bytes each; the last one and the line of the end are in here.
_TAIL = 16_384


@dataclass(frozen=True)
class RunSummary:
    """A run in the list.

    Attributes
    ----------
    id : str
    number : int
        Its place in the project, from 1.
    begun : datetime or None
        Local time; None if that is damaged.
    state : str
        running, finished, stopped or failed.
    preset : str
    marks, marked_pictures : int or None
        What it learned from, at its start; None of runs of older programs.
    steps : int or None
        Learning steps taken.
    loss : float or None
        Weighted sum of the loss terms at the last step.
    score : float or None
        Mean IoU (0..1) on marks that were kept out.
    has_model : bool
        Whether it can be made current.
    can_resume : bool
    damaged : str
        What is wrong with its folder; empty if nothing is.
    """

    id: str
    number: int
    begun: datetime | None
    state: str
    preset: str = ""
    marks: int | None = None
    marked_pictures: int | None = None
    steps: int | None = None
    loss: float | None = None
    score: float | None = None
    has_model: bool = False
    can_resume: bool = False
    damaged: str = ""


def summarize(run: Run) -> RunSummary:
    """Gather what is known about a run; whatever is damaged is left out and said."""
    damaged = ""
    preset = ""
    try:
        preset = str(run.config.get("preset", ""))
    except SpmlError as error:
        damaged = str(error)
    facts = run.facts
    last_step, end = _last_events(run.folder / "metrics.jsonl")
    losses = last_step.get("losses")
    return RunSummary(
        id=run.id,
        number=int(run.id.rpartition("-")[2]),
        begun=_local(run.created),
        state=run.state,
        preset=preset,
        marks=None if facts is None else facts.marks,
        marked_pictures=None if facts is None else facts.marked_pictures,
        steps=_whole(end.get("step", last_step.get("step"))),
        loss=_number(losses.get("total")) if isinstance(losses, dict) else None,
        score=_number(end.get("held_back_score")),
        has_model=has_model(run),
        can_resume=not damaged and can_resume(run),
        damaged=damaged,
    )


def has_model(run: Run) -> bool:
    """Whether the run has saved a model that can be used."""
    return (run.folder / MODEL_FILE).is_file()


def has_checkpoint(run: Run) -> bool:
    """Whether the run goes on where it was when it is resumed, and doesn't begin anew."""
    return (run.folder / CHECKPOINT_FILE).is_file()


def can_resume(run: Run) -> bool:
    """Whether the run can be gone on with: it was stopped, or failed after a checkpoint."""
    return run.state == "stopped" or (run.state == "failed" and has_checkpoint(run))


def last_step(run: Run) -> tuple[int, int] | None:
    """Steps that the run has taken and planned, or None if it took none."""
    event = _last_events(run.folder / "metrics.jsonl")[0]
    step, total = _whole(event.get("step")), _whole(event.get("total"))
    return None if step is None or total is None else (step, total)


def _last_events(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last learning step and the last end in a run's metrics; empty where there is none."""
    step: dict[str, Any] = {}
    end: dict[str, Any] = {}
    try:
        size = path.stat().st_size
        lines = read_own(path, _TAIL, end=True).split(b"\n")
    except OSError:
        return step, end
    # The first may have lost its beginning; the last is empty, or was cut short by a kill.
    for line in reversed(lines[1:-1] if size > _TAIL else lines[:-1]):
        event = _event(line)
        if event.get("event") == "step" and not step:
            step = event
        elif event.get("event") == "finished" and not end and not step:
            end = event  # an end before the last step belongs to a part that was resumed since
        if step:
            break
    return step, end


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def run_title(run: Run) -> str:
    """Short title of a run: its number and when it began, in local time."""
    number, begun = int(run.id.rpartition("-")[2]), _local(run.created)
    return f"Run {number}" if begun is None else f"Run {number}, {begun:%d %b, %H:%M}"


def _local(created: str) -> datetime | None:
    try:
        return datetime.fromisoformat(created).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # of a whole number of many digits
            return float(value) if math.isfinite(value) else None
    return None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
