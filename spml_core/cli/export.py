"""``spml export``: masks for other programs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.interrupt import stop_on_interrupt
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar
from spml_core.errors import ConfigError


@guarded
def export(
    project: ProjectPath,
    format: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="index-png, coco, yolo-seg, tiff, ome-zarr or overlay;"
            " of films index-png, overlay-mp4, tiff, ome-zarr or coco.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.", show_default=False)],
    film: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Export this film's frames, not the still pictures.", show_default=False
        ),
    ] = None,
    reviewed: Annotated[
        bool, typer.Option("--reviewed", help="Only pictures or frames accepted as reviewed.")
    ] = False,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Another run than the current one.", show_default=False),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Class that is no object; the one called background unless given.",
            show_default=False,
        ),
    ] = None,
    palette: Annotated[str, typer.Option(metavar="NAME", help="Of index PNGs: voc or project.")] = "voc",
    masks: Annotated[
        str,
        typer.Option(metavar="KIND", help="Of COCO: auto (run lengths only for holes), polygons or rle."),
    ] = "auto",
    min_area: Annotated[
        int, typer.Option(metavar="N", help="Leave out COCO and YOLO instances below N pixels.")
    ] = 1,
    copy_images: Annotated[
        bool | None,
        typer.Option(
            "--copy-images/--no-copy-images",
            help="Put the pictures or frames beside COCO or YOLO labels; YOLO does unless told not to.",
            show_default=False,
        ),
    ] = None,
    opacity: Annotated[
        float, typer.Option(metavar="X", help="Of the classes in overlays, from 0 to 1.")
    ] = 0.4,
    jpeg: Annotated[bool, typer.Option("--jpeg", help="Write overlays as JPEG.")] = False,
    frame_rate: Annotated[
        float, typer.Option(metavar="X", help="Frames a second of videos made of a folder's pictures.")
    ] = 10.0,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps, for what must be predicted first.")
    ] = "auto",
    json: Json = False,
) -> None:
    """Write reviewed masks, and predictions of all other pictures or frames, for other programs."""
    from spml_core.engine.export import ExportOptions, export_project, finished_labels, predicted_labels
    from spml_core.engine.film_export import export_film
    from spml_core.project import Project

    if film is not None and run is not None:
        raise ConfigError(
            f"--run {run} was given with --film {film}.", "A film's frames are exported as propagated."
        )
    output = Output(json)
    written = total = 0
    with Project.open(project, write=False) as opened, ProgressBar() as bar:
        choices: dict[str, Any] = {
            "palette": palette,
            "masks": masks,
            "overlay_file": "jpg" if jpeg else "png",
        }
        options = ExportOptions(
            background=None if background is None else opened.classes.index(background),
            min_area=min_area,
            copy_images=copy_images,
            opacity=opacity,
            frame_rate=frame_rate,
            **choices,
        )
        if film is not None:
            record = opened.film(film)
            steps = export_film(opened, record, out, format, only_reviewed=reviewed, options=options)
        else:
            # Before anything was trained reviewed and imported masks alone may do.
            trained = run is not None or opened.current_run() is not None
            labels_of = finished_labels(
                opened, run, predict=predicted_labels(opened, run, device) if trained else None
            )
            steps = export_project(
                opened, out, format, labels_of=labels_of, only_reviewed=reviewed, options=options
            )
        # Between steps, not within: an encoder that is calling back would swallow the interrupt. What isn't whole goes.
        with closing(steps), stop_on_interrupt(lambda: None) as interrupted:
            for step in steps:
                if interrupted():
                    raise KeyboardInterrupt
                total = step.total
                written += step.path is not None
                bar.update("Exporting", step.done, total)
                output.event(
                    {
                        "event": "exported" if step.path is not None else "skipped",
                        "name": step.name,
                        "path": None if step.path is None else str(step.path),
                    }
                )
    missing = total - written
    if film is None:
        what, advice = "pictures", f"pictures have no prediction: run spml train {project}."
    elif reviewed:
        what, advice = "frames", "frames weren't reviewed and have no labels."
    else:
        what, advice = "frames", f"frames have no labels: run spml propagate {project} {film}."
    said = f" {missing} of {total} {advice}" if missing else ""
    counts = {what: written, "skipped": missing}
    output.summary(f"Exported {written} {what} to {out}.{said}", **counts, out=str(out))
