"""``spml predict``: a segmentation of every picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.add import as_values, tell_warnings
from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar


@guarded
def predict(
    project: ProjectPath,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the index PNGs.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Other pictures than the project's, or a film.", show_default=False
        ),
    ] = None,
    film: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="All frames of one of the project's films.", show_default=False),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write NAME.npy, too: (classes, height, width).")
    ] = False,
    colored: Annotated[
        bool,
        typer.Option(
            "--colored",
            help="Show the class colours in the PNGs; some readers then give colours, not indexes.",
        ),
    ] = False,
    classifier: Annotated[
        str, typer.Option(metavar="NAME", help="softmax, retrieval (nearest marked segments) or both.")
    ] = "softmax",
    scale: Annotated[
        list[float] | None,
        typer.Option(
            metavar="S", help="Look at the pictures in this size, too; repeatable.", show_default=False
        ),
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Look at them mirrored, too.")] = False,
    random_walk: Annotated[
        bool, typer.Option("--random-walk", help="Smooth the probabilities along the embedding.")
    ] = False,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    json: Json = False,
) -> None:
    """Segment pictures with the project's model."""
    from spml_core.engine.predict_project import predict_project
    from spml_core.labeling.scoring import Inference
    from spml_core.project import Project

    if film is not None and images is not None:
        raise typer.BadParameter("give either --film or --images")
    inference = Inference(classifier, (1.0, *(scale or ())), flip, random_walk)
    output = Output(json)
    count, seconds = 0, 0.0
    warnings: list[str] = []
    with Project.open(project, write=False) as opened, ProgressBar() as bar:
        for done in predict_project(
            opened,
            out,
            images=images,
            film=None if film is None else opened.film(film),
            probabilities=probabilities,
            colored=colored,
            inference=inference,
            device=device,
            warn=warnings.append,
        ):
            if done.done == 1:
                tell_warnings(warnings)
            count, seconds = done.done, seconds + done.seconds
            bar.update("Predicting", done.done, done.total)
            output.event(
                {"event": "predicted", "name": done.name, "path": str(done.path), "seconds": done.seconds}
            )
    output.summary(
        f"Wrote {count} predictions to {out}, {seconds / max(count, 1):.2f} s a picture.",
        pictures=count,
        out=str(out),
        seconds=seconds,
        **as_values(warnings),
    )
