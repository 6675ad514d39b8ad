"""``spml evaluate``: predictions against masks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json
from spml_core.cli.output import Output


@guarded
def evaluate(
    predictions: Annotated[
        Path, typer.Option(metavar="DIR", help="Index PNGs to score.", show_default=False)
    ],
    masks: Annotated[
        Path, typer.Option(metavar="DIR", help="Index PNGs with the truth; 255 is void.", show_default=False)
    ],
    classes: Annotated[Path, typer.Option(metavar="FILE", help="classes.json.", show_default=False)],
    json: Json = False,
) -> None:
    """Score predictions against masks of the same names."""
    from spml_core.engine.evaluation import evaluate_folder
    from spml_core.io import read_classes

    table = read_classes(classes)
    scores, count = evaluate_folder(predictions, masks, table)
    by_class = dict(zip(table.names, scores.iou, strict=True))
    width = max(len(name) for name in [*by_class, "mean of present"])
    rows = [*by_class.items(), ("mean of present", scores.miou), ("pixel accuracy", scores.accuracy)]
    lines = [f"{name:<{width}}  {'absent' if math.isnan(value) else f'{value:6.1%}'}" for name, value in rows]
    Output(json).summary(
        "\n".join([f"Intersection over union, {count} pictures:", *lines]),
        pictures=count,
        miou=scores.miou,
        miou_all=scores.miou_all,
        accuracy=scores.accuracy,
        iou=by_class,
    )
