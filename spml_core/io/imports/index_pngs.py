"""Scribbles and masks from index PNGs.

Here 255 gets its meaning (METHODS.md 0.2): "not annotated" in a scribble PNG, void in a mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spml_core.annotations import UNTOUCHED, Patch
from spml_core.classes import IGNORE, ClassTable
from spml_core.errors import ClassError
from spml_core.io.imports.coco_masks import read_coco_masks
from spml_core.io.imports.files import find_files, find_files_by_stem
from spml_core.io.imports.pictures import MarksByPicture, Sizes, find_picture_files, is_named_after_picture
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.imports.yolo_masks import read_yolo_masks
from spml_core.io.mask_folders import mask_reader


def read_masks(
    folder: Path | str, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings | None = None
) -> MarksByPicture:
    """Full masks from index PNGs, one beside each picture's stem; 255 is void, every other pixel is labelled.

    Or from the outlines and run lengths of a COCO JSON file, see ``read_coco_masks``, or from the outlines of YOLO's
    text files, see ``read_yolo_masks``.

    Parameters
    ----------
    folder : path
        Searched with all its subfolders; or a COCO file. PNGs in a folder called images, beside such files, are the
        pictures themselves.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings, optional
        Is told of files whose folders name other pictures, and of masks in black and white. See ``mask_reader``.

    Returns
    -------
    dict
        For each picture one patch as large as it is.

    Raises
    ------
    MarkError
        If there is no PNG, one can't be read, belongs to no picture or has another size, or two are of one
        picture.
    ClassError
        If a PNG holds an index that is no class.
    """
    warnings = warnings or ImportWarnings()
    path = Path(folder)
    if (file := _coco_file(path)) is not None:
        return read_coco_masks(file, pictures, classes, warnings)
    if texts := _yolo_files(path, pictures):
        return read_yolo_masks(texts, path, pictures, classes, warnings)
    files = find_picture_files(folder, (".png",), "masks", pictures, warnings)
    sizes = {path: pictures[name] for name, path in files.items()}
    read = mask_reader(list(sizes), classes, "masks", warnings, sizes)
    return {name: [Patch(0, 0, checked_codes(path, read(path), classes))] for name, path in files.items()}


def _coco_file(path: Path) -> Path | None:
    """The JSON file that was given, or that a folder without masks holds alone."""
    if path.is_file() and path.suffix.lower() == ".json":
        return path
    if not path.is_dir() or masks_among(find_files(path, (".png",), "masks"), path):
        return None
    found = find_files(path, (".json",), "masks")
    return found[0] if len(found) == 1 else None


def _yolo_files(path: Path, pictures: Sizes) -> list[Path]:
    """The text file that was given, or those of a folder without masks if some are named as pictures."""
    if path.is_file() and path.suffix.lower() == ".txt":
        return [path]
    if not path.is_dir() or masks_among(find_files(path, (".png",), "masks"), path):
        return []
    found = find_files(path, (".txt",), "masks")
    return found if any(is_named_after_picture(file, pictures, path) for file in found) else []


def masks_among(pngs: Iterable[Path], folder: Path) -> list[Path]:
    """The PNGs of a folder but for those in subfolders called images, where data sets keep their pictures."""
    return [path for path in pngs if "images" not in map(str.lower, path.relative_to(folder).parts[:-1])]


def scribble_patch(codes: npt.NDArray[np.uint8]) -> Patch | None:
    """A patch of the codes (H, W) other than 255, as small as they allow; None if there are none."""
    touched = codes != IGNORE
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if not rows.size:
        return None
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    labels = np.where(touched[part], codes[part], np.uint8(UNTOUCHED))
    return Patch(int(rows[0]), int(columns[0]), labels)


def checked_codes(path: Path, codes: npt.NDArray[np.uint8], classes: ClassTable) -> npt.NDArray[np.uint8]:
    """The codes (H, W) themselves.

    Raises
    ------
    ClassError
        If one is no class, nor 255.
    """
    used = np.flatnonzero(np.bincount(codes.ravel(), minlength=256))
    unknown = [int(code) for code in used if code >= len(classes) and code != IGNORE]
    if unknown:
        raise ClassError(
            f"{path} holds the class index {unknown[0]}.",
            f"The classes are: {classes.listed}; 255 is for the rest.",
        )
    return codes


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
    return find_files_by_stem(folder, (".png",), what)
