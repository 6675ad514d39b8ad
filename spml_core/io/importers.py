"""Foreign files to marks. Everything is checked before anything is returned: an import is whole or it isn't.

Here 255 gets its meaning (METHODS.md 0.2): "not annotated" in a scribble PNG, void in a mask.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from spml_core.annotations import UNTOUCHED, Mark, Patch, Point
from spml_core.classes import IGNORE, ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io.index_png import read_index_png
from spml_core.io.points_csv import read_point_rows

Sizes: TypeAlias = Mapping[str, tuple[int, int]]
"""Height and width of each picture, by its stem."""


def read_scribbles(folder: Path | str, pictures: Sizes, classes: ClassTable) -> dict[str, list[Mark]]:
    """Scribbles from index PNGs, one beside each picture's stem; 255 is not annotated.

    Parameters
    ----------
    folder : path
        Searched with all its subfolders.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable

    Returns
    -------
    dict
        For each picture with at least one annotated pixel, one patch as small as its pixels allow.

    Raises
    ------
    MarkError
        If there is no PNG, one can't be read, belongs to no picture or has another size, or two have one
        stem.
    ClassError
        If a PNG holds an index that is no class.
    """
    marks: dict[str, list[Mark]] = {}
    for stem, codes in _read_maps(folder, pictures, classes, "scribbles").items():
        touched = codes != IGNORE
        rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
        if not rows.size:
            continue
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        labels = np.where(touched[part], codes[part], np.uint8(UNTOUCHED))
        marks[stem] = [Patch(int(rows[0]), int(columns[0]), labels)]
    return marks


def read_masks(folder: Path | str, pictures: Sizes, classes: ClassTable) -> dict[str, list[Mark]]:
    """Full masks from index PNGs, one beside each picture's stem; 255 is void, every other pixel is labelled.

    Parameters, result and errors as for ``read_scribbles``, with one patch as large as the picture.
    """
    return {
        stem: [Patch(0, 0, codes)] for stem, codes in _read_maps(folder, pictures, classes, "masks").items()
    }


def read_points(path: Path | str, pictures: Sizes, classes: ClassTable) -> dict[str, list[Mark]]:
    """Points from a table ``image,x,y,class``: image is a stem or file name, class a name or an index.

    Parameters
    ----------
    path : path
        See ``read_point_rows``.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable

    Returns
    -------
    dict
        The points of each picture that has any, in the order of the file.

    Raises
    ------
    MarkError
        If the table can't be read, or a point belongs to no picture or lies outside it. Pixel centres are
        whole numbers, so x may go from -0.5 up to, not including, the width.
    ClassError
        If a class is unknown.
    """
    marks: dict[str, list[Mark]] = {}
    for row in read_point_rows(path):
        where = f"{path}, line {row.line}"
        stem = _stem_of(row.image, pictures)
        if stem is None:
            raise MarkError(
                f"{where}: there is no picture {row.image!r}.", "Give the stem or file name of a picture."
            )
        height, width = pictures[stem]
        if not (-0.5 <= row.x < width and -0.5 <= row.y < height):
            raise MarkError(
                f"{where}: the point x = {row.x:g}, y = {row.y:g} lies outside {stem},"
                f" {width} wide and {height} high.",
                "Give x and y in pixels from the top left corner.",
            )
        try:
            index = classes.index(row.class_word)
        except ClassError as error:
            raise ClassError(f"{where}: {error.problem}", error.remedy) from error
        y, x = min(row.y, height - 1), min(row.x, width - 1)
        marks.setdefault(stem, []).append(Point(index, y, x))
    return marks


def _read_maps(
    folder: Path | str, pictures: Sizes, classes: ClassTable, what: str
) -> dict[str, npt.NDArray[np.uint8]]:
    """Return checked codes of every index PNG under a folder, by stem."""
    maps: dict[str, npt.NDArray[np.uint8]] = {}
    for stem, path in find_index_pngs(folder, what).items():
        if stem not in pictures:
            raise MarkError(
                f"{path} belongs to no picture: there is none named {stem!r}.",
                "Name it as its picture, or take it out of the folder.",
            )
        codes = read_index_png(path)
        if codes.shape != tuple(pictures[stem]):
            height, width = pictures[stem]
            raise MarkError(
                f"{path} is {codes.shape[0]} x {codes.shape[1]} pixels, its picture {height} x {width}.",
                "Draw it on the picture at its full size.",
            )
        used = np.flatnonzero(np.bincount(codes.ravel(), minlength=256))
        unknown = [int(code) for code in used if code >= len(classes) and code != IGNORE]
        if unknown:
            listed = ", ".join(f"{i} {name}" for i, name in enumerate(classes.names))
            raise ClassError(
                f"{path} holds the class index {unknown[0]}.",
                f"The classes are: {listed}; 255 is for the rest.",
            )
        maps[stem] = codes
    return maps


def find_index_pngs(folder: Path | str, what: str) -> dict[str, Path]:
    """Return the PNGs in a folder and its subfolders by stem, hidden ones left out.

    Parameters
    ----------
    folder : path
    what : str
        What they are, for the error: scribbles, masks, predictions.

    Raises
    ------
    MarkError
        If there is no PNG, or two have one stem.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MarkError(f"There is no folder {folder}.", f"Give the folder that holds the {what}.")
    found: dict[str, Path] = {}
    for where, subfolders, files in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where, name)
            if name.startswith(".") or path.suffix.lower() != ".png":
                continue
            if path.stem in found:
                raise MarkError(
                    f"Two files belong to the picture {path.stem!r}: {found[path.stem]} and {path}.",
                    "Keep one of them.",
                )
            found[path.stem] = path
    if not found:
        raise MarkError(f"There is no PNG in {folder}.", f"Give the folder that holds the {what}.")
    return found


def _stem_of(image: str, pictures: Sizes) -> str | None:
    """Return the picture that a stem, file name or path means."""
    name = PurePosixPath(image.replace("\\", "/")).name
    return next((word for word in (image, name, PurePosixPath(name).stem) if word in pictures), None)
