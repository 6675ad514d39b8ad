"""Tiny projects of the user's own pictures, with every kind of mark, and a backbone that fits them."""

import json
from pathlib import Path

import numpy as np
import torch
from paper_tree import NAMES, picture
from PIL import Image
from safetensors.torch import save_file

from spml_core.annotations import Box, KeyPoint, Point, Scribble, Tag
from spml_core.classes import ClassTable
from spml_core.models import ResNet, normalise_rgb, rgb_tensor
from spml_core.project import Project

SIZE = (64, 80)
COUNT = 4
STEPS = 8


def write_weights(path):
    """A ResNet-18 of an eighth of the width: random filters, batch norms that know what pictures look like."""
    torch.manual_seed(0)
    network = ResNet(18, stem="torchvision", width=0.125)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # plain means
    with torch.no_grad():
        for seed in range(COUNT):
            network.train()(normalise_rgb(rgb_tensor(picture(seed, *SIZE)[0])))
    tensors = {
        name.removeprefix("stem."): tensor.contiguous() for name, tensor in network.state_dict().items()
    }
    save_file(tensors, path)
    return path


def marks_of(kind, truth):
    """Marks of one kind on a picture whose true classes are known."""
    classes = [int(c) for c in np.unique(truth[truth < 255])]
    objects = [c for c in classes if c > 0]
    places = {c: np.argwhere(truth == c) for c in classes}
    if kind == "paper-scribbles":
        lines = {c: (places[c][len(places[c]) // 7], places[c][-len(places[c]) // 7]) for c in classes}
        return [Scribble(c, tuple((float(y), float(x)) for y, x in lines[c]), 2.0) for c in objects] + [
            Scribble(0, ((2.0, 2.0), (2.0, 77.0)), 3.0),
            Scribble(0, ((2.0, 2.0), (61.0, 2.0)), 3.0),
        ]
    if kind == "paper-points":
        return [Point(c, *(float(v) for v in places[c][len(places[c]) // 2])) for c in objects] + [
            Point(0, 3.0, 3.0)
        ]
    if kind == "paper-boxes":
        ends = [(c, *places[c].min(0), *(places[c].max(0) + 1)) for c in objects]
        return [Box(c, *(float(v) for v in box)) for c, *box in ends]
    if kind == "paper-tags":
        return [Tag(c) for c in objects]
    return [KeyPoint(c, *(float(v) for v in places[c].mean(0)), 2 * len(places[c]) ** 0.5) for c in objects]


def make_project(folder, kind):
    """Project ``p.spml`` of four marked pictures and one without marks."""
    (folder / "images").mkdir()
    truths = []
    for seed in range(COUNT + 1):
        rgb, truth, _ = picture(seed, *SIZE)
        Image.fromarray(rgb).save(folder / "images" / f"p{seed}.png")
        truths.append(truth)
    with Project.create(folder / "p.spml", folder / "images", ClassTable.from_names(NAMES)) as project:
        marked = zip(project.pictures[:COUNT], truths, strict=False)
        project.add_marks({record.id: marks_of(kind, truth) for record, truth in marked}, "marks")
    return folder / "p.spml"


def settings(weights):
    """Settings of a training that takes seconds."""
    return {
        "backbone": "resnet18",
        "weights": str(Path(weights)),
        "steps": STEPS,
        "crop": 64,
        "batch": 2,
        "device": "cpu",
    }


def options(weights):
    """The same on the command line."""
    return [word for name, value in settings(weights).items() for word in (f"--{name}", str(value))]


def events_in(text):
    """Events of a command's ``--json`` output."""
    return [json.loads(line) for line in text.splitlines()]
