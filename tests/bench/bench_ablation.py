#!/usr/bin/env python3
"""What each relation adds: the same training with some of them, on real pictures and the same marks.

    python tests/bench/bench_ablation.py DATASET... --tools DIR [--marks scribbles points] [--steps 100] [--seed 1]

DATASET holds images/, labels/ and classes.json; ``--tools`` is the folder with make_weak.py. Features are read once a
dataset and kind of mark; then every variant starts anew from them. Prints a JSON line a variant: mean IoU on the test
pictures, as accept.py counts it.
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from spml_core.annotations import rasterize
from spml_core.classes import ClassTable
from spml_core.config import TrainConfig
from spml_core.generators import run_to_end
from spml_core.images import Picture
from spml_core.io import read_index_png, read_masks, read_points, read_scribbles
from spml_core.labeling.inference import label_picture
from spml_core.metrics import ConfusionMatrix
from spml_core.training import TrainingPicture, TrainingSet, reading, train

SPLITS = {"ccp_parts": (30, 40), "camvid_stills": (40, 40), "dsb2018_nuclei": (15, 60)}
OFF = {
    "image_similarity": (0.0, 16.0),
    "annotation": (0.0, 6.0),
    "cooccurrence": (0.0, 8.0),
    "affinity": (0.0, 12.0),
}
ON = {
    "image_similarity": (0.1, 16.0),
    "annotation": (0.3, 6.0),
    "cooccurrence": (0.3, 8.0),
    "affinity": (0.1, 12.0),
}
VARIANTS = {
    "no steps": {"steps": 0},
    "cross-entropy": OFF,
    **{f"+ {name}": OFF | {name: ON[name]} for name in ON},
    "all four": ON,
    "preset": {},
    "preset, one stage": {"pseudo_labels": False},
}


def load(dataset: Path, marks: str, seed: int, tools: Path, train_count: int, test_count: int):
    sys.path.insert(0, str(tools))
    import make_weak

    names = sorted(f.stem for f in (dataset / "labels").glob("*.png"))
    random.Random(seed).shuffle(names)
    learn, test = names[:train_count], names[train_count : train_count + test_count]
    classes = ClassTable.from_names(make_weak.class_names(dataset))
    pictures = {n: Picture(next((dataset / "images").glob(n + ".*"))) for n in learn + test}
    sizes = {n: pictures[n].size for n in learn}
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder)
        make_weak.make(dataset / "labels", learn, drawn, seed, list(classes.names))
        if marks == "masks":
            (drawn / "masks").mkdir()
            for n in learn:
                (drawn / "masks" / f"{n}.png").write_bytes((dataset / "labels" / f"{n}.png").read_bytes())
        known = {
            "scribbles": lambda: read_scribbles(drawn / "scribbles", sizes, classes),
            "points": lambda: read_points(drawn / "points.csv", sizes, classes),
            "masks": lambda: read_masks(drawn / "masks", sizes, classes),
        }[marks]()
    made = []
    for n in learn + test:
        labels = rasterize(known[n], pictures[n].size, len(classes)) if n in known else None
        made.append(TrainingPicture.from_arrays(n, pictures[n].rgb(), labels, len(classes)))
    return TrainingSet(tuple(made), classes.names), {n: pictures[n] for n in test}


def score(model, pictures: dict[str, Picture], dataset: Path) -> float:
    matrix = ConfusionMatrix(len(model.class_names))
    for name, picture in pictures.items():
        matrix.update(read_index_png(dataset / "labels" / f"{name}.png"), label_picture(model, picture)[0])
    return float(matrix.scores().miou)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--marks", nargs="+", default=["scribbles", "points"])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sample_picture = reading.sample_picture
    for dataset in options.datasets:
        for marks in options.marks:
            counts = SPLITS.get(dataset.name, (30, 40))
            training_set, test = load(dataset, marks, options.seed, options.tools, *counts)
            cache: dict[str, object] = {}

            def cached(network, picture, cache=cache, **kwargs):
                if picture.name not in cache:
                    cache[picture.name] = sample_picture(network, picture, **kwargs)
                return cache[picture.name]

            reading.sample_picture = cached
            for name in options.variants:
                changes = {"steps": options.steps, "seed": options.seed, "max_seconds": 1e6} | VARIANTS[name]
                model = run_to_end(train(training_set, TrainConfig().changed(**changes)))
                row = {"dataset": dataset.name, "marks": marks, "variant": name, "steps": changes["steps"]}
                row |= {
                    "color_strength": model.refinement.color_strength,
                    "seed": options.seed,
                    "miou": round(score(model, test, dataset), 4),
                }
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
