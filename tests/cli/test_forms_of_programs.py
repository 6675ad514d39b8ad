"""A file of each form as well-known programs write it: all of them come in, whatever else is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Box, Patch, Point, Scribble, Tag
from spml_core.project import Project

LABELIMG = """<annotation>
	<folder>images</folder>
	<filename>a.png</filename>
	<path>/home/somebody/images/a.png</path>
	<source><database>Unknown</database></source>
	<size><width>64</width><height>48</height><depth>3</depth></size>
	<segmented>0</segmented>
	<object>
		<name>right</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
		<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>25</ymax></bndbox>
	</object>
</annotation>
"""


def coco(annotation, **more):
    """As CVAT and Roboflow write it."""
    return json.dumps(
        {
            "licenses": [{"name": "", "id": 0, "url": ""}],
            "info": {"contributor": "", "date_created": "", "description": "", "url": "", "version": ""},
            "categories": [{"id": 1, "name": "left", "supercategory": ""}, {"id": 2, "name": "right"}],
            "images": [
                {"id": 1, "width": 64, "height": 48, "file_name": "a.png", "license": 0, "date_captured": 0}
            ],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 2, "area": 400.0, "bbox": [10.0, 5.0, 20.0, 20.0],
                 "iscrowd": 0, "attributes": {"occluded": False, "rotation": 0.0}, **annotation}
            ],
            **more,
        }
    )  # fmt: skip


def labelme(kind, points, version="5.5.0", **more):
    shape = {"label": "right", "points": points, "group_id": None, "description": "", "shape_type": kind,
             "flags": {}, "mask": None}  # fmt: skip
    return json.dumps(
        {"version": version, "flags": {}, "shapes": [shape | more], "imagePath": "..\\images\\a.png",
         "imageData": None, "imageHeight": 48, "imageWidth": 64}
    )  # fmt: skip


BOX = Box(1, 5, 10, 25, 30)
YOLO = "1 0.312500 0.312500 0.312500 0.416667"
FORMS = {
    "LabelImg": ("boxes", {"a.xml": LABELIMG}, Box),
    "CVAT's boxes": ("boxes", {"instances_default.json": coco({"segmentation": []})}, Box),
    "Roboflow's boxes": (
        "boxes",
        {"_annotations.coco.json": coco({"segmentation": [[10, 5, 30, 5, 30, 25, 10, 25]]})},
        Box,
    ),
    "CVAT's outlines": (
        "masks",
        {"instances_default.json": coco({"segmentation": [[10.5, 5.2, 30.1, 5, 30, 24.9]]})},
        Patch,
    ),
    "COCO's run lengths": (
        "masks",
        {"c.json": coco({"segmentation": {"size": [48, 64], "counts": [485, 20, 48 * 64 - 505]}})},
        Patch,
    ),
    "Darknet": ("boxes", {"a.txt": f"{YOLO}\n", "obj.names": "left\nright\n", "train.txt": "data/a.png\n"}, Box),
    "Ultralytics": (
        "boxes",
        {"labels/a.txt": f"{YOLO}\r\n", "data.yaml": "path: ../x\ntrain: images\nnames:\n  0: left\n  1: right\n"},
        Box,
    ),
    "Roboflow's YOLO": (
        "boxes",
        {
            "train/labels/a.txt": YOLO,
            "data.yaml": "train: ../train/images\nnc: 2\nnames: ['left', 'right']\n\nroboflow:\n  version: 1\n",
            "README.roboflow.txt": "\nx - v1\n===\n\nThis dataset was exported via roboflow.com\n",
            "README.dataset.txt": "# x > 2023-01-01\nhttps://universe.roboflow.com/x\n",
        },
        Box,
    ),
    "Label Studio's YOLO": (
        "boxes",
        {
            "labels/a.txt": YOLO,
            "classes.txt": "left\nright",
            "notes.json": json.dumps({"categories": [{"id": 0, "name": "left"}], "info": {"year": 2025}}),
        },
        Box,
    ),
    "a tracker": ("boxes", {"labels/a.txt": f"{YOLO} 0.913 1", "data.yaml": "names: [left, right]"}, Box),
    "a segmenter": (
        "masks",
        {"labels/a.txt": "1 0.15 0.1 0.46 0.1 0.47 0.5 0.3 0.52 0.15 0.5", "data.yaml": "names: [left, right]"},
        Patch,
    ),
    "a pose estimator": (
        "boxes",
        {
            "labels/a.txt": f"{YOLO} 0.3 0.3 2.000000 0.35 0.4 1.000000",
            "data.yaml": "kpt_shape: [2, 3]\nflip_idx: [1, 0]\nnames: [left, right]\n",
        },
        Box,
    ),
    "labelme's polygon": ("labelme", {"a.json": labelme("polygon", [[10, 5], [30, 5], [30, 25]])}, Patch),
    "labelme's rectangle": ("labelme", {"a.json": labelme("rectangle", [[30, 25], [10, 5]])}, Box),
    "labelme's line": ("labelme", {"a.json": labelme("linestrip", [[10, 5], [30, 5]])}, Scribble),
    "labelme's point": ("labelme", {"a.json": labelme("point", [[10, 5]])}, Point),
    "X-AnyLabeling's rectangle": (
        "labelme",
        {"a.json": labelme("rectangle", [[10, 5], [30, 5], [30, 25], [10, 25]], "2.4.4", score=None,
                           difficult=False, attributes={}, kie_linking=[])},
        Box,
    ),
    "X-AnyLabeling's rotation": (
        "labelme",
        {"a.json": labelme("rotation", [[20, 5], [30, 15], [20, 25], [10, 15]], "2.4.4", direction=0.78)},
        Patch,
    ),
    "Excel in German": ("points", {"p.csv": "sep=;\r\nimage;x;y;class\r\na.png;3,5;4;right\r\n"}, Point),
    "Excel": ("tags", {"t.csv": "\ufeffimage,class\r\na,right\r\n"}, Tag),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_it_comes_in(spml, data, project, form):
    option, files, kind = FORMS[form]
    folder = data / "from a program"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    given = folder / next(iter(files)) if option in ("points", "tags") else folder
    with Project.open(project, write=False) as opened:
        before = set(opened.marks(opened.picture("a").id))
    result = spml("import", project, f"--{option}", given)
    assert result.code == 0, result.err
    with Project.open(project, write=False) as opened:
        marks = opened.marks(opened.picture("a").id)
    (mark,) = [mark for number, mark in marks.items() if number not in before]
    assert type(mark) is kind
    if kind is Box:
        found = Box(1, *(round(edge, 3) for edge in (mark.top, mark.left, mark.bottom, mark.right)))
        assert mark.class_index == 1 and found == BOX


@pytest.mark.parametrize("mode", ["P", "L", "1", "I;16"])
def test_masks_of_every_mode_come_in(spml, data, project, mode):
    """VOC's and CVAT's palettes, grey, black and white, 16 bits as ImageJ and napari save."""
    codes = np.zeros((48, 64), np.uint8)
    codes[10:20, 30:40] = 1
    if mode == "1":
        picture = Image.fromarray(codes > 0)
    else:
        picture = Image.fromarray(codes.astype(np.uint16) if mode == "I;16" else codes)
    if mode == "P":
        picture.putpalette([0, 0, 0, 128, 0, 0] + [224, 224, 192] * 254)
    (data / "theirs").mkdir()
    picture.save(data / "theirs/a.png")
    result = spml("import", project, "--masks", data / "theirs")
    assert (result.code, result.err) == (0, "")
    with Project.open(project, write=False) as opened:
        *_, mask = opened.marks(opened.picture("a").id).values()
    np.testing.assert_array_equal(mask.labels, codes)
