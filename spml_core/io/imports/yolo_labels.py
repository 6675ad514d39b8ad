"""The labels of a YOLO data set: what is drawn on which picture, whatever it is read as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io.imports.class_words import find_classes, warn_of_one_class
from spml_core.io.imports.files import read_bytes
from spml_core.io.imports.pictures import Said, Sizes, is_named_after_picture, pictures_of_files
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.imports.yolo_lines import YoloLine, YoloShape, looks_like_labels, parse_line, read_shapes
from spml_core.io.imports.yolo_names import find_hints, find_names

_NO_LABELS = ("classes.txt", "train.txt", "val.txt", "test.txt")
"""Text files beside the labels: the classes' names, lists of pictures."""

_ABOUT = ("readme", "license", "licence", "notes", "changelog")
"""How the names of texts for people begin."""


@dataclass(frozen=True)
class YoloLabels:
    """What YOLO's text files say.

    Attributes
    ----------
    shapes : dict
        By picture, in the order of the lines; none for an empty file, which says that nothing is there.
    class_of : dict
        Class by its number in the files.
    """

    shapes: dict[str, list[YoloShape]]
    class_of: dict[int, int]


def read_yolo(
    paths: Sequence[Path],
    source: Path,
    pictures: Sizes,
    classes: ClassTable,
    warnings: ImportWarnings,
    *,
    outlines: bool = False,
) -> YoloLabels:
    """Read YOLO's text files, one for each picture.

    Class numbers follow ``names`` in ``data.yaml``, or the lines of ``classes.txt`` or ``obj.names``, in the
    folder, one of its subfolders or the folder above. Without such a file, or if no name in it is a class,
    they count the project's classes other than the background.

    Parameters
    ----------
    paths : sequence of Path
        The text files; lists of names or pictures and other texts among them are left out.
    source : Path
        The file or folder that the user gave.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings
    outlines : bool
        Whether the user says that the lines hold outlines.

    Raises
    ------
    MarkError
        If a file can't be read or belongs to no picture, or a line isn't understood.
    ClassError
        If a class number is no class.
    """
    texts = _labels(paths, source, pictures, warnings)
    stems = pictures_of_files([Said(path) for path in texts], source, pictures, warnings)
    of_picture: list[str] = []
    lines: list[YoloLine] = []
    shapes: dict[str, list[YoloShape]] = {}
    for (path, text), stem in zip(texts.items(), stems, strict=True):
        if stem is None:
            continue
        found = [
            parse_line(f"{path}, line {number}", line)
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]
        shapes.setdefault(stem, [])
        of_picture += [stem] * len(found)
        lines += found
    class_of = _class_of_numbers(source, classes, warnings)
    for line in lines:
        if line.number not in class_of:
            listed = ", ".join(f"{i} {classes.names[code]}" for i, code in sorted(class_of.items()))
            raise ClassError(
                f"{line.where} has the class number {line.number}, which is no class.",
                f"The class numbers are: {listed or 'none'}.",
            )
    for stem, shape in zip(
        of_picture, read_shapes(lines, find_hints(source), warnings, outlines=outlines), strict=True
    ):
        shapes[stem].append(shape)
    return YoloLabels(shapes, class_of)


def holds_outlines(paths: Sequence[Path], source: Path) -> bool:
    """Whether most lines of some text files, whatever pictures they are of, are outlines and no boxes.

    Raises
    ------
    MarkError
        If a file can't be read.
    """
    texts = [read_bytes(path).decode("utf-8-sig", errors="replace") for path in paths]
    try:
        lines = [
            parse_line("", line)
            for text in texts
            if looks_like_labels(text)
            for line in text.splitlines()
            if line.strip()
        ]
        shapes = read_shapes(lines, find_hints(source), ImportWarnings())
    except MarkError:  # the importer says what is wrong
        return False
    return 2 * sum(not shape.is_box for shape in shapes) > len(shapes)


def _labels(
    paths: Sequence[Path], source: Path, pictures: Sizes, warnings: ImportWarnings
) -> dict[Path, str]:
    """Content of the label files among some text files: those named as pictures, and those that look like labels."""
    named = {path for path in paths if is_named_after_picture(path, pictures, source)}
    folders = {path.parent for path in named}
    texts: dict[Path, str] = {}
    for path in paths:
        if path not in named and path.name.lower() in _NO_LABELS:
            continue
        text = read_bytes(path).decode("utf-8-sig", errors="replace")
        if path not in named and source.is_dir():
            empty = not text.strip() and path.parent not in folders
            stray = text.strip() and not looks_like_labels(text)
            if empty or stray or path.name.lower().startswith(_ABOUT):
                warnings.add("Text files that hold no labels were left out", str(path))
                continue
        texts[path] = text
    return texts


def _class_of_numbers(source: Path, classes: ClassTable, warnings: ImportWarnings) -> dict[int, int]:
    found = find_names(source)
    if found is not None:
        path, names = found
        known = find_classes(str(path), names, classes)
        if known:
            warn_of_one_class(str(path), {names[i]: code for i, code in known.items()}, classes, warnings)
            return known
        reason = f"no name in {path} is a class"
    else:
        reason = f"there is no data.yaml, classes.txt or obj.names at {source}"
    # As our own export numbers them: trainers of detectors know no background.
    objects = [code for code, name in enumerate(classes.names) if name.strip().lower() != "background"]
    warnings.add(
        "Class numbers were counted through the project's classes, the background left out",
        f"{reason}; 0 is {classes.names[objects[0]]!r}" if objects else reason,
    )
    return dict(enumerate(objects))
