#!/usr/bin/env python3
"""How right and how quick the estimators of optical flow are, and how well cuts are told from motion.

    python tests/bench/bench_flow.py FOLDER [FOLDER ...] [--flows dis deepflow] [--pairs 20] [--every 1]

Each ``FOLDER`` holds the frames of one film in the order of their names. Prints a JSON line for each

* estimator and size of motion: end-point error in pixels, mean and 95th percentile over the pixels whose way stays in
  the frame, of known smooth motion that is put on frames reduced to 427 x 240; milliseconds a frame (the median, by the
  clock); and what a flow of two real consecutive frames takes in the cache, in bytes a pixel and milliseconds to pack
  and to read;
* way of looking at the films: the largest ``content`` of two frames of one film, so many apart, and the smallest of
  frames of two films, both as shares of the limit of a cut, how many of each are taken for cuts, and milliseconds a
  pair. All films once in colour and once without.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from spml_core.video.flow import FLOWS, build_flow
from spml_core.video.flow_cache import decode_flow, encode_flow
from spml_core.video.scene_cuts import scene_change
from spml_core.video.warp import inside, warp_array

SIZE = (240, 427)
MOTIONS = (2, 6, 20)  # pixels, about the most


def film(folder: Path, every: int) -> list[np.ndarray]:
    """Its frames as (240, 427, 3), every so many."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    frames = []
    for path in paths[::every]:
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        frames.append(cv2.resize(rgb, SIZE[::-1], interpolation=cv2.INTER_AREA))
    return frames


def known_motion(most: float, rng: np.random.Generator) -> np.ndarray:
    """A shift, a turn and a smooth unrest, of up to about ``most`` pixels."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    y, x = rows / SIZE[0] - 0.5, columns / SIZE[1] - 0.5
    angle, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
    flow = np.stack([np.cos(angle) - turn * y, np.sin(angle) + turn * x], axis=2)
    unrest = cv2.resize(
        rng.normal(0, 0.25, (5, 8, 2)).astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_CUBIC
    )
    return (most * (flow + unrest) / 1.5).astype(np.float32)


def accuracy(estimator, frames: list[np.ndarray], most: float) -> dict[str, float]:
    """End-point error of known motion on these frames, and milliseconds."""
    rng = np.random.default_rng(0)
    errors, lengths, seconds = [], [], []
    for frame in frames:
        truth = known_motion(most, rng)
        moved = np.rint(warp_array(frame, truth)).astype(np.uint8)
        start = time.perf_counter()
        found = estimator(moved, frame)
        seconds.append(time.perf_counter() - start)
        there = inside(truth)
        errors.append(np.linalg.norm(found - truth, axis=2)[there])
        lengths.append(np.linalg.norm(truth, axis=2)[there])
    error = np.concatenate(errors)
    return {
        "motion": round(float(np.concatenate(lengths).mean()), 2),
        "error": round(float(error.mean()), 3),
        "error_95": round(float(np.percentile(error, 95)), 3),
        "ms": round(1000 * float(np.median(seconds)), 1),
    }


def cache_figures(estimator, pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Bytes a pixel of real flows in the cache, and milliseconds to pack and to read one."""
    sizes, packing, reading = [], [], []
    for pair in pairs:
        flow = estimator(*pair)
        start = time.perf_counter()
        content, _ = encode_flow(flow)
        between = time.perf_counter()
        decode_flow(content)
        reading.append(time.perf_counter() - between)
        packing.append(between - start)
        sizes.append(len(content) / (SIZE[0] * SIZE[1]))
    return {
        "bytes_a_pixel": round(float(np.mean(sizes)), 2),
        "pack_ms": round(1000 * float(np.median(packing)), 1),
        "read_ms": round(1000 * float(np.median(reading)), 1),
    }


def cut_figures(films: list[list[np.ndarray]], apart: int) -> dict[str, float]:
    """How far pairs of one film and pairs of two films are from the limit."""
    rng = np.random.default_rng(0)
    within = [(frames[i], frames[i + apart]) for frames in films for i in range(len(frames) - apart)]
    across = [
        (a[rng.integers(len(a))], b[rng.integers(len(b))])
        for a in films for b in films if a is not b for _ in range(10)
    ]  # fmt: skip
    start = time.perf_counter()
    same, other = ([scene_change(*pair) for pair in pairs] for pairs in (within, across))
    spent = time.perf_counter() - start
    return {
        "apart": apart,
        "pairs_within": len(same),
        "taken_for_cuts": sum(change.is_cut for change in same),
        "content_within_most": round(max(change.content / change.limit for change in same), 3),
        "pairs_across": len(other),
        "cuts_found": sum(change.is_cut for change in other),
        "content_across_least": round(
            min((change.content / change.limit for change in other), default=float("nan")), 3
        ),
        "ms": round(1000 * spent / (len(same) + len(other)), 2),
    }


def without_colour(frame: np.ndarray) -> np.ndarray:
    return np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--flows", nargs="+", choices=FLOWS, default=["dis", "deepflow"])
    parser.add_argument("--weights", default="", help="of raft: small, large or a file")
    parser.add_argument("--pairs", type=int, default=20, help="for each estimator and motion")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth frame")
    options = parser.parse_args()
    films = [film(folder, options.every) for folder in options.folders]
    pairs = [pair for frames in films for pair in pairwise(frames)]
    chosen = [pairs[i] for i in np.linspace(0, len(pairs) - 1, min(options.pairs, len(pairs))).astype(int)]
    for name in options.flows:
        estimator = build_flow(name, options.weights if name == "raft" else "")
        estimator(*chosen[0])  # what is done once
        for most in MOTIONS:
            figures = accuracy(estimator, [frame for frame, _ in chosen], most)
            print(json.dumps({"flow": name, **figures}), flush=True)
        print(json.dumps({"flow": name, **cache_figures(estimator, chosen)}), flush=True)
    for colours, looked in (
        ("all", films),
        ("none", [[without_colour(f) for f in frames] for frames in films]),
    ):
        for apart in (1, 2):
            print(json.dumps({"cuts": colours, **cut_figures(looked, apart)}), flush=True)


if __name__ == "__main__":
    main()
