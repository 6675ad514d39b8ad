r"""Draw a result for people: picture with its marks, prediction and truth, row by row.

python docs/make_pictures.py SAMPLE PREDICTIONS OUT.png [NAME ...]

SAMPLE is a set of sample_data, PREDICTIONS a folder that ``spml predict`` filled. Without names, all pictures are
shown; marked ones come first. For those without marks the model had only the others'. The README's pictures:

    ./demo nuclei /tmp/n && python docs/make_pictures.py nuclei /tmp/n/predictions docs/nuclei.png \
        fluorescence_b6edad73 fluorescence_9facc652 histology_a5fe0b74 histology_6b0ac2ab
    ./demo people /tmp/p && python docs/make_pictures.py people /tmp/p/predictions docs/people.png \
        0225 0185 0145 0097 0401 0529
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sample_data import sample_path
from spml_core.classes import IGNORE, ClassTable
from spml_core.images import Picture, list_pictures
from spml_core.io import read_classes, read_index_png, read_point_rows

HEIGHT, GAP, HEADER = 200, 6, 30
SHEET_WIDTH = 1660
# Shown on pictures, so that black background doesn't hide: every class in a colour that stands out.
SHOWN = np.array([(70, 70, 70), (245, 166, 35), (74, 163, 255), (0, 190, 130), (250, 225, 60)], np.uint8)
MARKS = np.array([(255, 70, 90), (255, 190, 0), (90, 190, 255), (0, 230, 140), (255, 245, 90)], np.uint8)


def brightened(rgb: np.ndarray) -> np.ndarray:
    """Stretch a dark picture so that it can be seen on a page."""
    top = np.percentile(rgb, 99.5)
    return rgb if top > 160 else np.clip(rgb * (235.0 / max(top, 1)), 0, 255).astype(np.uint8)


def with_marks(
    rgb: np.ndarray, scribbles: np.ndarray | None, points: list[tuple[float, float, int]]
) -> np.ndarray:
    """Lay scribbles and points over a picture."""
    out = rgb.copy()
    if scribbles is not None:
        drawn = scribbles != IGNORE
        out[drawn] = MARKS[scribbles[drawn]]
    image = Image.fromarray(out)
    pen = ImageDraw.Draw(image)
    for x, y, index in points:
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=tuple(MARKS[index]), outline=(255, 255, 255))
    return np.asarray(image)


def with_labels(rgb: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Tint the classes over a picture and draw their borders; void is white."""
    color = np.full((*labels.shape, 3), 255, np.uint8)
    known = labels != IGNORE
    color[known] = SHOWN[labels[known]]
    strength = np.where(labels == 0, 0.55, 0.6)[..., None]
    out = rgb * (1 - strength) + color * strength
    border = np.zeros(labels.shape, bool)
    border[:-1] |= labels[:-1] != labels[1:]
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    out[border] = 255
    return out.astype(np.uint8)


def row(sample: Path, path: Path, predictions: Path, classes: ClassTable) -> tuple[bool, Image.Image]:
    """Three tiles of one picture, and whether it was marked."""
    rgb = brightened(Picture(path).rgb())
    scribble_file = sample / "scribbles" / f"{path.stem}.png"
    scribbles = read_index_png(scribble_file) if scribble_file.is_file() else None
    points = [
        (point.x, point.y, classes.index(point.class_word))
        for point in read_point_rows(sample / "points.csv")
        if point.image == path.stem
    ]
    tiles = [
        with_marks(rgb, scribbles, points),
        with_labels(rgb, read_index_png(predictions / f"{path.stem}.png")),
        with_labels(rgb, read_index_png(sample / "masks" / f"{path.stem}.png")),
    ]
    width = round(HEIGHT * rgb.shape[1] / rgb.shape[0])
    strip = Image.new("RGB", (3 * width + 2 * GAP, HEIGHT + HEADER), "white")
    marked = scribbles is not None or bool(points)
    pen = ImageDraw.Draw(strip)
    font = ImageFont.load_default(15)
    for i, (tile, title) in enumerate(
        zip(tiles, ("marks" if marked else "no marks", "prediction", "truth"), strict=True)
    ):
        left = i * (width + GAP)
        strip.paste(Image.fromarray(tile).resize((width, HEIGHT), Image.Resampling.LANCZOS), (left, HEADER))
        pen.text((left + 2, 6), title, fill=(60, 60, 60), font=font)
    return marked, strip


def sheet(strips: list[Image.Image]) -> Image.Image:
    """Strips from left to right, and below each other where the width is used up."""
    places, left, top, widest = [], 0, 0, 0
    for strip in strips:
        if left and left + strip.width > SHEET_WIDTH:
            left, top = 0, top + strip.height + GAP
        places.append((left, top))
        widest = max(widest, left + strip.width)
        left += strip.width + 4 * GAP
    out = Image.new("RGB", (widest + 2 * GAP, top + strips[-1].height + 2 * GAP), "white")
    for strip, (x, y) in zip(strips, places, strict=True):
        out.paste(strip, (x + GAP, y + GAP))
    return out


def main() -> None:
    """Draw what the command line says."""
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    name, predictions, out, *wanted = sys.argv[1:]
    sample = sample_path(name)
    classes = read_classes(sample / "classes.json")
    paths = [path for path in list_pictures(sample / "images") if not wanted or path.stem in wanted]
    rows = sorted(
        (row(sample, path, Path(predictions), classes) for path in paths), key=lambda pair: not pair[0]
    )
    sheet([strip for _, strip in rows]).save(out, optimize=True)


if __name__ == "__main__":
    main()
