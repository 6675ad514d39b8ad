"""``spml evaluate``: predictions against masks, and from frame to frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar
from spml_core.errors import ConfigError
from spml_core.wording import counted

if TYPE_CHECKING:
    from spml_core.classes import ClassTable
    from spml_core.metrics import Scores


@guarded
def evaluate(
    predictions: Annotated[
        Path, typer.Option(metavar="DIR", help="Index PNGs to score.", show_default=False)
    ],
    classes: Annotated[Path, typer.Option(metavar="FILE", help="classes.json.", show_default=False)],
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Index PNGs with the truth; 255 is void. With --video they may be left out, or be of some frames.",
            show_default=False,
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILM",
            help="A film, or the folder of its frames: also tell how steady the predictions are.",
            show_default=False,
        ),
    ] = None,
    flow: Annotated[
        str, typer.Option(metavar="NAME", help="With --video: dis, deepflow, raft or identity.")
    ] = "dis",
    flicker: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="With --video: picture of where classes flicker.", show_default=False
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps, for the flow raft.")
    ] = "auto",
    json: Json = False,
) -> None:
    """Score predictions against masks of the same names, or those of a film's frames."""
    if video is not None:
        _evaluate_film(video, predictions, masks, classes, flow, flicker, device, Output(json))
        return
    if masks is None:
        raise ConfigError("There are no masks to score against.", "Give --masks DIR, or --video FILM.")
    if flicker is not None:
        raise ConfigError(f"--flicker {flicker} needs a film.", "Give --video FILM.")
    from spml_core.engine.evaluation import evaluate_folder
    from spml_core.io import ImportWarnings, read_classes

    table, warnings = read_classes(classes), ImportWarnings()
    scores, count = evaluate_folder(predictions, masks, table, warnings)
    for warning in warnings.lines:
        typer.echo(f"spml: {warning}", err=True)
    by_class, lines = _told(scores, table)
    Output(json).summary(
        "\n".join([f"Intersection over union, {counted(count, 'picture')}:", *lines]),
        pictures=count,
        miou=scores.miou,
        miou_all=scores.miou_all,
        accuracy=scores.accuracy,
        iou=by_class,
    )


def _evaluate_film(
    video: Path,
    predictions: Path,
    masks: Path | None,
    classes: Path,
    flow: str,
    flicker: Path | None,
    device: str,
    output: Output,
) -> None:
    from spml_core.engine.film_evaluation import check_flicker_path, evaluate_film_files, write_flicker_map
    from spml_core.io import ImportWarnings, read_classes

    table, warnings = read_classes(classes), ImportWarnings()
    if flicker is not None:
        check_flicker_path(flicker, read=(video, predictions, masks, classes))
    with ProgressBar() as bar:
        found = evaluate_film_files(
            video,
            predictions,
            masks,
            table,
            flow=flow,
            device=device,
            progress=lambda done, total: bar.update("Evaluating", done, total),
            warnings=warnings,
        )
    for warning in warnings.lines:
        typer.echo(f"spml: {warning}", err=True)
    lines: list[str] = []
    values: dict[str, Any] = {
        "frames": found.frames,
        "scored": found.scored,
        "pairs": found.pairs,
        "flow": flow,
    }
    if found.scores is not None:
        by_class, rows = _told(found.scores, table)
        lines += [f"Intersection over union, {counted(found.scored, 'frame')}:", *rows]
        values |= {"miou": found.scores.miou, "accuracy": found.scores.accuracy, "iou": by_class}
    steadiness = {"as in the literature": found.literature, "corrected": found.corrected}
    lines += [
        f"Temporal consistency, {found.pairs} pairs of frames, flow {flow}:",
        *_rows(steadiness, "unknown"),
    ]
    values |= {"consistency_literature": found.literature, "consistency_corrected": found.corrected}
    if flicker is not None:
        most = write_flicker_map(flicker, found.flicker)
        lines.append(f"The flicker map is in {flicker}; white: the class changes in {most:.0%} of the pairs.")
        values |= {"flicker": str(flicker), "flicker_most": most}
    output.summary("\n".join(lines), **values)


def _told(scores: Scores, table: ClassTable) -> tuple[dict[str, float], list[str]]:
    """Scores by class, and as lines for people."""
    by_class = dict(zip(table.names, scores.iou, strict=True))
    everything = {**by_class, "mean of present": scores.miou, "pixel accuracy": scores.accuracy}
    return by_class, _rows(everything, "absent")


def _rows(values: Mapping[str, float], unknown: str) -> list[str]:
    width = max(len(name) for name in [*values, "mean of present"])
    return [
        f"{name:<{width}}  {unknown if math.isnan(value) else f'{value:6.1%}'}"
        for name, value in values.items()
    ]
