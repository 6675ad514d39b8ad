"""``spml suggest``: labels of one picture from the marks alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spml_core.cli.add import as_values, tell_warnings
from spml_core.cli.failures import guarded
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output


@guarded
def suggest(
    project: ProjectPath,
    picture: Annotated[
        str, typer.Argument(metavar="PICTURE", help="Name of one of its pictures.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Index PNG to write; PICTURE-suggestion.png.", show_default=False),
    ] = None,
    quality: Annotated[str, typer.Option(metavar="NAME", help="pixels, regions or crf.")] = "pixels",
    model: Annotated[bool, typer.Option(help="Let the trained model take part, if there is one.")] = True,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    json: Json = False,
) -> None:
    """Suggest labels of a picture from its marks and the other pictures', without training."""
    import time

    import numpy as np

    from spml_core.engine.kept_files import kept_files
    from spml_core.engine.suggest import Suggester
    from spml_core.io import write_index_png
    from spml_core.io.outputs import check_label_files, check_output_file
    from spml_core.project import Project
    from spml_core.project.pictures import is_original

    with Project.open(project, write=False) as opened:
        record = opened.picture(picture)
        path = out or Path(f"{record.name}-suggestion.png")
        check_output_file(path, kept_files(opened))
        check_label_files([path], len(opened.classes))
        warnings = []
        if record.frame is None and opened.marks(record.id) and not is_original(record):
            warnings.append(
                f"The file of {record.name!r} is no longer the one that was marked: its marks may not fit."
                " Put the original back, or run spml relink PROJECT DIR (--accept takes it as it is now)."
            )
            tell_warnings(warnings)
        suggester = Suggester(opened, device, use_model=model)
        start = time.perf_counter()
        for _ in suggester.prepare(record):
            pass
        prepared = time.perf_counter()
        found = suggester.suggest(record, quality=quality)
        assert found is not None  # nobody stops it
        seconds = time.perf_counter() - prepared
        write_index_png(path, found.labels, opened.classes, colored=False)
        counts = np.bincount(found.labels.ravel(), minlength=256)
        shares = {
            name: float(counts[index] / found.labels.size) for index, name in enumerate(opened.classes.names)
        }
    unsure = float(found.uncertainty.mean() / 255)
    Output(json).summary(
        f"Wrote {path}: {', '.join(f'{name} {share:.0%}' for name, share in shares.items())};"
        f" {unsure:.0%} unsure, {seconds * 1000:.0f} ms.",
        picture=record.name,
        out=str(path),
        shares=shares,
        uncertainty=unsure,
        next_region=found.next_region,
        prepare_seconds=prepared - start,
        seconds=seconds,
        **as_values(warnings),
    )
