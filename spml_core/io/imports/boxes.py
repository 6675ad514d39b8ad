"""Boxes from COCO JSON, Pascal VOC XML or YOLO text files: which of them it is, is found out."""

from __future__ import annotations

from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io.imports.coco_boxes import read_coco_boxes
from spml_core.io.imports.coco_dataset import is_coco
from spml_core.io.imports.files import find_files
from spml_core.io.imports.pictures import MarksByPicture, Sizes, is_named_after_picture
from spml_core.io.imports.voc_boxes import read_voc_boxes
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.imports.yolo_boxes import read_yolo_boxes

__all__ = ["read_boxes", "read_coco_boxes", "read_voc_boxes", "read_yolo_boxes"]

_KINDS = {".json": "COCO JSON", ".xml": "Pascal VOC XML", ".txt": "YOLO text"}


def read_boxes(
    path: Path | str, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Boxes from a COCO JSON file, from Pascal VOC XML or YOLO text files, or from a folder of one kind.

    In a folder a JSON file is taken for COCO, an XML file for Pascal VOC, and a text file with a picture's
    name for YOLO.

    Parameters
    ----------
    path : path
        A file, or a folder that is searched with all its subfolders.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings
        Is told of boxes that were cut or left out, and of classes that went by number.

    Returns
    -------
    dict
        The boxes of each picture that has any, cut at its borders.

    Raises
    ------
    MarkError
        If nothing is there, or no or more than one kind of file; if a file can't be read, a box is of an
        unknown picture, of zero size, or wholly outside its picture.
    ClassError
        If a box is of a class that isn't there.
    """
    path = Path(path)
    if not path.exists():
        raise MarkError(f"There is no {path}.", "Give the file or folder that holds the boxes.")
    if path.is_dir():
        kind, files = _files_of_one_kind(path, pictures)
    else:
        kind, files = path.suffix.lower(), [path]
    if kind == ".xml":
        return read_voc_boxes(files, path, pictures, classes, warnings)
    if kind == ".txt":
        return read_yolo_boxes(files, path, pictures, classes, warnings)
    if kind != ".json":
        raise MarkError(
            f"{path} is no file of boxes that can be read.", f"Give {', '.join(_KINDS.values())} or a folder."
        )
    return read_coco_boxes(files[0], pictures, classes, warnings)


def _files_of_one_kind(folder: Path, pictures: Sizes) -> tuple[str, list[Path]]:
    by_kind: dict[str, list[Path]] = {}
    for path in find_files(folder, _KINDS, "boxes"):
        by_kind.setdefault(path.suffix.lower(), []).append(path)
    # Data sets hold other text files too, such as lists of pictures.
    if not any(is_named_after_picture(path, pictures, folder) for path in by_kind.get(".txt", ())):
        by_kind.pop(".txt", None)
    if not by_kind:
        raise MarkError(
            f"There are no boxes in {folder}.",
            "Give COCO JSON, Pascal VOC XML, or YOLO text files named as their pictures.",
        )
    if len(by_kind) > 1 and not any(map(is_coco, by_kind.get(".json", ()))):
        by_kind.pop(".json", None)  # notes of a program
    if len(by_kind) > 1:
        kinds = " and ".join(_KINDS[kind] for kind in sorted(by_kind))
        raise MarkError(f"{folder} holds {kinds}.", "Give the file or folder of one of them.")
    ((kind, files),) = by_kind.items()
    if kind == ".json" and len(files) > 1:
        raise MarkError(
            f"{folder} holds {len(files)} JSON files, {files[0].name} first.", "Give one of them."
        )
    return kind, files
