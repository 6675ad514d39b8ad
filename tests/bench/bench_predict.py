#!/usr/bin/env python3
"""How long a 512 x 512 picture takes, and how much memory a 10,000 x 10,000 one.

    python tests/bench/bench_predict.py [--side 10000] [--classes 5]

Each figure comes from a process of its own, with an untrained head: what is labelled doesn't change the work. Prints a
line per figure.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def picture(side: int) -> np.ndarray:
    """Smooth noise with discs: enough structure for the regions to have work."""
    import cv2

    rng = np.random.default_rng(0)
    rgb = cv2.resize(rng.integers(0, 256, (side // 16 + 1, side // 16 + 1, 3), np.uint8), (side, side))
    for _ in range(max(20, side // 20)):
        center = tuple(int(v) for v in rng.integers(0, side, 2))
        cv2.circle(rgb, center, int(rng.integers(8, 40)), [int(v) for v in rng.integers(0, 256, 3)], -1)
    return rgb


def model(classes: int):
    import torch

    from spml_core.config import TrainConfig
    from spml_core.labeling.refinement import Refinement
    from spml_core.labeling.trained_model import TrainedModel, build_network

    torch.manual_seed(0)
    config = TrainConfig()
    network = build_network(config, classes).eval()
    return TrainedModel(network, Refinement(), tuple(f"class {i}" for i in range(classes)), config)


def speed(classes: int) -> dict:
    from spml_core.labeling.inference import ArrayPixels, label_picture

    learned, rgb = model(classes), picture(512)
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        label_picture(learned, ArrayPixels(rgb))
        seconds.append(time.perf_counter() - start)
    return {"what": "512 x 512", "first_s": seconds[0], "median_s": statistics.median(seconds[1:])}


def memory(side: int, classes: int, file: Path) -> dict:
    import resource

    from spml_core.classes import ClassTable
    from spml_core.images import Picture
    from spml_core.io import write_index_png
    from spml_core.labeling.inference import label_picture

    learned = model(classes)
    start = time.perf_counter()
    labels, _ = label_picture(learned, Picture(file))
    write_index_png(
        file.with_name("labels.png"), labels, ClassTable.from_names(learned.class_names), colored=False
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"what": f"{side} x {side}", "seconds": time.perf_counter() - start, "peak_GiB": peak}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--part", choices=["speed", "memory"])
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.part == "speed":
        print(json.dumps(speed(options.classes)))
        return
    if options.part == "memory":
        print(json.dumps(memory(options.side, options.classes, options.file)))
        return
    import tempfile

    import cv2

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "large.png"
        cv2.imwrite(str(file), picture(options.side))
        for part in ("speed", "memory"):
            words = [sys.executable, __file__, "--part", part, "--file", str(file)]
            words += ["--side", str(options.side), "--classes", str(options.classes)]
            print(
                subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip(), flush=True
            )


if __name__ == "__main__":
    main()
