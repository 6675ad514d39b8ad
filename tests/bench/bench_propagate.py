#!/usr/bin/env python3
"""One stroke on the object and one on the background of the first frame: how much of a film is right?

    python tests/bench/bench_propagate.py DATASET --tools TOOLS [--sequences dog,cows] [--seed 1] [--methods propagate]

DATASET holds sequences: images/NAME/*.jpg and labels/NAME/*.png. Mean IoU of the object (labels > 0), over all frames
but the first and over all, of

* propagate: what ``spml propagate`` does with the strokes, and its frames a second, flow included;
* warp, warp composed: the TRUE mask of the first frame moved by DIS flow alone, frame by frame, or by the sum of all
  flows since at once;
* suggest: a suggestion for each frame by itself, to which the first frame's strokes are another picture's.

Prints a JSON line for each sequence and method, and at the end a table.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from black_box import scratch, table
from films import CLASSES, Sequence, draw_strokes, film_project, sequences

from spml_core.classes import IGNORE


def object_iou(guess: np.ndarray, truth: np.ndarray) -> float:
    """IoU of what isn't background; 1 where there is nothing and nothing was found."""
    known = truth != IGNORE
    found, there = (guess > 0) & known, (truth > 0) & known
    union = (found | there).sum()
    return float((found & there).sum() / union) if union else 1.0


def scored(sequence: Sequence, options: argparse.Namespace) -> range:
    """Frames that are looked at."""
    return range(0, len(sequence.paths), options.every)


def propagate(sequence: Sequence, options: argparse.Namespace, work: Path):
    """Label maps of all frames, and frames a second from the first result on and with all that goes before it."""
    from spml_core.engine.film_results import FilmResults
    from spml_core.engine.propagate import propagate_film
    from spml_core.engine.propagation_events import FrameDone

    first = f"{sequence.name}_{sequence.paths[0].stem}"
    strokes = draw_strokes(options.tools, {first: sequence.truth(0)}, work / "marks", options.seed)
    with film_project(work / "p.spml", sequence.folder, strokes) as (project, film):
        began = time.perf_counter()
        moments = [
            time.perf_counter()
            for event in propagate_film(project, film, flow=options.flow, device="cpu")
            if isinstance(event, FrameDone)
        ]
        with FilmResults.of(project, film) as results:
            labels = [results.labels(index) for index in range(film.count)]
    speeds = {
        "fps": (len(moments) - 1) / (moments[-1] - moments[0]),
        "fps_with_start": len(moments) / (moments[-1] - began),
    }
    return labels, speeds


def warp(sequence: Sequence, options: argparse.Namespace, work: Path, composed: bool = False):
    """The first mask, moved by flow alone."""
    from spml_core.video.flow import build_flow
    from spml_core.video.warp import warp_array

    estimate, frames = build_flow("dis"), sequence.frames()
    first = (sequence.truth(0) == 1).astype(np.float32)
    mask, flow_to_first = first, np.zeros((*first.shape, 2), np.float32)
    found = [first > 0.5]
    began = time.perf_counter()
    for before, frame in pairwise(frames):
        flow = estimate(frame, before)
        if composed:
            flow_to_first = flow + warp_array(flow_to_first, flow)
            mask = warp_array(first, flow_to_first)
        else:
            mask = warp_array(mask, flow)
        found.append(mask > 0.5)
    return found, {"fps": (len(frames) - 1) / (time.perf_counter() - began)}


def warp_composed(sequence: Sequence, options: argparse.Namespace, work: Path):
    """The first mask, sampled once for each frame."""
    return warp(sequence, options, work, composed=True)


def suggest(sequence: Sequence, options: argparse.Namespace, work: Path):
    """A suggestion for each frame, as one of many pictures of which the first has marks."""
    from spml_core.engine.imports import import_marks
    from spml_core.engine.suggest import Suggester
    from spml_core.project import Project

    first = sequence.paths[0].stem
    strokes = draw_strokes(options.tools, {first: sequence.truth(0)}, work / "marks", options.seed)
    with Project.create(work / "p.spml", sequence.paths, CLASSES) as project:
        import_marks(project, scribbles=strokes)
        suggester = Suggester(project, "cpu")
        labels = [None] * len(sequence.paths)
        began = time.perf_counter()
        for index in scored(sequence, options):
            record = project.picture(sequence.paths[index].stem)
            labels[index] = suggester.suggest(record).labels
        return labels, {"fps": len(scored(sequence, options)) / (time.perf_counter() - began)}


METHODS = {"propagate": propagate, "warp": warp, "warp composed": warp_composed, "suggest": suggest}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--tools", type=Path, required=True, help="folder with make_weak.py")
    parser.add_argument("--sequences", help="separated by commas; all unless given")
    parser.add_argument("--methods", default=",".join(METHODS), help="separated by commas")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="score every Nth frame only")
    parser.add_argument("--flow", default="dis", help="of propagate")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows, means = [], {name: [] for name in options.methods.split(",")}
    for sequence in sequences(options.dataset, options.sequences):
        truths = {index: sequence.truth(index) for index in scored(sequence, options)}
        row = [sequence.name]
        for name, found in means.items():
            with scratch() as work:
                labels, speeds = METHODS[name](sequence, options, work)
            ious = [object_iou(labels[index], truth) for index, truth in truths.items()]
            figures = {
                "iou": float(np.mean(ious[1:])),
                "iou_with_first": float(np.mean(ious)),
                "iou_first": ious[0],
                "iou_last": ious[-1],
                **speeds,
            }
            found.append(figures)
            row.append(f"{figures['iou']:.3f}")
            line = {key: round(value, 4) for key, value in figures.items()}
            print(
                json.dumps({"benchmark": "propagate", "sequence": sequence.name, "method": name, **line}),
                flush=True,
            )
        rows.append(row)
    for key, called in (("iou", "mean"), ("iou_with_first", "with frame 0"), ("fps", "frames a second")):
        rows.append([called, *(f"{np.mean([f[key] for f in found]):.3f}" for found in means.values())])
    print(f"\n{options.dataset.name}, one stroke a class on frame 0, IoU of the object\n")
    print(table(("sequence", *means), rows))


if __name__ == "__main__":
    main()
