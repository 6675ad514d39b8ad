"""Beginning and ending a training run: what the holder of the writer's lock does. Needs no torch."""

from __future__ import annotations

from spml_core.config import TrainConfig
from spml_core.engine.sufficiency import what_marks_lack
from spml_core.engine.training_pictures import check_there
from spml_core.errors import TrainingError
from spml_core.project import Project, Run, RunState

MODEL_FILE = "model.safetensors"
"""Is in a run's folder if a model is."""


def begin_run(project: Project, config: TrainConfig) -> Run:
    """Begin a run, if there is something to learn from.

    Parameters
    ----------
    project : Project
        Open for writing.
    config : TrainConfig

    Returns
    -------
    Run
        Its state is "running"; :func:`end_run` says how it ended.

    Raises
    ------
    TrainingError
        If the marks tell of fewer than two classes. There is no new run.
    ProjectError
        If a picture or film isn't where it was, or another film is there, or the project is open for reading only.
        There is no new run.
    """
    problem, remedy = what_marks_lack(project)
    if problem:
        raise TrainingError(problem, remedy)
    check_there(project)
    return project.new_run(config.to_dict())


def end_run(project: Project, run_id: str, state: RunState) -> None:
    """Say how a run ended; its model becomes the project's current one, if there is one and it didn't fail.

    One that has taken no step, and is but a first guess, takes no other model's place.

    Parameters
    ----------
    project : Project
        Open for writing.
    run_id : str
    state : str
        "finished", "stopped" or "failed".

    Raises
    ------
    ProjectError
        If there is no such run.
    """
    project.set_run_state(run_id, state)
    run, current = project.run(run_id), project.current_run()
    if state == "failed" or not (run.folder / MODEL_FILE).exists():
        return
    if run.steps or current is None or not (current.folder / MODEL_FILE).exists():
        project.set_current_run(run_id)


def what_came_of(steps: int | None, stopped: bool, planned: int | None = None) -> str:
    """Say truthfully how a training ended that has learned hardly anything; "" of any other.

    Parameters
    ----------
    steps : int or None
        Learning steps taken, if that is known.
    stopped : bool
        Whether somebody stopped it.
    planned : int, optional
        Steps that were asked for.
    """
    if steps is None or steps > 1 or (steps and (stopped or planned is not None)):
        return ""
    if stopped:
        return "Stopped before the first step."
    taken = "only one step" if steps else "no step"
    return f"The time was spent on reading; {taken} was taken. Give more time."
