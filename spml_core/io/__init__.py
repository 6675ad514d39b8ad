"""File formats: class tables, index PNGs, points, imports of marks; and writing without loss."""

from spml_core.io.atomic import storage_errors, write_atomic
from spml_core.io.classes_json import read_classes, write_classes
from spml_core.io.imports import (
    ImportWarnings,
    find_index_pngs,
    read_boxes,
    read_clicks,
    read_key_points,
    read_labelme,
    read_masks,
    read_points,
    read_scribbles,
    read_tags,
)
from spml_core.io.index_png import index_png_size, read_index_png, read_png_values, write_index_png
from spml_core.io.json_line import json_line
from spml_core.io.mask_folders import mask_reader
from spml_core.io.points_csv import PointRow, read_point_rows

__all__ = [
    "ImportWarnings",
    "PointRow",
    "find_index_pngs",
    "index_png_size",
    "json_line",
    "mask_reader",
    "read_boxes",
    "read_classes",
    "read_clicks",
    "read_index_png",
    "read_key_points",
    "read_labelme",
    "read_masks",
    "read_png_values",
    "read_point_rows",
    "read_points",
    "read_scribbles",
    "read_tags",
    "storage_errors",
    "write_atomic",
    "write_classes",
    "write_index_png",
]
