"""Writing labelled pictures in the formats of other programs. What is heavy is imported when a format is used."""

from __future__ import annotations

import importlib
from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import ConfigError
from spml_core.io.exports.exporter import Exporter, ExportOptions, LabelledPicture

__all__ = ["FORMATS", "ExportOptions", "Exporter", "LabelledPicture", "check_format", "open_exporter"]

_EXPORTERS = {
    "index-png": ("label_maps", "IndexPngExporter"),
    "coco": ("coco", "CocoExporter"),
    "yolo-seg": ("yolo", "YoloExporter"),
    "tiff": ("label_maps", "TiffExporter"),
    "ome-zarr": ("ome_zarr", "OmeZarrExporter"),
    "overlay": ("overlay", "OverlayExporter"),
}

FORMATS = tuple(_EXPORTERS)
"""Names of the formats."""


def check_format(name: str) -> None:
    """Complain if there is no such format.

    Raises
    ------
    ConfigError
        It lists those there are.
    """
    if name not in _EXPORTERS:
        raise ConfigError(f"There is no export format {name!r}.", f"The formats are {', '.join(FORMATS)}.")


def open_exporter(name: str, out: Path, classes: ClassTable, options: ExportOptions) -> Exporter:
    """Exporter of a format, its folder made.

    Parameters
    ----------
    name : str
        One of ``FORMATS``.
    out : Path
    classes : ClassTable
    options : ExportOptions

    Raises
    ------
    ConfigError
        If there is no such format.
    StorageError
        If the folder can't be made.
    """
    check_format(name)
    module, kind = _EXPORTERS[name]
    exporter: type[Exporter] = getattr(importlib.import_module(f"{__name__}.{module}"), kind)
    return exporter(out, classes, options)
