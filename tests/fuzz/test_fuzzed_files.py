"""Damaged files of marks, projects and models: read, or refused in one line, within the time; never anything else.

Each test prints its seed. ``FUZZ_SEED`` repeats one, ``FUZZ_EACH`` says how many damaged files of each kind are tried.
"""

import contextlib
import io
import json
import os
import pickle
import random
import re
import shutil
import signal
import sqlite3
import sys
import zipfile

import numpy as np
import pytest
import safetensors.torch
import tifffile
import torch
from PIL import Image

from spml_core.annotations import Box, Patch, Point, Scribble, Tag
from spml_core.classes import ClassTable
from spml_core.config import TrainConfig
from spml_core.errors import SpmlError
from spml_core.io import (
    ImportWarnings,
    read_boxes,
    read_classes,
    read_masks,
    read_points,
    read_scribbles,
)
from spml_core.io.imports import key_point_reader, labelme_reader, read_clicks, tag_reader
from spml_core.io.region_maps import read_regions
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.models.hed_weights import load_hed
from spml_core.models.weights import read_weights
from spml_core.project import Project
from spml_core.seeds.cam_files import read_activation_maps
from spml_core.training.checkpoint import CHECKPOINT_FILE, Checkpoint

CLASSES = ClassTable.from_names(["background", "cell", "nucleus"])
SIZES = {"a": (24, 32), "b": (20, 20)}
EACH = int(os.environ.get("FUZZ_EACH", "150"))
SECONDS = 20


def as_json(value):
    return json.dumps(value).encode()


COCO = {
    "images": [{"id": 1, "file_name": "a.png", "height": 24, "width": 32}, {"id": 2, "file_name": "b.png"}],
    "categories": [{"id": 1, "name": "cell", "keypoints": ["cell", "nucleus"]}, {"id": 2, "name": "nucleus"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 9], "keypoints": [5, 6, 2, 8, 9, 1],
         "num_keypoints": 2, "area": 90, "segmentation": [[2, 3, 12, 3, 12, 12, 2, 12]]},
        {"id": 2, "image_id": 2, "category_id": 2, "bbox": [1, 1, 5, 5], "iscrowd": 1,
         "segmentation": {"size": [20, 20], "counts": [20, 5, 375]}},
        {"id": 3, "image_id": 2, "category_id": 2, "segmentation": {"size": [20, 20], "counts": "PQR"}},
    ],
}  # fmt: skip

LABELME = {
    "imagePath": "a.png",
    "imageHeight": 24,
    "imageWidth": 32,
    "flags": {"cell": True},
    "shapes": [
        {"label": "cell", "shape_type": "polygon", "points": [[1, 1], [9, 2], [5, 9]]},
        {"label": "cell", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]},
        {"label": "nucleus", "shape_type": "circle", "points": [[10, 10], [12, 10]]},
        {"label": "nucleus", "shape_type": "rotation", "points": [[1, 1], [5, 1], [5, 5], [1, 5]]},
        {"label": "cell", "shape_type": "linestrip", "points": [[1, 1], [5, 5], [9, 2]]},
        {"label": "cell", "shape_type": "point", "points": [[3, 3]]},
    ],
}

DENSEPOSE = {
    "images": [{"id": 1, "file_name": "a.png"}],
    "annotations": [
        {"id": 1, "image_id": 1, "bbox": [1, 1, 20, 20], "dp_I": [1, 2], "dp_x": [10, 200], "dp_y": [5, 100],
         "dp_masks": [{"size": [256, 256], "counts": "PPX1"}]}
    ],
}  # fmt: skip

VOC = (
    b"<annotation><folder>x</folder><filename>a.png</filename><size><width>32</width><height>24</height></size>"
    b"<object><name>cell</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>12</ymax></bndbox></object>"
    b"</annotation>"
)
SCRIBBLE = (
    b"<scribble><size><width>32</width><height>24</height></size><polygon><tag>cell</tag>"
    b"<point><X>3</X><Y>4</Y></point><point><X>9</X><Y>9</Y></point></polygon></scribble>"
)


def png(values, mode):
    buffer = io.BytesIO()
    Image.fromarray(values).convert(mode).save(buffer, "png")
    return buffer.getvalue()


def regions():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.kron(np.arange(12).reshape(3, 4), np.ones((8, 8))).astype(np.uint16))
    return buffer.getvalue()


def array_file(save, value):
    buffer = io.BytesIO()
    save(buffer, value)
    return buffer.getvalue()


MAPS = {0: np.random.default_rng(0).random((6, 8), np.float32), 1: np.zeros((6, 8), np.float32)}
INDEX = np.kron(np.arange(12).reshape(3, 4) % 3, np.ones((8, 8))).astype(np.uint8)


def marks(reader):
    return lambda path: reader(path, SIZES, CLASSES, ImportWarnings())


def state(module):
    return array_file(lambda file, value: torch.save(value, file), module.state_dict())


KINDS = {
    # name of the file: content, what reads its path
    "coco.json": (lambda: as_json(COCO), marks(read_boxes)),
    "coco_masks.json": (lambda: as_json(COCO), marks(read_masks)),
    "coco_points.json": (lambda: as_json(COCO), marks(key_point_reader(False))),
    "densepose.json": (lambda: as_json(DENSEPOSE), marks(key_point_reader(True))),
    "labelme/a.json": (lambda: as_json(LABELME), lambda path: marks(labelme_reader(True))(path.parent)),
    "clicks.json": (lambda: as_json({"a": [{"cls": 1, "x": 3, "y": 4, "rank": 0}]}), marks(read_clicks)),
    "voc/a.xml": (lambda: VOC, lambda path: marks(read_boxes)(path.parent)),
    "scribbles/a.xml": (lambda: SCRIBBLE, lambda path: marks(read_scribbles)(path.parent)),
    "yolo/a.txt": (
        lambda: b"0 .5 .5 .2 .3\n1 .2 .2 .1 .1 .9 3\n",
        lambda path: marks(read_boxes)(path.parent),
    ),
    "names/data.yaml": (
        lambda: b"names: [cell, 'nucleus']\nkpt_shape: [2, 3]\n",
        lambda path: (path.with_name("a.txt").write_text("0 .5 .5 .2 .3"), marks(read_boxes)(path.parent)),
    ),
    "points.csv": (lambda: b"sep=;\nimage;x;y;class\na;3,5;4;cell\nb;1;1;2\n", marks(read_points)),
    "tags.csv": (lambda: b"image,class\na,cell\nb,2\n", marks(tag_reader(True))),
    "parts.csv": (lambda: b"image,x,y,class,size\na,3,4,cell,9\n", marks(key_point_reader(False))),
    "masks/a.png": (lambda: png(INDEX, "L"), lambda path: marks(read_masks)(path.parent)),
    "palette/a.png": (lambda: png(INDEX, "P"), lambda path: marks(read_scribbles)(path.parent)),
    "classes.json": (lambda: as_json({"0": "background", "1": "cell"}), read_classes),
    "regions.tif": (regions, lambda path: read_regions(path, (24, 32))),
    "cam.npy": (lambda: array_file(np.save, MAPS), lambda path: read_activation_maps(path, 3)),
    "cam.npz": (
        lambda: array_file(lambda file, maps: np.savez(file, **{str(k): v for k, v in maps.items()}), MAPS),
        lambda path: read_activation_maps(path, 3),
    ),
    "cam.pkl": (lambda: pickle.dumps(MAPS), lambda path: read_activation_maps(path, 3)),
    "weights.pth": (lambda: state(torch.nn.Linear(3, 2)), read_weights),
    "weights.safetensors": (
        lambda: safetensors.torch.save(torch.nn.Linear(3, 2).state_dict()),
        read_weights,
    ),
    "hed.pth": (lambda: state(torch.nn.Linear(3, 2)), load_hed),
}


def numbers_of(chance):
    return chance.choice(
        ["-1", "0", "1e308", "-1e400", "NaN", "1" * 400, "9" * 5000, "0.5", "2147483648", "18446744073709551616",
         '"x"', '""', "null", "[]", "{}", "true", "[[[[]]]]", '"\\u0000"', '"\\ud800"', '"../../x"', '"\u00b2"']
    )  # fmt: skip


def spoilt_text(data, chance):
    """A copy in which a value or word is another, a line stands twice or is gone, or something is nested deep."""
    text = data.decode("latin-1")
    how = chance.random()
    if how < 0.45:
        words = list(re.finditer(r'-?\d+(?:\.\d+)?|"[^"]*"|\[[^\[\]]*\]|>[^<]+<', text))
        if words:
            word = chance.choice(words)
            new = numbers_of(chance)
            if word[0].startswith(">"):
                new = f">{new}<"
            text = text[: word.start()] + new + text[word.end() :]
    elif how < 0.55:
        at = chance.randrange(len(text))
        text = text[:at] + "[" * 60_000 + text[at:]
    elif how < 0.65:
        lines = text.split("\n")
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
        text = "\n".join(lines)
    elif how < 0.8:
        begin, end = sorted((chance.randrange(len(text)), chance.randrange(len(text))))
        text = text[:begin] + text[end:]
    else:
        return spoilt_bytes(data, chance)
    return text.encode("latin-1", errors="replace")


def spoilt_bytes(data, chance):
    data = bytearray(data)
    how = chance.random()
    if how < 0.2:
        return bytes(data[: chance.randrange(len(data))])
    if how < 0.3:
        at = chance.randrange(len(data))
        return bytes(data[:at] + data[at + chance.randrange(1, 60) :])
    if how < 0.4:
        at, piece = chance.randrange(len(data)), chance.randrange(len(data))
        return bytes(data[:at] + data[piece : piece + chance.randrange(1, 60)] + data[at:])
    for _ in range(chance.randrange(1, 10)):
        place = chance.randrange(len(data) if chance.random() < 0.5 else min(len(data), 500))
        data[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(data)


@contextlib.contextmanager
def in_time(what):
    """Complain of what takes longer than any person waits."""
    if sys.platform == "win32":
        yield
        return

    def late(*_):
        raise AssertionError(f"{what} takes longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def new_seed():
    seed = int(os.environ.get("FUZZ_SEED", random.randrange(1 << 30)))
    print(f"FUZZ_SEED={seed}")
    return seed


def attempt(read, what):
    """Read something; complaints other than our own come through."""
    with in_time(what):
        try:
            read()
        except SpmlError as error:
            assert str(error) and "\n" not in str(error)
        except MemoryError as error:
            raise AssertionError(f"{what} fills the memory") from error
        except Exception as error:
            raise AssertionError(f"{what}: {type(error).__name__}") from error


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path, name):
    make, read = KINDS[name]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    whole = make()
    path.write_bytes(whole)
    attempt(lambda: read(path), "the whole file")
    seed = new_seed()
    chance = random.Random(seed)
    spoil = spoilt_text if path.suffix in (".json", ".xml", ".txt", ".yaml", ".csv") else spoilt_bytes
    for turn in range(EACH):
        data = spoil(whole, chance)
        path.write_bytes(data)
        attempt(lambda: read(path), f"seed {seed}, turn {turn}, {name}: {data[:300]!r}")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "images").mkdir()
    for name, size in SIZES.items():
        Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(folder / "images" / f"{name}.png")
    with Project.create(folder / "p.spml", folder / "images", CLASSES) as made:
        first, second = (record.id for record in made.pictures)
        made.add_marks({first: [Scribble(1, ((3.0, 4.0), (9.0, 9.0)), 3.0), Box(1, 2, 2, 9, 9)]}, "one")
        made.add_marks({second: [Point(2, 4, 4), Tag(1), Patch(1, 1, np.full((4, 4), 2, np.uint8))]}, "two")
        made.undo()
        made.redo()
        run = made.new_run(TrainConfig().to_dict())
        run.append_metrics({"event": "finished", "seconds": 2.0, "held_back_score": 0.5})
        made.set_run_state(run.id, "finished")
        made.set_current_run(run.id)
    return folder


def look_at(path):
    """Everything that reading commands ask of a project."""
    with Project.open(path, write=False) as opened:
        for record in opened.pictures:
            opened.marks(record.id)
            opened.weak_labels(record, 3.0)
            opened.tags(record)
            opened.open_picture(record)
        opened.marked_pictures(), opened.reviewed_pictures(), opened.picture_names
        for run in opened.runs():
            run.config, run.facts, run.metrics()
            opened.codes_of_run(run)
        opened.current_run()
        from spml_core.engine.info import describe

        describe(opened)


@pytest.mark.slow
def test_damaged_databases(project, tmp_path):
    whole = (project / "p.spml" / "project.sqlite").read_bytes()
    attempt(lambda: look_at(project / "p.spml"), "the whole project")
    seed = new_seed()
    chance = random.Random(seed)
    shutil.copytree(project, tmp_path / "x")
    path = tmp_path / "x" / "p.spml"
    for turn in range(EACH):
        for left in path.glob("project.sqlite*"):
            left.unlink()
        (path / "project.sqlite").write_bytes(spoilt_bytes(whole, chance))
        attempt(lambda: look_at(path), f"seed {seed}, turn {turn}, project.sqlite")


STRANGE = [
    "x'00ff'", "NULL", "-1", "1e308", "9223372036854775807", "''", "'../../x'", "'/etc/passwd'", "'a' || char(0)",
    "'[[[[]]]]'", "'{}'", "'null'", "zeroblob(1000000)", "'" + "[" * 20_000 + "'", "1.5", "'\u00b2'",
]  # fmt: skip


@pytest.mark.slow
def test_databases_with_strange_values(project, tmp_path):
    seed = new_seed()
    chance = random.Random(seed)
    shutil.copytree(project, tmp_path / "x")
    path, whole = tmp_path / "x" / "p.spml", (project / "p.spml" / "project.sqlite").read_bytes()
    for turn in range(EACH):
        for left in path.glob("project.sqlite*"):
            left.unlink()
        (path / "project.sqlite").write_bytes(whole)
        with contextlib.closing(sqlite3.connect(path / "project.sqlite", isolation_level=None)) as database:
            database.execute("PRAGMA ignore_check_constraints = ON")
            database.execute("PRAGMA foreign_keys = OFF")
            tables = [
                name
                for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                if name not in ("events", "sqlite_sequence")
            ]
            table = chance.choice(tables)
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            statement = f"UPDATE OR IGNORE {table} SET {chance.choice(columns)} = {chance.choice(STRANGE)}"
            with contextlib.suppress(sqlite3.Error):
                database.execute(statement)
        attempt(lambda: look_at(path), f"seed {seed}, turn {turn}, {statement[:200]}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.json", "facts.json", "metrics.jsonl"])
def test_damaged_files_of_a_run(project, tmp_path, name):
    seed = new_seed()
    chance = random.Random(seed)
    shutil.copytree(project, tmp_path / "x")
    path = tmp_path / "x" / "p.spml"
    file = path / "runs" / "run-0001" / name
    whole = file.read_bytes()
    for turn in range(EACH):
        file.write_bytes(spoilt_text(whole, chance))
        attempt(lambda: look_at(path), f"seed {seed}, turn {turn}, {name}: {file.read_bytes()[:300]!r}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.safetensors", CHECKPOINT_FILE])
def test_damaged_models(tmp_path, name):
    config = TrainConfig(scales=(1.0,), embedding_dim=4)
    if name == "model.safetensors":
        TrainedModel(build_network(config, 3).eval(), Refinement((20,)), CLASSES.names, config).save(tmp_path)
        read = TrainedModel.load
    else:
        progress = {
            "step": 1, "total": 2, "seconds": 1.0, "pictures": ["a"], "per_class": 3, "color_strength": 0.0,
            "held_back_score": None, "generator": dict(np.random.default_rng(0).bit_generator.state),
        }  # fmt: skip
        tensors = {"labels": torch.zeros(3), "generator": torch.Generator().get_state()}
        data = safetensors.torch.save(tensors, {"progress": json.dumps(progress)})
        (tmp_path / name).write_bytes(data)
        read = Checkpoint.load
    whole = (tmp_path / name).read_bytes()
    seed = new_seed()
    chance = random.Random(seed)
    for turn in range(EACH // 3):
        spoil = spoilt_bytes if chance.random() < 0.5 else spoilt_header
        (tmp_path / name).write_bytes(spoil(whole, chance))
        attempt(lambda: read(tmp_path), f"seed {seed}, turn {turn}, {name}")


def spoilt_header(data, chance):
    """A copy with another value in the JSON at the beginning, whose length comes first."""
    length = int.from_bytes(data[:8], "little")
    header = spoilt_text(data[8 : 8 + length], chance)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def test_a_bomb_as_weights_fills_no_memory(tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\x80\x02}q\x00.")
        with archive.open("x/data/0", "w", force_zip64=True) as file:
            for _ in range(64):
                file.write(bytes(2**20))
    with pytest.raises(SpmlError):
        read_weights(path)
