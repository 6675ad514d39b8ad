"""Label maps as they are: one file a picture whose values are the class codes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.io.atomic import write_atomic
from spml_core.io.classes_json import classes_text, write_classes
from spml_core.io.exports.exporter import (
    Exporter,
    ExportOptions,
    LabelledPicture,
    Palette,
    drop_unless_same,
)

Color = tuple[int, int, int]


class _WithClasses(Exporter):
    """Maps of labels, and ``classes.json`` that names their codes."""

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions) -> None:
        super().__init__(out, classes, options)
        drop_unless_same(out / "classes.json", classes_text(classes))

    def finish(self) -> None:
        write_classes(self.out / "classes.json", self.classes)


class IndexPngExporter(_WithClasses):
    """``NAME.png``: a palette PNG, 255 where there is no class; and ``classes.json``.

    The VOC palette is that of the PASCAL VOC development kit.
    """

    def add(self, item: LabelledPicture) -> Path:  # noqa: D102
        path = self.out / f"{item.name}.png"
        image = Image.fromarray(np.ascontiguousarray(item.labels))
        image.putpalette(
            [channel for color in palette_of(self.classes, self.options.palette) for channel in color]
        )
        write_atomic(path, lambda file: image.save(file, format="PNG"))
        return path


class TiffExporter(_WithClasses):
    """``NAME.tif``: an 8-bit grey TIFF, zlib compressed, 255 where there is no class; and ``classes.json``.

    The class names also stand in the file's description, as JSON.
    """

    def add(self, item: LabelledPicture) -> Path:  # noqa: D102
        import tifffile

        path = self.out / f"{item.name}.tif"
        names = {str(code): name for code, name in enumerate(self.classes.names)}
        buffer = BytesIO()  # tifffile takes no file without a name
        tifffile.imwrite(
            buffer, item.labels, compression="zlib", photometric="minisblack", metadata={"classes": names}
        )
        write_atomic(path, buffer.getvalue())
        return path


def palette_of(classes: ClassTable, palette: Palette) -> list[Color]:
    """256 colours by code. The project's own end with its classes; VOC's go on behind them."""
    colors = [voc_color(code) for code in range(256)]
    if palette == "project":
        colors[: len(classes)] = [info.color for info in classes]
    return colors


def voc_color(code: int) -> Color:
    """Colour of a code in PASCAL VOC's palette: black, maroon, green, ...; (224, 224, 192) for 255.

    From the lowest on, the code's bits go to red, green and blue in turn, into ever lower bits of the colour.
    """
    color = [0, 0, 0]
    for bit in range(8):
        color[bit % 3] |= (code >> bit & 1) << 7 - bit // 3
    return color[0], color[1], color[2]
