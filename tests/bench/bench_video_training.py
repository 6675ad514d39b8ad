"""Learning from films (METHODS.md 6 and 7) against the same preset without them, on a film whose frames are labelled.

    python tests/bench/bench_video_training.py DATASET --tools TOOLS [--per-class 1] [--every 10] [--first 40]

Clicks are drawn by make_weak.py on every 10th of the first 40 frames; all frames are scored. Prints a line each for
clicks alone, weclick, etc, both, and full masks of the same frames: mIoU and temporal consistency.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from spml_core.annotations import Point, rasterize
from spml_core.config import TrainConfig
from spml_core.generators import run_to_end
from spml_core.images import Picture
from spml_core.io import read_index_png
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.metrics import ConfusionMatrix
from spml_core.training import Clip, TrainingPicture, TrainingSet
from spml_core.training.loop import train
from spml_core.video.consistency import TemporalConsistency
from spml_core.video.flow import build_flow


def clicked_maps(dataset, names, marked, classes, tools, per_class, seed, shape):
    """Weak label maps of the marked frames."""
    sys.path.insert(0, str(tools))
    import make_weak

    points = {i: [] for i in marked}
    with tempfile.TemporaryDirectory() as folder:
        make_weak.make(
            dataset / "labels", [names[i] for i in marked], folder, seed, classes, per_class=per_class
        )
        with (Path(folder) / "points.csv").open() as file:
            for row in csv.DictReader(file):
                mark = Point(classes.index(row["class"]), float(row["y"]), float(row["x"]))
                points[names.index(row["image"])].append(mark)
    return {i: rasterize(marks, shape, len(classes)) for i, marks in points.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--per-class", type=int, default=1)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--first", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--max-seconds", type=float, default=180)
    parser.add_argument("--kinds", default="points,weclick,etc,both,masks")
    parser.add_argument("--steadiness", type=float, help="0 is etc without its terms, all else equal")
    parser.add_argument("--steps", type=int, help="exactly so many, to compare on a busy machine")
    options = parser.parse_args()
    table = json.loads((options.dataset / "classes.json").read_text())
    classes = [table[str(i)] for i in range(len(table) - ("255" in table))]
    names = sorted(file.stem for file in (options.dataset / "labels").glob("*.png"))
    files = {file.stem: file for file in (options.dataset / "images").iterdir()}
    pictures = [Picture(files[name]).rgb() for name in names]
    truths = [read_index_png(options.dataset / "labels" / f"{name}.png") for name in names]
    marked = range(0, options.first, options.every)
    clicks = clicked_maps(
        options.dataset,
        names,
        marked,
        classes,
        options.tools,
        options.per_class,
        options.seed,
        truths[0].shape,
    )
    masks = {i: truths[i] for i in marked}
    flow = build_flow("dis")
    flows = [flow(a, b) for a, b in pairwise(pictures)]
    for kind in options.kinds.split(","):
        labels = masks if kind == "masks" else clicks
        frames = [
            TrainingPicture.from_arrays(name, rgb, labels.get(i), len(classes))
            for i, (name, rgb) in enumerate(zip(names, pictures, strict=True))
        ]
        video = kind if kind in ("weclick", "etc", "both") else ""
        clip = Clip("film", tuple(frames), tuple(range(len(frames))))
        training_set = TrainingSet(tuple(frames[i] for i in marked), tuple(classes), (clip,) if video else ())
        config = TrainConfig.from_preset(
            options.preset,
            max_seconds=options.max_seconds,
            video=video,
            device="cpu",
            steadiness=options.steadiness,
            steps=options.steps,
        )
        began = time.monotonic()
        model = run_to_end(train(training_set, config), lambda event: None)
        seconds = time.monotonic() - began
        found = [label_picture(model, ArrayPixels(rgb))[0] for rgb in pictures]
        matrix = ConfusionMatrix(len(classes))
        for truth, guess in zip(truths, found, strict=True):
            matrix.update(truth, guess)
        steadiness = {}
        for mode in ("literature", "corrected"):
            consistency = TemporalConsistency(len(classes), mode)
            for i, motion in enumerate(flows):
                consistency.add(found[i], found[i + 1], motion)
            steadiness[mode] = round(consistency.value, 4)
        scores = matrix.scores()
        print(
            json.dumps(
                {"kind": kind, "miou": round(scores.miou, 4), "consistency": steadiness,
                 "iou": np.round(scores.iou, 3).tolist(), "train_seconds": round(seconds)}
            ),
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
