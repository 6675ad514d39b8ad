"""``spml run-paper``: the paper's algorithms from end to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar

if TYPE_CHECKING:
    from spml_core.paper.algorithms import Scored
    from spml_core.training.events import Event


@guarded
def run_paper(
    preset: Annotated[
        str,
        typer.Argument(
            metavar="PRESET",
            help="paper-scribbles, paper-points, paper-boxes, paper-tags or paper-densepose.",
            show_default=False,
        ),
    ],
    voc: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="PASCAL VOC 2012's tree, or DensePose's folder.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the run keeps what it makes; a folder named as the preset unless given.",
            show_default=False,
        ),
    ] = None,
    variant: Annotated[
        str, typer.Option(metavar="NAME", help="paper, or scripts: the settings of the released code.")
    ] = "paper",
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="resnet101 unless given; resnet18 to resnet101.", show_default=False
        ),
    ] = None,
    width: Annotated[float, typer.Option(metavar="W", help="Factor on the backbone's channels.")] = 1.0,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="ImageNet weights of the backbone; torchvision's unless given, or random ones if --width isn't 1.",
            show_default=False,
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Steps of the embedding; the heads' follow in proportion.", show_default=False
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", help="Pictures in a step, 2 or more.", show_default=False)
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="Side of a training crop; the test size follows.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="235 unless given.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    json: Json = False,
) -> None:
    """Run all stages of a paper's preset on a data set. Broken off, the same command goes on where it was."""
    from spml_core.engine import run_paper as engine
    from spml_core.errors import ConfigError
    from spml_core.paper import VARIANTS

    if variant not in VARIANTS:
        raise ConfigError(f"Unknown variant {variant!r}.", f"The variants are: {', '.join(VARIANTS)}.")
    options = engine.PaperOptions(
        variant=variant,
        backbone=backbone,
        width=width,
        weights=weights,
        iterations=iterations,
        batch=batch,
        crop=crop,
        seed=seed,
        device=device,
    )
    folder = Path(preset) if out is None else out
    output = Output(json)
    with ProgressBar() as bar, closing(engine.run_paper(preset, voc, folder, options)) as events:
        scores = follow(events, output, bar)
    output.summary(
        "\n".join([*table(scores), f"Everything is in {folder}."]),
        out=str(folder),
        without_crf=scores.without_crf,
        with_crf=scores.with_crf,
    )


def follow(events: Iterator[Event], output: Output, bar: ProgressBar) -> Scored:
    """Show events until the last one, which is returned."""
    from spml_core.paper.algorithms import Scored
    from spml_core.training.events import StageProgress, StepDone, Warned

    stage = "Training"
    for event in events:
        output.event(event.to_dict())
        if isinstance(event, StageProgress):
            stage = event.stage.replace("_", " ").capitalize()
            bar.update(stage, event.done, event.total, seconds_left=event.seconds_left)
        elif isinstance(event, StepDone):
            note = f"loss {event.losses['total']:.3f}"
            bar.update(stage, event.step, event.total, note=note, seconds_left=event.seconds_left)
        elif isinstance(event, Warned):
            bar.say(f"spml: {event.message}")
        elif isinstance(event, Scored):
            return event
    raise RuntimeError("the run ended without scores")


def table(scores: Scored) -> list[str]:
    """Lines of a table: classes down, without and with CRF across; one line where nothing was scored."""
    if not scores.without_crf:
        return ["There was no validation picture to score."]
    columns = [scores.without_crf, scores.with_crf]
    rows: list[tuple[str, list[Any]]] = [
        (name, [column["iou"][name] for column in columns]) for name in columns[0]["iou"]
    ]
    rows += [
        (words, [column[key] for column in columns])
        for words, key in (("mean of all", "miou"), ("pixel accuracy", "accuracy"))
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{'IoU':<{width}}  {'no CRF':>7}  {'CRF':>7}"]
    for name, values in rows:
        cells = ["absent" if value is None else f"{value:.1%}" for value in values]
        lines.append(f"{name:<{width}}  {cells[0]:>7}  {cells[1]:>7}")
    return lines
