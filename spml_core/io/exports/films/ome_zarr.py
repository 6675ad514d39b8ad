"""OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5/) of a film: frames and classes together, in several sizes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import ClassTable
from spml_core.io.atomic import storage_errors
from spml_core.io.exports.exporter import ExportOptions
from spml_core.io.exports.films.exporter import FilmExporter, FilmHead, LabelledFrame, filled
from spml_core.io.exports.ome_zarr import (
    LABELS,
    VERSION,
    about_labels,
    create_level,
    dataset,
    display,
    halved_by_mean,
    multiscale,
    replace_folder,
    sizes,
    thinned,
)
from spml_core.io.temporary import ASIDE, temporary_folder

_AXES, _LABEL_AXES = ("t", "c", "y", "x"), ("t", "y", "x")


class FilmOmeZarrExporter(FilmExporter):
    """``NAME.ome.zarr``: a folder with the film, (t, c, y, x), and, under ``labels/classes``, its codes, (t, y, x).

    Pixels, codes, names and sizes are as in exports of pictures, the film always as red, green and blue. The scale of t
    is the mean time between frames in seconds; where the steps differ, ``times`` in the group's attribute ``spml`` has
    the time of each frame. Frames without labels are 255 throughout.
    """

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions, film: FilmHead) -> None:
        super().__init__(out, classes, options, film)
        self._path = out / f"{film.name}.ome.zarr"
        self._about = about_labels(classes, options)
        with storage_errors(self._path):
            self._temporary = temporary_folder(self._path)
        try:
            with storage_errors(self._path):
                self._build()
        except BaseException:
            self.close()
            raise

    @property
    def needs_pictures(self) -> bool:  # noqa: D102
        return True

    def add(self, frame: LabelledFrame) -> Path:  # noqa: D102
        channels = np.moveaxis(frame.read_rgb(), -1, 0)
        labels = filled(frame, self.film.size)
        with storage_errors(self._path):
            for array, image in zip(self._pictures, sizes(channels, halved_by_mean), strict=True):
                array[frame.index] = image
            for array, image in zip(self._labels, sizes(labels, thinned), strict=True):
                array[frame.index] = image
        return self._path

    def finish(self) -> None:  # noqa: D102
        with storage_errors(self._path):
            replace_folder(self._temporary / "new", self._path, aside=self._temporary / ASIDE)
        self.close()

    def close(self) -> None:  # noqa: D102
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _build(self) -> None:
        """Make the arrays, empty, and say what they are."""
        import zarr

        name = self.film.name
        root = zarr.create_group(self._temporary / "new", zarr_format=3)
        pixels: NDArray[np.uint8] = np.empty((1, *self.film.size), np.uint8)
        shapes = [image.shape[1:] for image in sizes(pixels, halved_by_mean)]
        count = self.film.count
        self._pictures = [
            create_level(root, level, (count, 3, *shape), (1, 3), _AXES) for level, shape in enumerate(shapes)
        ]
        root.attrs["ome"] = {
            "version": VERSION,
            "multiscales": [self._multiscale(name, _AXES, len(shapes), between=True)],
            "omero": {"channels": display(3)},
        }
        if self.film.variable_rate:
            root.attrs["spml"] = {"times": [round(time, 6) for time in self.film.times.tolist()]}
        labels = root.create_group("labels")
        labels.attrs["ome"] = {"version": VERSION, "labels": [LABELS]}
        group = labels.create_group(LABELS)
        self._labels = [
            create_level(group, level, (count, *shape), (1,), _LABEL_AXES)
            for level, shape in enumerate(shapes)
        ]
        group.attrs["ome"] = {
            "version": VERSION,
            "multiscales": [self._multiscale(LABELS, _LABEL_AXES, len(shapes), between=False)],
            "image-label": self._about,
        }

    def _multiscale(self, name: str, axes: tuple[str, ...], levels: int, *, between: bool) -> dict[str, Any]:
        rate = self.film.frame_rate
        lead = (1 / rate if rate else 1.0, *[1.0] * (len(axes) - 3))
        about = multiscale(name, axes, [dataset(level, lead, between=between) for level in range(levels)])
        if rate:
            about["axes"][0]["unit"] = "second"
        return about
