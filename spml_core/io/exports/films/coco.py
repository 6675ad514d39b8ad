"""COCO JSON of a film: every connected piece of a class in every frame is an annotation."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from PIL import Image

from spml_core.classes import ClassTable
from spml_core.io.atomic import write_atomic
from spml_core.io.exports.coco import CocoFile
from spml_core.io.exports.exporter import ExportOptions, make_folder
from spml_core.io.exports.films.exporter import FilmExporter, FilmHead, LabelledFrame, filled


class FilmCocoExporter(FilmExporter):
    """``annotations.json`` with the frames that have labels; the frames in ``images``, as PNG, if they are wanted.

    As in exports of pictures. An image's ``id`` is its frame's index plus 1; ``film``, ``frame`` (the index, from 0)
    and ``time`` (seconds from the first frame) tell where in the film it is.
    """

    takes_all_frames: ClassVar[bool] = False

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions, film: FilmHead) -> None:
        super().__init__(out, classes, options, film)
        self._coco = CocoFile(out, classes, options)

    @property
    def needs_pictures(self) -> bool:  # noqa: D102
        return bool(self.options.copy_images)

    def add(self, frame: LabelledFrame) -> Path:  # noqa: D102
        file_name = frame.file_name
        if self.needs_pictures:
            file_name = f"{frame.name}.png"
            image = Image.fromarray(frame.read_rgb())
            write_atomic(
                make_folder(self.out / "images") / file_name, lambda file: image.save(file, format="PNG")
            )
        about = {
            "film": self.film.name,
            "frame": frame.index,
            "time": round(float(self.film.times[frame.index]), 6),
        }
        self._coco.add(filled(frame, self.film.size), frame.index + 1, file_name, about)
        return self._coco.path

    def finish(self) -> None:  # noqa: D102
        self._coco.finish()

    def close(self) -> None:  # noqa: D102
        self._coco.close()
