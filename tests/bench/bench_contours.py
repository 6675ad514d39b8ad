#!/usr/bin/env python3
"""What the regions of each source and hierarchy can reach on BSDS500, and how long they take.

    python tests/bench/bench_contours.py --data DIR [--hed FILE] [--pictures 25] [--regions 20 50 100 200]

``DIR`` holds ``images/ID.jpg`` and ``labels/ID_K.png``, the regions of annotator K. For every number of regions:

* mIoU: each region takes the label that most of its pixels have; intersection over union of an annotator's segments,
  averaged over the segments, then the annotators, then the pictures.
* F: boundary pixels against the annotators' with a tolerance of .0075 of the diagonal. A pixel counts as found if any
  boundary pixel of the other side is that near (a distance transform, not the one-to-one matching of the BSDS tools, so
  figures are some points higher). Precision asks for any annotator's boundary, recall is over all of them; both are
  taken from the counts of all pictures.
* ms: median milliseconds a picture for the edges, and for the regions of all asked-for numbers together; by the clock,
  and of processor time, which other programs don't change.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

TOLERANCE = 0.0075


def reachable_iou(regions, truth):
    """Mean IoU of an annotator's segments if each region takes its majority label."""
    _, truth = np.unique(truth, return_inverse=True)
    truth, regions = truth.ravel(), regions.ravel()
    labels = int(truth.max()) + 1
    votes = np.bincount(regions * labels + truth, minlength=(int(regions.max()) + 1) * labels).reshape(
        -1, labels
    )
    taken = votes.argmax(1)
    hits = np.bincount(taken, weights=votes.max(1), minlength=labels)
    given = np.bincount(taken, weights=votes.sum(1), minlength=labels)
    return float((hits / (given + votes.sum(0) - hits)).mean())


def boundary(labels):
    """Pixels that differ from the next one to the right or below."""
    marks = np.zeros(labels.shape, bool)
    marks[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    marks[:-1] |= labels[1:] != labels[:-1]
    return marks


def near(marks, reach):
    """Pixels within ``reach`` of a mark."""
    return distance_transform_edt(~marks) <= reach if marks.any() else np.zeros(marks.shape, bool)


def boundary_counts(regions, truths):
    """(found, asked) of precision and of recall."""
    reach = TOLERANCE * np.hypot(*regions.shape)
    mine, theirs = boundary(regions), [boundary(truth) for truth in truths]
    of_any = near(np.logical_or.reduce(theirs), reach)
    close = near(mine, reach)
    return np.array(
        [
            (mine & of_any).sum(),
            mine.sum(),
            sum((truth & close).sum() for truth in theirs),
            sum(truth.sum() for truth in theirs),
        ],
        np.float64,
    )


def f_score(counts):
    precision, recall = counts[0] / max(counts[1], 1), counts[2] / max(counts[3], 1)
    return float(2 * precision * recall / max(precision + recall, 1e-12))


def slic_near(rgb, count):
    """SLIC gives fewer superpixels than it is asked for: it is asked for more until there are nearly enough."""
    from skimage.segmentation import slic

    asked = count
    for _ in range(3):
        regions = slic(rgb, asked, start_label=0)
        found = int(regions.max()) + 1
        if found >= 0.95 * count:
            break
        asked = round(asked * count / found)
    return regions


def felzenszwalb_near(rgb, count):
    """The scale is halved or doubled until the number of regions is about right."""
    from skimage.segmentation import felzenszwalb

    low, high, best = 1.0, 20_000.0, None
    for _ in range(8):
        scale = float(np.sqrt(low * high))
        regions = felzenszwalb(rgb, scale=scale, sigma=0.8, min_size=20)
        found = int(regions.max()) + 1
        if best is None or abs(found - count) < abs(best.max() + 1 - count):
            best = regions
        if abs(found - count) <= max(1, count // 20):
            break
        low, high = (scale, high) if found > count else (low, scale)
    return best


def timed(function, *arguments):
    """Its result, and (seconds by the clock, of processor time)."""
    clock, processor = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return result, (time.perf_counter() - clock, time.process_time() - processor)


def methods(hed_file, threads):
    """Name to (edges of a picture or None, regions of (picture, edges, numbers))."""
    from spml_core.segments import build_hierarchy, build_ucm, edge_strength

    def by(build):
        def regions(rgb, edges, counts):
            tree = build(edges)
            return [tree.cut(count) for count in counts]

        return regions

    sources = {"lab": edge_strength}
    if hed_file is not None:
        import torch

        from spml_core.models.hed import HED_SCALES, hed_edges
        from spml_core.models.hed_weights import load_hed

        torch.set_num_threads(threads)
        network = load_hed(hed_file)
        sources["hed 1 scale"] = lambda rgb: hed_edges(network, rgb, (1.0,))
        sources[f"hed {len(HED_SCALES)} scales"] = lambda rgb: hed_edges(network, rgb)
    found = {"slic": (None, lambda rgb, _, counts: [slic_near(rgb, n) for n in counts])}
    found["felzenszwalb"] = (None, lambda rgb, _, counts: [felzenszwalb_near(rgb, n) for n in counts])
    for name, source in sources.items():
        for kind, build in (("volume", build_hierarchy), ("ucm", build_ucm)):
            found[f"{name} + {kind}"] = (source, by(build))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--hed", type=Path)
    parser.add_argument("--pictures", type=int)
    parser.add_argument("--regions", type=int, nargs="+", default=[20, 50, 100, 200])
    parser.add_argument("--only", default="", help="methods whose names begin so")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    files = sorted((options.data / "images").glob("*.jpg"))
    # Spread over the set: neighbours in the list are often from one photographer.
    files = files[:: max(1, len(files) // (options.pictures or len(files)))][: options.pictures]
    ious, counts, used = defaultdict(list), defaultdict(lambda: np.zeros(4)), defaultdict(list)
    times = defaultdict(list)
    ways = methods(options.hed, options.threads)
    ways = {name: way for name, way in ways.items() if name.startswith(options.only)}
    for file in files:
        rgb = np.array(Image.open(file).convert("RGB"))
        truths = [
            np.array(Image.open(p)) for p in sorted((options.data / "labels").glob(f"{file.stem}_*.png"))
        ]
        known = {}
        for name, (source, regions_of) in ways.items():
            if source is not None and source not in known:
                known[source] = timed(source, rgb)
            edges, took = known.get(source, (None, (0.0, 0.0)))
            cuts, more = timed(regions_of, rgb, edges, options.regions)
            times[name].append((*took, *more))
            for number, regions in zip(options.regions, cuts, strict=True):
                ious[name, number].append(np.mean([reachable_iou(regions, truth) for truth in truths]))
                counts[name, number] += boundary_counts(regions, truths)
                used[name, number].append(int(regions.max()) + 1)
    for name in ways:
        print(
            json.dumps(
                {
                    "what": name,
                    "pictures": len(files),
                    **dict(
                        zip(
                            ("edges_ms", "edges_cpu_ms", "regions_ms", "regions_cpu_ms"),
                            (1000 * np.median(times[name], axis=0)).round().astype(int).tolist(),
                            strict=True,
                        )
                    ),
                    **{f"miou_{n}": round(float(np.mean(ious[name, n])), 3) for n in options.regions},
                    **{f"f_{n}": round(f_score(counts[name, n]), 3) for n in options.regions},
                    **{f"used_{n}": round(float(np.mean(used[name, n]))) for n in options.regions},
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
