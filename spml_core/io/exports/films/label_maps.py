"""Label maps of a film as they are: a PNG a frame, or one TIFF stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np

from spml_core.classes import ClassTable
from spml_core.io.atomic import storage_errors
from spml_core.io.classes_json import classes_text, write_classes
from spml_core.io.exports.exporter import ExportOptions, LabelledPicture, drop_unless_same
from spml_core.io.exports.films.exporter import FilmExporter, FilmHead, LabelledFrame, PendingFile, filled
from spml_core.io.exports.label_maps import IndexPngExporter

_CLASSIC_LIMIT = 2**32 - 2**25
"""Bytes that a TIFF with 32-bit offsets may have; what the headers take is left free."""

_PAGE_HEADER = 512


class FilmIndexPngExporter(FilmExporter):
    """``NAME.png`` for every frame with labels, as in exports of pictures; and ``classes.json``."""

    takes_all_frames: ClassVar[bool] = False

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions, film: FilmHead) -> None:
        super().__init__(out, classes, options, film)
        self._pictures = IndexPngExporter(out, classes, options)

    def add(self, frame: LabelledFrame) -> Path:  # noqa: D102
        labels = filled(frame, self.film.size)
        return self._pictures.add(
            LabelledPicture(frame.name, Path(frame.file_name), frame.file_name, labels, frame.read_rgb)
        )

    def finish(self) -> None:  # noqa: D102
        self._pictures.finish()


class TiffStackExporter(FilmExporter):
    """``NAME.tif``: pages (T, Y, X), 8-bit grey, zlib compressed, 255 where there is no class; and ``classes.json``.

    The description is ImageJ's: number of frames, seconds between two of them (``finterval``, the mean where the rate
    varies), frames a second; and, under ``classes``, the class names as JSON. A stack that could pass 4 GB is a
    BigTIFF.
    """

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions, film: FilmHead) -> None:
        super().__init__(out, classes, options, film)
        import tifffile

        self._pending = PendingFile(out / f"{film.name}.tif")
        most = film.count * (film.size[0] * film.size[1] + _PAGE_HEADER)
        try:
            with storage_errors(self._pending.path):
                self._writer = tifffile.TiffWriter(self._pending.file, bigtiff=most > _CLASSIC_LIMIT)
        except BaseException:
            self.close()
            raise

    def add(self, frame: LabelledFrame) -> Path:  # noqa: D102
        with storage_errors(self._pending.path):
            self._writer.write(
                np.ascontiguousarray(filled(frame, self.film.size)),
                photometric="minisblack",
                compression="zlib",
                description=self._description() if frame.index == 0 else None,
                metadata=None,
                software=False,
            )
        return self._pending.path

    def finish(self) -> None:  # noqa: D102
        with storage_errors(self._pending.path):
            self._writer.close()
        drop_unless_same(self.out / "classes.json", classes_text(self.classes))
        self._pending.keep()
        write_classes(self.out / "classes.json", self.classes)

    def close(self) -> None:  # noqa: D102
        self._pending.drop()

    def _description(self) -> str:
        rate, count = self.film.frame_rate, self.film.count
        lines = {
            "ImageJ": "1.11a",
            "images": count,
            "frames": count,
            "hyperstack": "true",
            "mode": "grayscale",
        }
        if rate:
            lines |= {"tunit": "sec", "finterval": repr(1 / rate), "fps": repr(float(rate))}
        lines |= {"loop": "false", "min": "0.0", "max": "255.0"}
        names = {str(code): name for code, name in enumerate(self.classes.names)}
        # In ASCII, which TIFF allows alone.
        lines["classes"] = json.dumps(names, separators=(",", ":"))
        return "".join(f"{key}={value}\n" for key, value in lines.items())
