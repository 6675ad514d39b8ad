"""Marks of val/0001.png never land on train/0001.png, in whatever file they are; see ADR 0016."""

import json

import numpy as np
import pytest
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.engine.imports import import_marks
from spml_core.errors import MarkError
from spml_core.project import Project

CLASSES = ClassTable.from_names(["background", "cell"])
SIZE = {"height": 20, "width": 30}


def make(folder, *places, root="imgs"):
    for seed, place in enumerate(places):
        path = folder / root / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return Project.create(folder / "p.spml", folder / root, CLASSES)


def coco(folder, words):
    content = {
        "images": [{"id": i, "file_name": f"{word}.png", **SIZE} for i, word in enumerate(words)],
        "categories": [{"id": 1, "name": "cell", "keypoints": ["cell"]}],
        "annotations": [
            {
                "id": i,
                "image_id": i,
                "category_id": 1,
                "bbox": [i, 1, 5, 5],
                "keypoints": [i, 2, 2],
                "area": 9,
            }
            for i, _ in enumerate(words)
        ],
    }
    (folder / "c.json").write_text(json.dumps(content))
    return folder / "c.json"


def table(folder, words, *, size=""):
    rows = "".join(f"{word}.png,{i},2,cell,4\n" for i, word in enumerate(words))
    (folder / "t.csv").write_text(f"image,x,y,class{size or ',other'}\n{rows}")
    return folder / "t.csv"


def clicks(folder, words):
    (folder / "k.json").write_text(
        json.dumps({word: [{"x": i, "y": 2, "cls": 1}] for i, word in enumerate(words)})
    )
    return folder / "k.json"


def files(folder, words, suffix, text):
    for i, word in enumerate(words):
        path = folder / "marks" / f"{word}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(i, word))
    return folder / "marks"


def voc_text(i, word, head=""):
    ends = f"<xmin>{i + 1}</xmin><ymin>2</ymin><xmax>{i + 5}</xmax><ymax>8</ymax>"
    return f"<annotation>{head}<object><name>cell</name><bndbox>{ends}</bndbox></object></annotation>"


def scribble_text(i, word):
    return f"<annotation><polygon><tag>cell</tag><point><X>{i}</X><Y>5</Y></point></polygon></annotation>"


def labelme_text(i, word, path=""):
    shape = {"label": "cell", "shape_type": "point", "points": [[i + 1, 3]]}
    return json.dumps({"shapes": [shape], "imagePath": path})


def masks(folder, words):
    for i, word in enumerate(words):
        path = folder / "marks" / f"{word}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((20, 30), np.uint8)
        mask[:, i:] = 1
        Image.fromarray(mask).save(path)
    return folder / "marks"


KINDS = {
    "coco boxes": lambda folder, words: {"boxes": coco(folder, words)},
    "coco key points": lambda folder, words: {"key_points": coco(folder, words)},
    "points": lambda folder, words: {"points": table(folder, words)},
    "tags": lambda folder, words: {"tags": table(folder, words)},
    "key points": lambda folder, words: {"key_points": table(folder, words, size=",size")},
    "clicks": lambda folder, words: {"clicks": clicks(folder, words)},
    "voc": lambda folder, words: {"boxes": files(folder, words, ".xml", voc_text)},
    "yolo": lambda folder, words: {
        "boxes": files(folder, words, ".txt", lambda i, word: f"0 0.5 0.5 0.{i + 1} 0.2\n")
    },
    "labelme": lambda folder, words: {"labelme": files(folder, words, ".json", labelme_text)},
    "masks": lambda folder, words: {"masks": masks(folder, words)},
    "scribbles": lambda folder, words: {"scribbles": masks(folder, words)},
    "scribble lines": lambda folder, words: {"scribbles": files(folder, words, ".xml", scribble_text)},
}


@pytest.fixture(params=KINDS)
def write(request):
    return KINDS[request.param]


def marks(project):
    return {record.name: len(project.marks(record.id)) for record in project.pictures}


def test_marks_of_another_folder_are_left_out(tmp_path, write):
    with make(tmp_path, "train/0001", "train/0002") as project:
        with pytest.raises(MarkError, match=r"val/0001.* isn't 'train/0001'"):
            import_marks(project, **write(tmp_path, ["val/0001"]))
        assert marks(project) == {"0001": 0, "0002": 0}
        (line,) = [
            line
            for line in import_marks(project, **write(tmp_path, ["train/0002", "val/0001"])).warnings
            if "Left out" in line
        ]
        assert "val/0001" in line and "isn't 'train/0001'" in line
        assert marks(project) == {"0001": 0, "0002": 1}


def test_of_two_the_one_whose_folders_agree_counts_and_the_other_is_told_of(tmp_path, write):
    with make(tmp_path, "train/0001") as project:
        lines = import_marks(project, **write(tmp_path, ["val/0001", "train/0001"])).warnings
        assert any("val/0001" in line and "isn't 'train/0001'" in line for line in lines)
        assert marks(project) == {"0001": 1}


def test_two_that_agree_equally_are_refused(tmp_path, write):
    with make(tmp_path, "0001") as project:
        with pytest.raises(MarkError, match=r"belong to the picture '0001'.*test/0001.*val/0001"):
            import_marks(project, **write(tmp_path, ["test/0001", "val/0001"]))
        assert marks(project) == {"0001": 0}


@pytest.mark.parametrize("word", ["0001", "images/0001", "images/train/0001", "train2017/0001"])
def test_what_contradicts_nothing_comes_in(tmp_path, write, word):
    with make(tmp_path, "train/0001") as project:
        import_marks(project, **write(tmp_path, [word]))
        assert marks(project) == {"0001": 1}


def test_any_folder_of_a_project_without_folders(tmp_path, write):
    with make(tmp_path, "0001") as project:
        import_marks(project, **write(tmp_path, ["val/0001"]))
        assert marks(project) == {"0001": 1}


VOC_HEADS = {
    "<folder>val</folder><filename>0001.jpg</filename>": 0,
    "<folder>x</folder><filename>0001.jpg</filename><path>/home/x/val/0001.jpg</path>": 0,
    "<folder>VOC2012</folder><filename>0001.jpg</filename>": 1,
    "<folder>Desktop</folder><filename>0001.jpg</filename><path>C:\\me\\0001.jpg</path>": 1,
    "<folder>train</folder><filename>renamed.jpg</filename>": 1,
}


@pytest.mark.parametrize("head", VOC_HEADS)
def test_what_a_voc_file_says_of_its_folder(tmp_path, head):
    with make(tmp_path, "train/0001") as project:
        folder = files(tmp_path, ["0001"], ".xml", lambda i, word: voc_text(i, word, head))
        if VOC_HEADS[head]:
            import_marks(project, boxes=folder)
        else:
            with pytest.raises(MarkError, match=r"0001\.xml isn't 'train/0001'"):
                import_marks(project, boxes=folder)
        assert marks(project) == {"0001": VOC_HEADS[head]}


@pytest.mark.parametrize(
    ("said", "count"), [("../imgs/val/0001.png", 0), ("..\\imgs\\0001.png", 1), ("val/0001.png", 0), ("", 1)]
)
def test_what_a_labelme_file_says_of_its_folder(tmp_path, said, count):
    with make(tmp_path, "train/0001") as project:
        folder = files(tmp_path, ["0001"], ".json", lambda i, word: labelme_text(i, word, said))
        if count:
            import_marks(project, labelme=folder)
        else:
            with pytest.raises(MarkError, match=r"0001\.json isn't 'train/0001'"):
                import_marks(project, labelme=folder)
        assert marks(project) == {"0001": count}


def test_labels_of_a_split_are_not_for_pictures_of_another(tmp_path):
    """As detectors' data sets lie: train/images and train/labels, valid/images and valid/labels."""
    with make(tmp_path, "0001", root="train/images") as project:
        (tmp_path / "valid").mkdir()
        folder = files(tmp_path / "valid", ["0001"], ".txt", lambda i, word: "0 0.5 0.5 0.2 0.2\n")
        labels = folder.rename(tmp_path / "valid" / "labels")
        with pytest.raises(MarkError, match=r"valid/labels/0001\.txt isn't '0001'"):
            import_marks(project, boxes=labels)
        labels.rename(tmp_path / "train" / "labels")
        assert import_marks(project, boxes=tmp_path / "train" / "labels").pictures == 1


def test_projects_of_older_programs_and_added_pictures(tmp_path):
    with make(tmp_path, "train/0001", "other/0002") as project:
        project._database.execute("DELETE FROM meta WHERE key = 'picture_roots'")
        project.refresh()
        assert project.picture_names.find("val/0001.png") is None
        path = tmp_path / "more" / "deep" / "0003.png"
        path.parent.mkdir(parents=True)
        (tmp_path / "imgs" / "train" / "0001.png").rename(path)
        project.add_pictures(tmp_path / "more")
        assert project.picture_names.find("val/0003.png") is None
        assert project.picture_names.find("deep/0003.png") == "0003"


def test_frames_of_another_film(tmp_path):
    folder = tmp_path / "walk1"
    folder.mkdir()
    for i in range(2):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:05d}.png")
    with Project.create(tmp_path / "p.spml", [], CLASSES, films=[folder]) as project:
        with pytest.raises(MarkError, match=r"walk2/00001\.png isn't"):
            import_marks(project, masks=masks(tmp_path, ["walk2/00001"]))
        import_marks(project, masks=masks(tmp_path, ["walk1/00001"]))
        assert [record.name for record in project.marked_pictures()] == ["walk1_00001"]
