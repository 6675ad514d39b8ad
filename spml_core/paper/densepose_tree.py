"""DensePose-COCO, or any pictures with key points of body parts, in one folder.

images/NAME.jpg        or .png
train.txt, val.txt     a name a line
densepose.json         DensePose-COCO's annotations, whose part masks give the key points; or
keypoints.json         COCO key points named as the classes; or
keypoints.csv          image,x,y,class and size (square root of the object's area) or instance
masks/NAME.png         truth of val: 0 background, 1 to 14 parts, 255 void
instances/NAME.png     instances of val; may be missing
pmi/NAME.png, .npy or .mat
                       (or regions, hed) over-segmentation; may be missing
classes.json           only where the classes aren't DensePose's 15
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from spml_core.annotations import CoarseMarks, KeyPoint
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.images import Picture
from spml_core.io import read_classes, read_index_png
from spml_core.io.imports.key_points import read_key_points
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.paper.data import EvaluationPicture, PaperData
from spml_core.paper.parts import Parts, Sizes, read_instances
from spml_core.paper.side_files import region_folder
from spml_core.training.training_set import TrainingPicture, TrainingSet

DENSEPOSE_CLASSES = ClassTable.from_names(
    (
        "background", "torso", "right hand", "left hand", "left foot", "right foot", "right thigh", "left thigh",
        "right leg", "left leg", "left arm", "right arm", "left forearm", "right forearm", "head",
    )
)  # fmt: skip

_PARTS = "densepose.json"
_KEY_POINTS = (_PARTS, "keypoints.json", "keypoints.csv")


def read_densepose(folder: Path) -> tuple[PaperData, tuple[str, ...]]:
    """Data of a folder, and warnings to show.

    Raises
    ------
    MarkError
        If parts are missing: it lists all of them. If a training picture has no key point, or a file is damaged.
    ClassError
        If a file speaks of a class that isn't there.
    """
    table = folder / "classes.json"
    classes = read_classes(table) if table.is_file() else DENSEPOSE_CLASSES
    parts = Parts(folder)
    pictures = parts.files(("images",), (".jpg", ".jpeg", ".png"))
    train, val = parts.names("train.txt"), parts.names("val.txt")
    truths = parts.files(("masks",), (".png",))
    instances = parts.files(("instances",), (".png",), optional=True)
    points = parts.file(*_KEY_POINTS)
    parts.need("pictures of train.txt", train, pictures)
    parts.need("pictures of val.txt", val, pictures)
    parts.need("masks of val.txt", val, truths)
    regions = region_folder(parts, train, pictures)
    parts.complain()
    found = ImportWarnings()
    marks = (
        read_key_points(points, Sizes(pictures), classes, found, densepose=points.name == _PARTS)
        if points is not None
        else {}
    )
    empty = [name for name in train if not marks.get(name)]
    if empty:
        raise MarkError(
            f"{points} has no key point on {len(empty)} of {len(train)} training pictures"
            f" ({', '.join(empty[:3])}).",
            "Add them, or take the pictures off the list.",
        )
    training = []
    for name in train:
        own = tuple(mark for mark in marks[name] if isinstance(mark, KeyPoint))
        tags = np.zeros(len(classes), bool)
        tags[[point.class_index for point in own]] = True
        rgb = Picture(pictures[name]).rgb
        training.append(TrainingPicture(name, rgb, None, tags, CoarseMarks(key_points=own)))
    validation = tuple(
        EvaluationPicture(
            name,
            Picture(pictures[name]).rgb,
            partial(read_index_png, truths[name]),
            partial(read_instances, instances[name]) if name in instances else None,
        )
        for name in val
    )
    data = PaperData(TrainingSet(tuple(training), classes.names), validation, None, regions)
    return data, found.lines
