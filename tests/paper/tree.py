"""A data set in PASCAL VOC's layout, small enough to train on in a test: blue ground, red discs, green bars."""

import json

import numpy as np
from PIL import Image

from spml_core.engine.run_paper import PaperOptions

TINY = PaperOptions(backbone="resnet18", width=0.125, iterations=12, batch=2, crop=48, device="cpu")
NAMES = ["background", "disc", "bar"]
TRAIN = [f"2007_{i:06d}" for i in range(6)]
VAL = [f"2008_{i:06d}" for i in range(2)]


def picture(seed, height=None, width=None):
    """Pixels, true classes and instances."""
    rng = np.random.default_rng(seed)
    height = height or int(rng.integers(48, 73))
    width = width or int(rng.integers(56, 89))
    y, x = np.mgrid[:height, :width]
    classes = np.zeros((height, width), np.uint8)
    instances = np.zeros((height, width), np.uint8)
    kinds = [1, 2] if seed % 3 == 0 else [1 + seed % 2]
    for number, kind in enumerate(kinds, 1):
        cy, cx = height * rng.uniform(0.35, 0.65), width * (0.3 if number == 1 else 0.72)
        if kind == 1:
            shape = (y - cy) ** 2 + (x - cx) ** 2 < (0.25 * height) ** 2
        else:
            shape = (abs(y - cy) < 0.3 * height) & (abs(x - cx) < 0.12 * width)
        classes[shape], instances[shape] = kind, number
    colors = np.array([[40, 60, 200], [220, 50, 40], [40, 200, 60]], np.float64)
    rgb = (colors[classes] + rng.normal(0, 12, (height, width, 3))).clip(0, 255).astype(np.uint8)
    edge = np.zeros_like(classes, bool)
    edge[:, 1:] |= classes[:, 1:] != classes[:, :-1]
    edge[1:] |= classes[1:] != classes[:-1]
    truth = classes.copy()
    truth[edge] = 255
    return rgb, truth, instances


def scribbles(truth):
    """A short line inside each class, 255 elsewhere."""
    codes = np.full(truth.shape, 255, np.uint8)
    for index in np.unique(truth[truth < 255]):
        rows, columns = np.nonzero(truth == index)
        row = rows[len(rows) // 2]
        inside = np.sort(columns[rows == row])
        codes[row, inside[: max(3, len(inside) // 2)]] = index
    return codes


def write_voc(root):
    """The whole tree, every weak annotation included but activation maps and regions."""
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationClassAug", "SegmentationObject"):
        (root / folder).mkdir(parents=True)
    for folder in ("ImageSets/Segmentation", "scribbles", "Annotations"):
        (root / folder).mkdir(parents=True)
    clicks = {}
    for seed, name in enumerate(TRAIN + VAL):
        rgb, truth, instances = picture(seed)
        Image.fromarray(rgb).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        for folder in ("SegmentationClass", "SegmentationClassAug"):
            Image.fromarray(truth).save(root / folder / f"{name}.png")
        Image.fromarray(instances).save(root / "SegmentationObject" / f"{name}.png")
        if name in TRAIN:
            Image.fromarray(scribbles(truth)).save(root / "scribbles" / f"{name}.png")
        clicks[name] = list(_clicks(truth))
        (root / "Annotations" / f"{name}.xml").write_text(_boxes(truth), encoding="utf-8")
    (root / "points.json").write_text(json.dumps(clicks), encoding="utf-8")
    lists = root / "ImageSets/Segmentation"
    (lists / "train_aug.txt").write_text("\n".join(TRAIN) + "\n", encoding="utf-8")
    (lists / "val.txt").write_text("\n".join(VAL) + "\n", encoding="utf-8")
    names = {str(i): name for i, name in enumerate(NAMES)}
    (root / "classes.json").write_text(json.dumps(names), encoding="utf-8")
    return root


def _clicks(truth):
    for index in np.unique(truth[truth < 255]):
        rows, columns = np.nonzero(truth == index)
        middle = len(rows) // 2
        yield {"y": float(rows[middle]), "x": float(columns[middle]), "cls": int(index), "rank": 1}


def _boxes(truth):
    height, width = truth.shape
    objects = []
    for index in np.unique(truth[(truth > 0) & (truth < 255)]):
        rows, columns = np.nonzero(truth == index)
        ends = {
            "xmin": columns.min() + 1,
            "ymin": rows.min() + 1,
            "xmax": columns.max() + 1,
            "ymax": rows.max() + 1,
        }
        box = "".join(f"<{key}>{value}</{key}>" for key, value in ends.items())
        objects.append(f"<object><name>{NAMES[index]}</name><bndbox>{box}</bndbox></object>")
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{size}{''.join(objects)}</annotation>"


PARTS = ["background", "left disc", "right bar"]


def write_densepose(root):
    """The DensePose layout with a key point at the middle of every shape."""
    for folder in ("images", "masks", "instances"):
        (root / folder).mkdir(parents=True)
    rows = ["image,x,y,class,size"]
    for seed, name in enumerate(TRAIN + VAL):
        rgb, truth, instances = picture(seed)
        Image.fromarray(rgb).save(root / "images" / f"{name}.png")
        Image.fromarray(truth).save(root / "masks" / f"{name}.png")
        Image.fromarray(instances).save(root / "instances" / f"{name}.png")
        for index in np.unique(truth[(truth > 0) & (truth < 255)]):
            y, x = np.argwhere(truth == index).mean(axis=0)
            area = float((truth == index).sum())
            rows.append(f"{name},{x:.1f},{y:.1f},{PARTS[index]},{2 * area**0.5:.2f}")
    (root / "keypoints.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "train.txt").write_text("\n".join(TRAIN), encoding="utf-8")
    (root / "val.txt").write_text("\n".join(VAL), encoding="utf-8")
    names = {str(i): name for i, name in enumerate(PARTS)}
    (root / "classes.json").write_text(json.dumps(names), encoding="utf-8")
    return root
