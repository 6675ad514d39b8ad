"""Writing labelled films in the formats of other programs. What is heavy is imported when a format is used."""

from __future__ import annotations

import importlib
from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import ConfigError
from spml_core.io.exports.exporter import ExportOptions
from spml_core.io.exports.films.exporter import NO_LABEL, FilmExporter, FilmHead, LabelledFrame

__all__ = [
    "FILM_FORMATS",
    "NO_LABEL",
    "FilmExporter",
    "FilmHead",
    "LabelledFrame",
    "check_film_format",
    "open_film_exporter",
]

_EXPORTERS = {
    "index-png": ("label_maps", "FilmIndexPngExporter"),
    "overlay-mp4": ("overlay", "OverlayMp4Exporter"),
    "tiff": ("label_maps", "TiffStackExporter"),
    "ome-zarr": ("ome_zarr", "FilmOmeZarrExporter"),
    "coco": ("coco", "FilmCocoExporter"),
}

FILM_FORMATS = tuple(_EXPORTERS)
"""Names of the formats."""


def check_film_format(name: str) -> None:
    """Complain if there is no such format for films.

    Raises
    ------
    ConfigError
        It lists those there are.
    """
    if name not in _EXPORTERS:
        raise ConfigError(
            f"There is no export format {name!r} for films.", f"The formats are {', '.join(FILM_FORMATS)}."
        )


def open_film_exporter(
    name: str, out: Path, classes: ClassTable, options: ExportOptions, film: FilmHead
) -> FilmExporter:
    """Exporter of a format, its folder made.

    Parameters
    ----------
    name : str
        One of ``FILM_FORMATS``.
    out : Path
    classes : ClassTable
    options : ExportOptions
    film : FilmHead

    Raises
    ------
    ConfigError
        If there is no such format.
    StorageError
        If the folder can't be made.
    """
    check_film_format(name)
    module, kind = _EXPORTERS[name]
    exporter: type[FilmExporter] = getattr(importlib.import_module(f"{__name__}.{module}"), kind)
    return exporter(out, classes, options, film)
