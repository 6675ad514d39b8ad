"""COCO JSON: every connected piece of a class is an annotation."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import ClassTable
from spml_core.io.atomic import storage_errors, write_atomic
from spml_core.io.exports.copies import copy_picture
from spml_core.io.exports.exporter import Exporter, ExportOptions, LabelledPicture, Masks, make_folder
from spml_core.io.exports.instances import Instance, find_instances
from spml_core.io.exports.outlines import polygon_of, trace_outlines


class CocoExporter(Exporter):
    """``annotations.json``, and the pictures in ``images`` if they are to be copied.

    ``file_name`` is the picture's path below the folder that holds all pictures, or its name in ``images``. All else is
    as in :class:`CocoFile`.
    """

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions) -> None:
        super().__init__(out, classes, options)
        self._coco = CocoFile(out, classes, options)

    def add(self, item: LabelledPicture) -> Path:  # noqa: D102
        file_name = item.file_name
        if self.options.copy_images:
            file_name = copy_picture(item.path, make_folder(self.out / "images")).name
        self._coco.add(item.labels, self._coco.pictures + 1, file_name)
        return self._coco.path

    def finish(self) -> None:  # noqa: D102
        self._coco.finish()

    def close(self) -> None:  # noqa: D102
        self._coco.close()


class CocoFile:
    """``annotations.json`` in a folder, written by :meth:`finish`.

    Categories are numbered from 1 in the order of the classes, the background left out. Polygons follow the edges of
    the pixels: decoded by pycocotools they give back the label map. An instance's ``area`` counts pixels.
    Keys as in https://cocodataset.org/#format-data.

    Parameters
    ----------
    out : Path
        The folder; it is there.
    classes : ClassTable
    options : ExportOptions

    Attributes
    ----------
    path : Path

    Raises
    ------
    StorageError
        From here and every method.
    """

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions) -> None:
        self.path = out / "annotations.json"
        self._classes = classes
        self._options = options
        self._objects = options.object_classes(classes)
        self._images: list[dict[str, Any]] = []
        self._count = 0
        # Annotations of thousands of pictures may not fit into memory. The file has no name that could be left behind.
        with storage_errors(self.path):
            self._annotations: IO[bytes] = tempfile.TemporaryFile(dir=out)  # noqa: SIM115 (closed by close)

    @property
    def pictures(self) -> int:
        """Number of pictures so far."""
        return len(self._images)

    def add(
        self, labels: NDArray[np.uint8], number: int, file_name: str, about: Mapping[str, Any] | None = None
    ) -> None:
        """Add a picture and its instances.

        Parameters
        ----------
        labels : ndarray, (H, W) uint8
        number : int
            Its id.
        file_name : str
        about : mapping, optional
            What else to say of the picture.
        """
        height, width = labels.shape
        image = {"id": number, "file_name": file_name, "height": height, "width": width}
        self._images.append(image | dict(about or {}))
        with storage_errors(self.path):
            for instance in find_instances(labels, self._objects, self._options.min_area):
                self._count += 1
                annotation = {
                    "id": self._count,
                    "image_id": number,
                    "category_id": self._objects.index(instance.class_index) + 1,
                    "segmentation": segmentation_of(instance, height, width, self._options.masks),
                    "area": instance.area,
                    "bbox": [instance.left, instance.top, instance.mask.shape[1], instance.mask.shape[0]],
                    "iscrowd": 0,
                }
                separator = b"" if self._count == 1 else b",\n"
                self._annotations.write(separator + json.dumps(annotation, separators=(",", ":")).encode())

    def finish(self) -> None:
        """Write the file."""
        categories = [
            {"id": number, "name": self._classes.names[code], "supercategory": ""}
            for number, code in enumerate(self._objects, 1)
        ]
        head = {
            "info": {"description": "Exported by spml-napari"},
            "licenses": [],
            "images": self._images,
            "categories": categories,
        }

        def write(file: IO[bytes]) -> None:
            file.write(json.dumps(head, ensure_ascii=False).encode()[:-1] + b', "annotations": [\n')
            self._annotations.seek(0)
            for block in iter(lambda: self._annotations.read(2**20), b""):
                file.write(block)
            file.write(b"\n]}\n")

        write_atomic(self.path, write)

    def close(self) -> None:
        """Let go of what is held. More than once does no harm."""
        # What a full disk kept from being written is no loss any more.
        with contextlib.suppress(OSError):
            self._annotations.close()


def segmentation_of(instance: Instance, height: int, width: int, masks: Masks) -> Any:
    """An instance's mask as COCO writes it: ``[[x1, y1, x2, y2, ...]]``, or ``{"size": [H, W], "counts": [...]}``."""
    if masks != "rle":
        outlines = trace_outlines(instance.mask)
        if masks == "polygons" or len(outlines.ways) == 1:
            polygon = polygon_of(outlines, instance.mask) + np.array([instance.left, instance.top])
            return [polygon.ravel().tolist()]
    return {"size": [height, width], "counts": list(_run_lengths(instance, height, width))}


def _run_lengths(instance: Instance, height: int, width: int) -> Iterator[int]:
    """Pixels outside, inside, outside, ... the mask, column by column through the whole picture."""
    columns = np.pad(instance.mask.T, ((0, 0), (1, 1)))
    changes: NDArray[np.int64] = np.argwhere(columns[:, 1:] != columns[:, :-1])
    places = (changes[:, 0] + instance.left) * height + changes[:, 1] + instance.top
    starts, ends = places[::2], places[1::2]
    # A run that ends at the bottom and one that begins at the top of the next column are one.
    joined = starts[1:] == ends[:-1]
    starts, ends = starts[np.r_[True, ~joined]], ends[np.r_[~joined, True]]
    borders = np.stack([starts, ends], axis=1).ravel()
    yield from np.diff(borders, prepend=0).tolist()
    if borders[-1] < height * width:
        yield height * width - int(borders[-1])
