"""``spml import``: marks from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.wording import counted


@guarded
def import_marks(
    project: ProjectPath,
    scribbles: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Index PNGs (255 is not annotated) or ScribbleSup XML, named as their pictures.",
            show_default=False,
        ),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV with image,x,y,class.", show_default=False)
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Index PNGs named as their pictures, 255 is void; or COCO JSON or YOLO text with outlines.",
            show_default=False,
        ),
    ] = None,
    tags: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV with image,class: all classes of a picture.", show_default=False
        ),
    ] = None,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Pictures may hold more classes than their tags say.")
    ] = False,
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="COCO JSON, or a folder of Pascal VOC XML or YOLO text files. Outside all boxes is background.",
            show_default=False,
        ),
    ] = None,
    keypoints: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="COCO JSON, or CSV with image,x,y,class and size or instance; classes are parts.",
            show_default=False,
        ),
    ] = None,
    densepose: Annotated[
        bool,
        typer.Option(
            "--densepose", help="Key points at the centres of the body parts of DensePose-COCO's JSON."
        ),
    ] = False,
    clicks: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON of clicks as of What's the Point.", show_default=False),
    ] = None,
    labelme: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="labelme JSON, a file or a folder.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Add marks to a project: all of them, or none if a file is wrong.

    Files and tables call a frame of a film FILM_000012 or FILM/12, counted from 0; in a sequence FILM/STEM.
    """
    from spml_core.engine import imports
    from spml_core.project import Project

    given = (scribbles, points, masks, tags, boxes, keypoints, clicks, labelme)
    if all(path is None for path in given):
        raise typer.BadParameter(
            "give at least one of --scribbles DIR, --points FILE, --masks DIR, --tags FILE, --boxes PATH,"
            " --keypoints FILE, --clicks FILE and --labelme PATH"
        )
    if incomplete and tags is None and labelme is None:
        raise typer.BadParameter("--incomplete speaks of tags: give --tags FILE or --labelme PATH too")
    if densepose and keypoints is None:
        raise typer.BadParameter("--densepose speaks of key points: give --keypoints FILE too")
    with Project.open(project) as opened:
        done = imports.import_marks(
            opened,
            scribbles=scribbles,
            points=points,
            masks=masks,
            tags=tags,
            boxes=boxes,
            key_points=keypoints,
            clicks=clicks,
            labelme=labelme,
            complete_tags=not incomplete,
            densepose=densepose,
        )
    for warning in done.warnings:
        typer.echo(f"spml: {warning}", err=True)
    listed = ", ".join(
        counted(count, _WORDS[kind], "boxes" if kind == "boxes" else "") for kind, count in done.marks.items()
    )
    Output(json).summary(
        f"Imported {listed} on {counted(done.pictures, 'picture')}.",
        pictures=done.pictures,
        marks=done.marks,
        warnings=list(done.warnings),
    )


_WORDS = {
    **{kind: kind.removesuffix("s") for kind in ("scribbles", "points", "masks", "clicks", "tags")},
    "boxes": "box",
    "key_points": "key point",
    "labelme": "labelme mark",
}
"""What to call kinds of marks in a sentence, if not by their name."""
