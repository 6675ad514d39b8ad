"""``spml train``: learn from the marks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.interrupt import stop_on_interrupt
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar
from spml_core.wording import counted

if TYPE_CHECKING:
    from spml_core.training.events import Event, Finished

_STAGES = {
    "features": "Reading features",
    "start": "Starting",
    "choose": "Choosing",
    "second": "Second stage",
    "flow": "Following films",
    "film": "Learning from films",
    "teacher": "Reading films",
}


@guarded
def train(
    project: ProjectPath,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="quick, standard, or a published method as its authors ran it: paper-scribbles, paper-points,"
            " paper-boxes, paper-tags, paper-densepose (days without a strong GPU). Unless given, standard with a CUDA"
            " GPU, else quick.",
            show_default=False,
        ),
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="Time for all of it; the preset's own unless given.", show_default=False
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Exactly so many steps, whatever time they take.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Same seed, same model (on the CPU); 0 unless given.", show_default=False
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="efficientnet-lite0, resnet50, resnet101 or any of timm's; the preset's own unless given.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the backbone's weights.", show_default=False),
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of the crops that standard and published methods learn from.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", help="Pictures in a step.", show_default=False)
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of a published method: paper, or scripts for the settings of its released code.",
            show_default=False,
        ),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="For a published method: over-segmentations from elsewhere, named as the pictures.",
            show_default=False,
        ),
    ] = None,
    video: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Learn from the project's films, too: weclick (more from few marks), etc (steadier), or both.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was stopped, with its settings.")
    ] = False,
    json: Json = False,
) -> None:
    """Learn from a project's marks. Ctrl-C once stops after this step and saves the model."""
    started = time.monotonic()
    settings = {
        "max_seconds": max_seconds,
        "steps": steps,
        "seed": seed,
        "backbone": backbone,
        "weights": None if weights is None else str(weights.resolve()),
        "crop": crop,
        "batch": batch,
        "variant": variant,
        "video": video,
        "region_maps": None if regions is None else str(regions.resolve()),
    }
    if resume and any(setting is not None for setting in (preset, *settings.values())):
        raise typer.BadParameter(
            "--resume goes on with the settings of the stopped run: leave the others out"
        )

    from spml_core.config import TrainConfig
    from spml_core.devices import find_device
    from spml_core.engine.run_control import what_came_of
    from spml_core.engine.train_project import resumable_run, train_project
    from spml_core.project import Project

    found = find_device(device)
    config = TrainConfig.from_preset(
        preset or ("standard" if found.type == "cuda" else "quick"), device=device, **settings
    )
    output = Output(json)
    with Project.open(project) as opened, ProgressBar() as bar:
        resumed = resumable_run(opened) if resume else None

        def tell() -> None:
            bar.say("Stopping after this step; the model is saved. Ctrl-C again to stop at once.")

        with stop_on_interrupt(tell) as should_stop:
            events = train_project(opened, config, resume=resume, should_stop=should_stop, started=started)
            # Closed at once, also by a second Ctrl-C: the run's state is written while the project is open.
            with closing(events):
                end = follow(events, output, bar)
        run = opened.runs()[-1] if resumed is None else opened.run(resumed.id)
        current = opened.current_run()
        planned = run.config.get("steps")
    advice = f"Go on with: spml train {project} --resume"
    if end is None:
        output.summary(f"Stopped before there was a model. {advice}", run=None, stopped=True)
        return
    score = "" if end.held_back_score is None else f", {end.held_back_score:.1%} on held-back marks"
    verb = "Stopped" if end.stopped else "Trained"
    said = f"{verb} after {counted(end.step, 'step')} in {end.seconds:.0f} s{score}."
    if came := what_came_of(end.step, end.stopped, planned):
        said = f"{came[:-1]} after {end.seconds:.0f} s." if end.stopped else came
    if current is not None and current.id != run.id:
        said += f" {current.id} stays the current model."
    output.summary(
        f"{said}{f' {advice}' if end.stopped else ''}",
        run=run.id,
        steps=end.step,
        seconds=end.seconds,
        stopped=end.stopped,
        held_back_score=end.held_back_score,
    )


def follow(events: Iterator[Event], output: Output, bar: ProgressBar) -> Finished | None:
    """Show events until the last one, which is returned; None if training was stopped before there was a model."""
    from spml_core.training.events import Finished, StageProgress, StepDone, Warned

    end: Finished | None = None
    for event in events:
        output.event(event.to_dict())
        if isinstance(event, StageProgress):
            what = _STAGES.get(event.stage, event.stage.replace("_", " ").capitalize())
            bar.update(what, event.done, event.total, seconds_left=event.seconds_left)
        elif isinstance(event, StepDone):
            note = f"loss {event.losses['total']:.3f}"
            bar.update("Training", event.step, event.total, note=note, seconds_left=event.seconds_left)
        elif isinstance(event, Warned):
            bar.say(f"spml: {event.message}")
        elif isinstance(event, Finished):
            end = event
    return end
