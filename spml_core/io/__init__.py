"""File formats: class tables, index PNGs, points, imports of marks; and writing without loss."""

from spml_core.io.atomic import storage_errors, write_atomic
from spml_core.io.classes_json import read_classes, write_classes
from spml_core.io.importers import find_index_pngs, read_masks, read_points, read_scribbles
from spml_core.io.index_png import read_index_png, write_index_png
from spml_core.io.json_line import json_line
from spml_core.io.points_csv import PointRow, read_point_rows

__all__ = [
    "PointRow",
    "find_index_pngs",
    "json_line",
    "read_classes",
    "read_index_png",
    "read_masks",
    "read_point_rows",
    "read_points",
    "read_scribbles",
    "storage_errors",
    "write_atomic",
    "write_classes",
    "write_index_png",
]
