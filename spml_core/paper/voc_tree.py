"""PASCAL VOC 2012 as the paper uses it: one folder with pictures, lists, masks and the usual weak annotations.

JPEGImages/NAME.jpg
ImageSets/Segmentation/train_aug.txt (or trainaug.txt, else train.txt), val.txt
SegmentationClass/NAME.png        truth of val
SegmentationObject/NAME.png       instances of val; may be missing
SegmentationClassAug/NAME.png     SBD's masks; tags come from them where there is no Annotations/NAME.xml
scribbles/NAME.png or NAME.xml    (or pascal_2012_scribble) ScribbleSup
points/NAME.png, or points.json   What's the Point (or whats_the_point.json, voc_whats_the_point.json); every
                                  *_bg_from_scribbles.json adds background
Annotations/NAME.xml              boxes
cam/NAME.npy                      (or CAM) activation maps; may be missing
hed/NAME.png, .npy or .mat        over-segmentation; may be missing
classes.json                      only where the classes aren't VOC's own
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Box, CoarseMarks, Mark, rasterize, tag_vector
from spml_core.classes import IGNORE, ClassTable
from spml_core.errors import MarkError
from spml_core.images import Picture
from spml_core.io import read_classes, read_index_png
from spml_core.io.imports.points import read_clicks
from spml_core.io.imports.scribbles import read_scribbles
from spml_core.io.imports.voc_boxes import read_voc_boxes
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.paper.data import EvaluationPicture, PaperData
from spml_core.paper.parts import Parts, Sizes, read_instances
from spml_core.paper.presets import Annotation
from spml_core.paper.side_files import activation_folder, region_folder
from spml_core.training.training_set import TrainingPicture, TrainingSet

VOC_CLASSES = ClassTable.from_names(
    (
        "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
        "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
    )
)  # fmt: skip

_SCRIBBLES = ("scribbles", "pascal_2012_scribble", "scribble")
_POINT_MAPS = ("points", "pascal_2012_points", "point")
_CLICKS = ("points.json", "whats_the_point.json", "voc_whats_the_point.json")
_BACKGROUND_CLICKS = "*_bg_from_scribbles.json"
_LISTS = "ImageSets/Segmentation"
_INSIDE = ("", "VOC2012", "VOCdevkit/VOC2012")


def read_voc(folder: Path, annotation: Annotation) -> tuple[PaperData, tuple[str, ...]]:
    """Data of a VOC tree, and warnings to show.

    Parameters
    ----------
    folder : Path
        The tree, or the folder above it (``VOCdevkit``, or what holds that).
    annotation : str
        What the training pictures are marked with.

    Raises
    ------
    MarkError
        If parts are missing: it lists all of them. If a file is damaged or doesn't fit its picture.
    ClassError
        If a file speaks of a class that isn't there.
    """
    root = next((folder / inner for inner in _INSIDE if (folder / inner / "JPEGImages").is_dir()), folder)
    classes = read_classes(root / "classes.json") if (root / "classes.json").is_file() else VOC_CLASSES
    parts = Parts(root)
    pictures = parts.files(("JPEGImages",), (".jpg", ".jpeg", ".png"))
    train = parts.names(*(f"{_LISTS}/{name}.txt" for name in ("train_aug", "trainaug", "train")))
    val = parts.names(f"{_LISTS}/val.txt")
    truths = parts.files(("SegmentationClass", "SegmentationClassAug"), (".png",))
    parts.need("pictures of the training list", train, pictures)
    parts.need("pictures of val", val, pictures)
    parts.need("masks of val", val, truths)
    reader = _READERS[annotation]
    found = ImportWarnings()
    training = reader(parts, train, pictures, classes, found)
    instances = parts.files(("SegmentationObject",), (".png",), optional=True)
    activation = activation_folder(parts, train, classes) if annotation in ("boxes", "tags") else None
    regions = region_folder(parts, train, pictures)
    parts.complain()
    data = PaperData(
        TrainingSet(tuple(training()), classes.names),
        tuple(
            EvaluationPicture(
                name,
                Picture(pictures[name]).rgb,
                partial(read_index_png, truths[name]),
                partial(read_instances, instances[name]) if name in instances else None,
            )
            for name in val
        ),
        activation,
        regions,
    )
    warnings = list(found.lines)
    if train and not any((root / _LISTS / f"{name}.txt").is_file() for name in ("train_aug", "trainaug")):
        warnings.append(
            f"There is no {_LISTS}/train_aug.txt: training on the {len(train)} pictures of train.txt."
        )
    return data, tuple(warnings)


Build = Callable[[], list[TrainingPicture]]
"""Reads the marks once it is known that nothing is missing."""


def _scribbled(
    parts: Parts,
    names: Sequence[str],
    pictures: dict[str, Path],
    classes: ClassTable,
    found: ImportWarnings,
) -> Build:
    files = parts.files(_SCRIBBLES, (".png", ".xml"))
    parts.need("scribbles of training pictures", names, files)

    def build() -> list[TrainingPicture]:
        marks: dict[str, list[Mark]] = {}
        if any(path.suffix == ".xml" for path in files.values()):
            folder = next(iter(files.values())).parent
            marks = read_scribbles(folder, Sizes(pictures), classes, found)
        return [
            _from_map(name, pictures[name], files[name], classes)
            if files[name].suffix == ".png"
            else _from_marks(name, pictures[name], marks.get(name, []), classes)
            for name in names
        ]

    return build


def _pointed(
    parts: Parts,
    names: Sequence[str],
    pictures: dict[str, Path],
    classes: ClassTable,
    found: ImportWarnings,
) -> Build:
    clicks = parts.file(*_CLICKS, optional=True)
    if clicks is None:
        files = parts.files(_POINT_MAPS, (".png",), instead=_CLICKS)
        parts.need("points of training pictures", names, files)
        return lambda: [_from_map(name, pictures[name], files[name], classes) for name in names]
    sources = [clicks, *sorted(parts.root.glob(_BACKGROUND_CLICKS))]

    def build() -> list[TrainingPicture]:
        sizes = Sizes({name: pictures[name] for name in names})
        marks: dict[str, list[Mark]] = {name: [] for name in names}
        for source in sources:
            # Its warnings speak of pictures that aren't in the list; here that is as it should be.
            for name, points in read_clicks(source, sizes, classes, ImportWarnings()).items():
                marks[name] += points
        _all_marked(marks, f"{clicks} has no click on")
        return [_from_marks(name, pictures[name], marks[name], classes) for name in names]

    return build


def _boxed(
    parts: Parts,
    names: Sequence[str],
    pictures: dict[str, Path],
    classes: ClassTable,
    found: ImportWarnings,
) -> Build:
    files = parts.files(("Annotations",), (".xml",))
    parts.need("boxes of training pictures", names, files)

    def build() -> list[TrainingPicture]:
        marks = _boxes(names, files, pictures, classes, found)
        _all_marked(marks, f"{parts.root / 'Annotations'} has no box of")
        return [
            _coarse(
                name,
                pictures[name],
                CoarseMarks(boxes=tuple(mark for mark in marks[name] if isinstance(mark, Box))),
                {mark.class_index for mark in marks[name] if isinstance(mark, Box)},
                len(classes),
            )
            for name in names
        ]

    return build


def _tagged(
    parts: Parts,
    names: Sequence[str],
    pictures: dict[str, Path],
    classes: ClassTable,
    found: ImportWarnings,
) -> Build:
    boxes = parts.files(("Annotations",), (".xml",), optional=True)
    masks = parts.files(("SegmentationClassAug",), (".png",), optional=True)
    masks = parts.files(("SegmentationClass",), (".png",), optional=True) | masks
    what = "tags (Annotations/NAME.xml or SegmentationClassAug/NAME.png) of training pictures"
    parts.need(what, names, boxes | masks)

    def build() -> list[TrainingPicture]:
        marks = _boxes([name for name in names if name in boxes], boxes, pictures, classes, found)
        made = []
        for name in names:
            if name in marks:
                held = {mark.class_index for mark in marks[name] if isinstance(mark, Box)}
            else:
                codes = np.unique(read_index_png(masks[name]))
                held = {int(code) for code in codes if 0 < code < len(classes)}
            coarse = CoarseMarks(tags=tuple(sorted(held)), complete=True)
            made.append(_coarse(name, pictures[name], coarse, held, len(classes)))
        return made

    return build


_READERS = {"scribbles": _scribbled, "points": _pointed, "boxes": _boxed, "tags": _tagged}


def _boxes(
    names: Sequence[str],
    files: dict[str, Path],
    pictures: dict[str, Path],
    classes: ClassTable,
    found: ImportWarnings,
) -> dict[str, list[Mark]]:
    marks: dict[str, list[Mark]] = {name: [] for name in names}
    paths = [files[name] for name in names]
    folder = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    return marks | read_voc_boxes(paths, folder, Sizes(pictures), classes, found)


def _all_marked(marks: dict[str, list[Mark]], problem: str) -> None:
    empty = [name for name, its_marks in marks.items() if not its_marks]
    if empty:
        raise MarkError(
            f"{problem} {len(empty)} of {len(marks)} training pictures ({', '.join(empty[:3])}...).",
            "Add them, or take the pictures off the list.",
        )


def _from_map(name: str, picture: Path, path: Path, classes: ClassTable) -> TrainingPicture:
    """Picture with an index PNG of marks, in which 255 is a pixel that nobody marked."""
    source = Picture(picture)

    def labels() -> NDArray[np.uint8]:
        codes = read_index_png(path, source.size)
        codes[codes == IGNORE] = classes.unlabeled
        if codes.size and int(codes.max()) > classes.unlabeled:
            raise MarkError(
                f"{path} holds the code {int(codes.max())}; there are {len(classes)} classes.",
                "Use class indexes, and 255 where nothing is marked.",
            )
        return codes

    present = np.bincount(labels().ravel(), minlength=IGNORE + 1)[: len(classes)] > 0
    return TrainingPicture(name, source.rgb, labels, present)


def _from_marks(name: str, picture: Path, marks: list[Mark], classes: ClassTable) -> TrainingPicture:
    source = Picture(picture)

    def labels() -> NDArray[np.uint8]:
        return rasterize(marks, source.size, len(classes))

    return TrainingPicture(name, source.rgb, labels, tag_vector(marks, labels(), len(classes)))


def _coarse(
    name: str, picture: Path, coarse: CoarseMarks, held: set[int], num_classes: int
) -> TrainingPicture:
    tags = np.zeros(num_classes, bool)
    tags[list(held)] = True
    return TrainingPicture(name, Picture(picture).rgb, None, tags, coarse)
