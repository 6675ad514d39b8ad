#!/usr/bin/env python3
"""How quick and how good suggestions are.

    python tests/bench/bench_suggest.py latency
    python tests/bench/bench_suggest.py scribbles GRABCUT20
    python tests/bench/bench_suggest.py clicks GRABCUT20
    python tests/bench/bench_suggest.py strokes DATASET... --pictures 12 --first 40

Data sets hold images/, labels/ (index PNG, 255 = ignore), GRABCUT20 scribbles1/ and scribbles2/ too. ``strokes`` draws
1 and 3 strokes a class inside the masks with a seed. Peers run on the same pictures and marks where they are installed:
a random forest on hand-made features, Convpaint with its Gaussian features, OpenCV's grabCut, scikit-image's random
walker, ilastik-napari. Our times are those of the marks alone, after the features; the peers' include theirs. Prints a
line of JSON per figure.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
import warnings
from pathlib import Path

for library in ("OPENBLAS", "MKL"):
    # Matrices are small here: threads that wait for each other make everything slow. To be said before numpy is loaded.
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2  # noqa: E402
import numpy as np  # noqa: E402

UNMARKED = 255


def emit(**values):
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}), flush=True)


def read_picture(root: Path, name: str) -> np.ndarray:
    from skimage import io

    rgb = io.imread(next((root / "images").glob(f"{name}.*")))
    return np.ascontiguousarray(np.repeat(rgb[..., None], 3, 2) if rgb.ndim == 2 else rgb[..., :3])


class Ours:
    """Features of a picture, and suggestions from marks."""

    backbone = None

    def __init__(self, rgb: np.ndarray) -> None:
        from spml_core.models import build_backbone
        from spml_core.suggesting.network_features import level_weights, network_features
        from spml_core.suggesting.picture_features import at_working_size, picture_features

        Ours.backbone = Ours.backbone or build_backbone()
        small = at_working_size(rgb)
        grid = network_features(Ours.backbone, small)
        self.features = picture_features(small, grid, level_weights(Ours.backbone), rgb.shape[:2])

    def __call__(self, marks, classes: int, **options):
        from spml_core.suggesting.evidence import gather_evidence
        from spml_core.suggesting.suggestion import suggest

        return suggest(self.features, gather_evidence(self.features, marks, classes), classes, **options)


def as_marks(weak: np.ndarray) -> list:
    """A weak label map (255 = unmarked) as one imported patch."""
    from spml_core.annotations import UNTOUCHED, Patch

    return [Patch(0, 0, np.where(weak == UNMARKED, UNTOUCHED, weak).astype(np.uint8))]


def class_ious(guess: np.ndarray, truth: np.ndarray) -> dict:
    known = truth != 255
    return {
        int(c): float(((guess == c) & (truth == c)).sum() / (((guess == c) | (truth == c)) & known).sum())
        for c in np.unique(truth[known])
    }


# Peers ------------------------------------------------------------------------------------------------


def forest(rgb, weak, classes):
    from skimage.feature import multiscale_basic_features
    from sklearn.ensemble import RandomForestClassifier

    features = multiscale_basic_features(rgb, channel_axis=-1)
    chosen = weak != UNMARKED
    model = RandomForestClassifier(100, min_samples_leaf=2, n_jobs=1, random_state=0)
    model.fit(features[chosen], weak[chosen])
    return model.predict(features.reshape(-1, features.shape[-1])).reshape(weak.shape)


def convpaint(rgb, weak, classes):
    from napari_convpaint.convpaint_model import ConvpaintModel

    model = ConvpaintModel(fe_name="gaussian_features")
    picture = np.moveaxis(rgb, -1, 0)
    model.set_param("channel_mode", "rgb", ignore_warnings=True)
    model.train(picture, np.where(weak == UNMARKED, 0, weak.astype(int) + 1), use_rf=True)
    return np.asarray(model.segment(picture)) - 1


def ilastik(rgb, weak, classes):
    import sparse
    from ilastik.napari.classifier import NDSparseClassifier
    from ilastik.napari.filters import (
        DifferenceOfGaussians,
        FilterSet,
        Gaussian,
        GaussianGradientMagnitude,
        HessianOfGaussianEigenvalues,
        LaplacianOfGaussian,
        StructureTensorEigenvalues,
    )
    from sklearn.ensemble import RandomForestClassifier

    kinds = [
        LaplacianOfGaussian,
        GaussianGradientMagnitude,
        DifferenceOfGaussians,
        StructureTensorEigenvalues,
        HessianOfGaussianEigenvalues,
    ]
    chosen = [Gaussian(s) for s in (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)]
    chosen += [kind(s) for kind in kinds for s in (0.7, 1.0, 1.6, 3.5, 5.0, 10.0)]
    features = np.concatenate(
        [FilterSet(tuple(chosen)).transform(rgb[..., c].astype(np.float32)) for c in range(3)], -1
    )
    labels = sparse.COO.from_numpy(np.where(weak == UNMARKED, 0, weak.astype(np.uint8) + 1))
    model = NDSparseClassifier(RandomForestClassifier(100, n_jobs=1, random_state=0)).fit(features, labels)
    return np.asarray(model.predict(features)) - 1


def grab_cut(rgb, weak, classes):
    if classes != 2:
        return None
    mask = np.full(weak.shape, cv2.GC_PR_BGD, np.uint8)
    mask[weak == 0], mask[weak == 1] = cv2.GC_BGD, cv2.GC_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(rgb, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


def random_walker(rgb, weak, classes):
    """At half size: at full size it takes a minute."""
    from skimage.segmentation import random_walker as walk

    height, width = weak.shape
    small = cv2.resize(rgb, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    seeds = np.zeros(small.shape[:2], int)
    y, x = np.nonzero(weak != UNMARKED)
    seeds[np.minimum(y // 2, height // 2 - 1), np.minimum(x // 2, width // 2 - 1)] = (
        weak[y, x].astype(int) + 1
    )
    values = np.unique(seeds[seeds > 0])
    found = walk(
        small / 255.0, np.searchsorted(values, seeds) + (seeds > 0), beta=130, mode="cg_j", channel_axis=-1
    )
    back = values[np.clip(found - 1, 0, len(values) - 1)] - 1
    return cv2.resize(back.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)


PEERS = {
    "forest": forest,
    "Convpaint, Gaussian features": convpaint,
    "ilastik-napari": ilastik,
    "grabCut": grab_cut,
    "random walker": random_walker,
}


def run_peers(rgb, weak, classes, wanted):
    """Label maps and seconds of the peers that are installed; one that isn't says so once and is left out."""
    for name in list(wanted):
        start = time.perf_counter()
        try:
            guess = PEERS[name](rgb, weak, classes)
        except Exception as error:
            print(f"{name} is left out: {type(error).__name__}: {error}", file=sys.stderr)
            wanted.remove(name)
            continue
        if guess is not None:
            yield name, guess, time.perf_counter() - start


# Parts ------------------------------------------------------------------------------------------------


def latency(options) -> None:
    from spml_core.annotations import Scribble

    for side, repeats in ((512, 40), (2048, 20)):
        rgb = texture(side)
        start = time.perf_counter()
        Ours(rgb)
        cold = time.perf_counter() - start
        start = time.perf_counter()
        ours = Ours(rgb)
        warm = time.perf_counter() - start
        rng = np.random.default_rng(1)
        marks, seconds, processor = [], [], []
        for number in range(repeats):
            ends = rng.random((2, 2)) * (side - 1)
            marks.append(Scribble(number % 5, tuple(map(tuple, ends.tolist())), 5.0))
            start, work = time.perf_counter(), time.process_time()
            ours(marks, 5)
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - work)
        start, work = time.perf_counter(), time.process_time()
        Ours(rgb)(marks[:2], 5)
        first, first_work = time.perf_counter() - start, time.process_time() - work
        steady = np.array(seconds[5:]) * 1000
        emit(
            what=f"{side} x {side}, 5 classes",
            p50_ms=float(np.percentile(steady, 50)),
            p95_ms=float(np.percentile(steady, 95)),
            cpu_p50_ms=float(np.percentile(processor[5:], 50)) * 1000,
            features_s=warm,
            features_with_weights_read_s=cold,
            first_overlay_s=first,
            first_overlay_cpu_s=first_work,
            cached_MiB=ours.features.nbytes / 2**20,
        )


def texture(side: int) -> np.ndarray:
    """Smooth noise with discs."""
    rng = np.random.default_rng(0)
    rgb = cv2.resize(rng.integers(0, 256, (side // 16 + 1, side // 16 + 1, 3), np.uint8), (side, side))
    for _ in range(side // 10):
        center = tuple(int(v) for v in rng.integers(0, side, 2))
        cv2.circle(
            rgb, center, int(rng.integers(8, side // 10)), [int(v) for v in rng.integers(0, 256, 3)], -1
        )
    return rgb


def scribbles(options) -> None:
    from skimage import io

    (root,) = options.data
    for folder in ("scribbles1", "scribbles2"):
        scores, seconds, wanted = {}, {}, list(PEERS)
        for path in sorted((root / "labels").glob("*.png")):
            rgb, truth, weak = (
                read_picture(root, path.stem),
                io.imread(path),
                io.imread(root / folder / path.name),
            )
            ours = Ours(rgb)
            for quality in ("pixels", "regions", "crf"):
                start = time.perf_counter()
                found = ours(as_marks(weak), 2, quality=quality).labels
                seconds.setdefault(f"ours, {quality}", []).append(time.perf_counter() - start)
                scores.setdefault(f"ours, {quality}", []).append(class_ious(found, truth)[1])
            for name, guess, took in run_peers(rgb, weak, 2, wanted):
                scores.setdefault(name, []).append(class_ious(guess, truth)[1])
                seconds.setdefault(name, []).append(took)
        for name, values in scores.items():
            emit(
                what=folder,
                method=name,
                object_iou=statistics.mean(values),
                ms=statistics.median(seconds[name]) * 1000,
            )


def strokes(options) -> None:
    for root in options.data:
        scores, wanted = (
            {},
            ["forest", "Convpaint, Gaussian features", "ilastik-napari", "grabCut", "random walker"],
        )
        classes = len([k for k in json.loads((root / "classes.json").read_text()) if k != "255"])
        for number, (rgb, truth) in enumerate(chosen_pictures(root, options)):
            ours = Ours(rgb)
            for count in (1, 3):
                weak = draw_strokes(truth, np.random.default_rng(options.seed + number), count)
                answers = [
                    (f"ours, {q}", ours(as_marks(weak), classes, quality=q).labels, 0)
                    for q in ("pixels", "crf")
                ]
                answers += run_peers(rgb, weak, classes, wanted)
                for name, guess, _ in answers:
                    scores.setdefault((name, count), []).append(
                        statistics.mean(class_ious(guess, truth).values())
                    )
        for (name, count), values in scores.items():
            emit(
                what=root.name, strokes=count, method=name, miou=statistics.mean(values), pictures=len(values)
            )


def chosen_pictures(root: Path, options):
    from skimage import io

    names = sorted(path.stem for path in (root / "labels").glob("*.png"))
    random.Random(options.shuffle).shuffle(names)
    for name in names[options.first : options.first + options.pictures]:
        rgb, truth = read_picture(root, name), io.imread(root / "labels" / f"{name}.png")
        scale = min(1.0, 640 / max(truth.shape))
        size = (round(truth.shape[1] * scale), round(truth.shape[0] * scale))
        yield (
            cv2.resize(rgb, size, interpolation=cv2.INTER_AREA),
            cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST),
        )


def draw_strokes(truth: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """``count`` wobbly strokes, 3 pixels wide, in the largest parts of every class."""
    from scipy.ndimage import distance_transform_edt
    from skimage.graph import route_through_array
    from skimage.measure import label, regionprops

    weak = np.full(truth.shape, UNMARKED, np.uint8)
    for c in np.unique(truth[truth != 255]):
        parts = label(truth == c)
        regions = sorted((r for r in regionprops(parts) if r.area >= 60), key=lambda r: -r.area)
        for number in range(count if regions else 0):
            mask = np.pad(regions[number % len(regions)].image, 1)
            origin = np.array(regions[number % len(regions)].bbox[:2]) - 1
            depth = distance_transform_edt(mask)
            places = np.argwhere(depth >= min(depth.max() * 0.4, 6))
            start = places[rng.integers(len(places))]
            far = np.hypot(*(places - start).T)
            end = places[np.abs(far - 0.8 * far.max()).argmin()]
            cost = np.where(mask, 1 / (depth + 0.5) + 0.3 * rng.random(mask.shape), 1e4)
            path = np.array(route_through_array(cost, start, end, fully_connected=True)[0]) + origin
            line = np.zeros(truth.shape, np.uint8)
            line[path[:, 0], path[:, 1]] = 1
            weak[(cv2.dilate(line, np.ones((3, 3), np.uint8)) > 0) & (truth == c)] = c
    return weak


def clicks(options) -> None:
    """The protocol of RITM (Sofiiuk et al. 2021): click the deepest pixel of the errors, up to 20 times."""
    from skimage import io

    from spml_core.annotations import Point

    (root,) = options.data
    needed, curve, seconds = {85: [], 90: []}, [], []
    for path in sorted((root / "labels").glob("*.png")):
        truth = io.imread(path)
        ours, marks, ious = Ours(read_picture(root, path.stem)), [], []
        guess = np.zeros_like(truth)
        for _ in range(20):
            missing, extra = (truth == 1) & (guess != 1), (truth == 0) & (guess == 1)
            depths = [
                cv2.distanceTransform(np.pad(e, 1).astype(np.uint8), cv2.DIST_L2, 0)[1:-1, 1:-1]
                for e in (missing, extra)
            ]
            positive = depths[0].max() > depths[1].max()
            y, x = np.unravel_index(depths[0 if positive else 1].argmax(), truth.shape)
            marks.append(Point(int(positive), float(y), float(x)))
            start = time.perf_counter()
            guess = ours(marks, 2).labels
            seconds.append(time.perf_counter() - start)
            ious.append(class_ious(guess, truth)[1])
        curve.append(ious)
        for goal, counts in needed.items():
            counts.append(next((n for n, iou in enumerate(ious, 1) if iou >= goal / 100), 20))
    emit(
        what="clicks",
        to_85=statistics.mean(needed[85]),
        to_90=statistics.mean(needed[90]),
        iou_after=[round(float(v), 3) for v in np.mean(curve, 0)[[0, 1, 2, 4, 9, 19]]],
        each_85=needed[85],
        each_90=needed[90],
        ms=statistics.median(seconds) * 1000,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["latency", "scribbles", "strokes", "clicks"])
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shuffle", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    globals()[options.part](options)


if __name__ == "__main__":
    main()
