"""YOLO segmentation data set: a line a connected piece of a class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from spml_core.classes import ClassTable
from spml_core.io.atomic import write_atomic
from spml_core.io.exports.copies import copy_picture
from spml_core.io.exports.exporter import (
    Exporter,
    ExportOptions,
    LabelledPicture,
    drop_unless_same,
    make_folder,
)
from spml_core.io.exports.instances import Instance, find_instances
from spml_core.io.exports.outlines import polygon_of, trace_outlines

_ABOUT = "data.yaml"
_LIST = "train.txt"


class YoloExporter(Exporter):
    """``labels/NAME.txt``, ``images/NAME.*`` and ``data.yaml``.

    A line holds the class and the outline's points, x and y divided by the picture's width and height. Classes are
    numbered from 0, the background left out. Holes are cut open towards the next outline, as a line holds one polygon.
    A picture without instances gets an empty file: an example of nothing. If the pictures aren't copied, ``train.txt``
    lists where they are; trainers look for labels beside a folder called ``images`` only.
    Layout as in https://docs.ultralytics.com/datasets/segment/.
    """

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions) -> None:
        super().__init__(out, classes, options)
        self._objects = options.object_classes(classes)
        self._copies = options.copy_images is not False
        self._paths: list[Path] = []
        drop_unless_same(out / _ABOUT, self._about())
        make_folder(out / "labels")
        if self._copies:
            make_folder(out / "images")

    def add(self, item: LabelledPicture) -> Path:  # noqa: D102
        height, width = item.labels.shape
        lines = [
            f"{self._objects.index(instance.class_index)} {_points(instance, height, width)}\n"
            for instance in find_instances(item.labels, self._objects, self.options.min_area)
        ]
        if self._copies:
            copy_picture(item.path, self.out / "images")
        self._paths.append(item.path)
        path = self.out / "labels" / f"{item.name}.txt"
        write_atomic(path, "".join(lines).encode())
        return path

    def finish(self) -> None:  # noqa: D102
        if not self._copies:
            listed = "".join(f"{path}\n" for path in self._paths)
            write_atomic(self.out / _LIST, listed.encode())
        write_atomic(self.out / _ABOUT, self._about())

    def _about(self) -> bytes:
        """Content of ``data.yaml``."""
        source = "images" if self._copies else _LIST
        lines = [
            "# The same pictures stand for both: part them before you trust a score.",
            f"train: {source}",
            f"val: {source}",
            "names:",
            # A JSON string is a YAML string, whatever is in it.
            *(
                f"  {number}: {json.dumps(self.classes.names[code])}"
                for number, code in enumerate(self._objects)
            ),
        ]
        return ("\n".join(lines) + "\n").encode()


def _points(instance: Instance, height: int, width: int) -> str:
    polygon = polygon_of(trace_outlines(instance.mask), instance.mask)
    shares = (polygon + np.array([instance.left, instance.top])) / [width, height]
    return " ".join(f"{share:.6f}".rstrip("0").rstrip(".") for share in np.ravel(shares).tolist())
