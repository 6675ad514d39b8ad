"""One step of the paper's training, this project's way against the direct way.

    python tests/bench/bench_paper_step.py [--repeats 3] [--threads N] [--json FILE]

ResNet-101 (deep stem) with the DeepLab head, D = 64, K = 21, two crops of 512 x 512 from the sample pictures with
scribbles, that preset's relations (annotation, co-occurrence, image similarity), memory of two batches, softmax head
with cross-entropy, backward, SGD with Caffe's momentum. On the CPU. A step goes from the pixels to the new weights.

Variants, run in turn from the same weights on the same batch:

direct
    float32; every parameter gets a gradient; the head's four dilated convolutions one by one; the whole pixel x segment
    similarity matrix of each relation: exp, masks, own segment subtracted, divide, log.
ours
    No gradient below stage 2, channels last, the head's taps in one product, relations by blocks; convolutions in the
    precision the CPU is best at (bfloat16 where it has matrix units for it).
ours, float32
    The same without bfloat16.
direct, our net; direct, our net, float32
    As the two before but for the relations, which are taken by whole matrices: what the blocks alone bring.

K-means, partition and prototypes are one code for all. ``wall`` and ``cpu`` are medians of seconds; ``cpu`` is the time
of all threads and says more on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.classes import IGNORE
from spml_core.devices import reuse_freed_memory
from spml_core.images import Picture
from spml_core.io import read_index_png
from spml_core.models import PaperNetwork, build_paper_network, normalise_rgb, rgb_tensor
from spml_core.models.precision import Precision, compute_dtype
from spml_core.relations import (
    PAPER_WEIGHTS,
    BankEntry,
    BatchSegments,
    PicturePixels,
    contrastive_step,
    segment_batch,
)
from spml_core.segments import (
    build_hierarchy,
    edge_strength,
    grid_labels,
    location_features,
    segment_prototypes,
    with_location,
)
from spml_core.training.caffe_sgd import CaffeSGD, make_paper_optimiser, paper_parameter_groups

CROP, CLASSES, REGIONS, CELLS, RATE = 512, 21, 100, (6, 6), 3e-3
WEIGHTS = PAPER_WEIGHTS["scribbles"]
SAMPLES = Path(__file__).parents[2] / "sample_data" / "people"


class Batch:
    """Two pictures with scribbles: lines of three pixels through the masks, 64 pixels apart."""

    def __init__(self, names: list[str]) -> None:
        crops = [self._crop(name, shift) for name, shift in zip(names, (0, 5), strict=True)]
        self.rgb = torch.stack([c[0] for c in crops])
        self.labels = torch.stack([c[1] for c in crops])
        self.regions = torch.stack([c[2] for c in crops])
        self.tags = torch.stack([c[3] for c in crops])

    @staticmethod
    def _crop(name: str, shift: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rgb = Picture(SAMPLES / "images" / f"{name}.jpg").rgb()
        mask = read_index_png(SAMPLES / "masks" / f"{name}.png")
        scale = (CROP + 1) / min(mask.shape)
        side = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
        rgb = cv2.resize(rgb, side, interpolation=cv2.INTER_LINEAR)[:CROP, :CROP]
        mask = cv2.resize(mask, side, interpolation=cv2.INTER_NEAREST)[:CROP, :CROP].astype(np.int64)
        # The second picture's foreground counts as other classes, so that not all pictures share a tag.
        mask = np.where((mask > 0) & (mask < IGNORE), mask + shift, mask)
        tags = torch.tensor([(mask == c).any() for c in range(CLASSES)])
        scribbles = np.where((np.arange(CROP) % 64 < 3)[:, None], mask, CLASSES)
        regions = build_hierarchy(edge_strength(rgb)).cut(REGIONS)
        pixels = normalise_rgb(rgb_tensor(rgb))[0]
        return pixels, torch.from_numpy(scribbles), torch.from_numpy(regions.astype(np.int64)), tags

    def pictures(self, embeddings: Tensor) -> list[PicturePixels]:
        """Pixels of the embedding grid, with the maps sampled on it."""
        height, width = embeddings.shape[-2:]
        local = location_features(height, width)
        initial = grid_labels(height, width, CELLS).reshape(-1)
        labels, regions = (self._on_grid(m, height, width) for m in (self.labels, self.regions))
        return [
            PicturePixels(e.flatten(1).T, local, initial, label, region)
            for e, label, region in zip(embeddings, labels, regions, strict=True)
        ]

    @staticmethod
    def _on_grid(maps: Tensor, height: int, width: int) -> Tensor:
        return F.interpolate(maps[:, None].float(), (height, width), mode="nearest").long().flatten(1)


def direct_term(pixels: Tensor, bank: Tensor, own: Tensor, same: Tensor, kappa: float) -> Tensor:
    """Eq (3) as it stands, on the whole matrix; ``own`` (n,) and ``same`` (n, S)."""
    similarity = torch.exp(kappa * pixels @ bank.T)
    mine = similarity.gather(1, own[:, None])[:, 0]
    positive = (similarity * same).sum(1) - mine
    negative = (similarity * ~same).sum(1)
    numerator = torch.where(positive > 0, positive, mine)
    return -torch.log(numerator / (numerator + negative)).mean()


def direct_relations(batch: Batch, pictures: list[PicturePixels], memory: BankEntry) -> Tensor:
    """The three relations of the scribble preset by whole matrices, weighted."""
    segments = segment_batch(pictures, CLASSES)
    units = segment_prototypes(segments.pixels, segments.own, len(segments))
    bank = torch.cat([units, memory.prototypes])
    labels = torch.cat([segments.labels, memory.labels])
    taught, known = segments.labels[segments.own] < CLASSES, labels < CLASSES
    place = known.cumsum(0) - 1
    annotation = direct_term(
        segments.pixels[taught],
        bank[known],
        place[segments.own[taught]],
        labels[segments.own[taught]][:, None] == labels[known][None],
        WEIGHTS.annotation.kappa,
    )
    tags = batch.tags.float()[:, 1:]
    of_segments = torch.cat([tags[segments.images], memory.tags[:, 1:].float()])
    shared = (tags[segments.pixel_images] @ of_segments.T) > 0
    cooccurrence = direct_term(segments.pixels, bank, segments.own, shared, WEIGHTS.cooccurrence.kappa)
    return (
        WEIGHTS.annotation.weight * annotation
        + WEIGHTS.cooccurrence.weight * cooccurrence
        + WEIGHTS.image_similarity.weight * direct_similarity(segments)
    )


def direct_similarity(segments: BatchSegments) -> Tensor:
    """Image similarity, picture by picture."""
    vectors = with_location(segments.pixels, segments.local)
    terms = []
    for image in range(int(segments.images.max()) + 1):
        inside, mine = segments.pixel_images == image, (segments.images == image).nonzero()[:, 0]
        own = segments.own[inside] - mine[0]
        regions = segments.regions[mine]
        units = segment_prototypes(vectors[inside], own, len(mine))
        same = regions[own][:, None] == regions[None]
        terms.append(direct_term(vectors[inside], units, own, same, WEIGHTS.image_similarity.kappa))
    return torch.stack(terms).mean()


def block_relations(batch: Batch, pictures: list[PicturePixels], memory: BankEntry) -> Tensor:
    """The same by this project's blocks."""
    return contrastive_step(pictures, batch.tags, WEIGHTS, memory).total


class Variant:
    """One way to take the step, with a network of its own."""

    def __init__(self, start: PaperNetwork, precision: Precision, blocks: bool, plain: bool) -> None:
        self.network = build_paper_network(CLASSES, precision=precision)
        self.network.load_state_dict(start.state_dict())
        self.network.train()
        self.plain = plain
        self.relations = block_relations if blocks else direct_relations
        if plain:
            self.network.to(memory_format=torch.contiguous_format)
            self.network.requires_grad_(True)
            groups = paper_parameter_groups(self.network)
            for group in groups:
                group["lr"] = RATE * group["lr_mult"]
            self.optimiser: torch.optim.Optimizer = CaffeSGD(groups, RATE)
        else:
            self.optimiser = make_paper_optimiser(self.network, RATE)

    def embed(self, rgb: Tensor) -> Tensor:
        if not self.plain:
            return self.network.embedding(rgb)
        features = self.network.backbone(rgb)[-1]
        total = sum(branch(features) for branch in self.network.embedding_head.branches)
        return F.interpolate(total, scale_factor=2, mode="bilinear", align_corners=False)

    def step(self, batch: Batch, memory: BankEntry) -> dict[str, float]:
        """Take the step; seconds of its parts, and the loss."""
        marks = [(time.perf_counter(), time.process_time())]

        def mark() -> None:
            marks.append((time.perf_counter(), time.process_time()))

        torch.manual_seed(0)  # dropout
        self.optimiser.zero_grad()
        embeddings = self.embed(batch.rgb)
        mark()
        # The relations' gradient is taken up to the embedding first, so that the parts can be told apart.
        leaf = embeddings.detach().requires_grad_()
        loss = self.relations(batch, batch.pictures(leaf), memory)
        loss.backward()
        mark()
        logits = self.network.classify(embeddings)
        logits = F.interpolate(logits, batch.labels.shape[-2:], mode="bilinear", align_corners=False)
        aims = torch.where(batch.labels < CLASSES, batch.labels, IGNORE)
        fit = F.cross_entropy(logits, aims, ignore_index=IGNORE)
        fit.backward()
        mark()
        embeddings.backward(leaf.grad)
        mark()
        self.optimiser.step()
        mark()
        names = ("forward", "relations", "head", "backward", "update")
        parts = {
            name: after[0] - before[0] for name, before, after in zip(names, marks, marks[1:], strict=False)
        }
        return parts | {
            "wall": marks[-1][0] - marks[0][0],
            "cpu": marks[-1][1] - marks[0][1],
            "relations_cpu": marks[2][1] - marks[1][1],
            "loss": float(loss.detach()) + float(fit.detach()),
        }


def remember(network: PaperNetwork, batches: list[Batch]) -> BankEntry:
    """Segments of two batches, as a memory would hold them at the next step."""
    entries = []
    with torch.no_grad():
        for number, batch in enumerate(batches):
            pictures = batch.pictures(network.embedding(batch.rgb))
            entry = contrastive_step(pictures, batch.tags, WEIGHTS).entry
            entries.append((entry, 2 * (number + 1)))
    return BankEntry(
        torch.cat([e.prototypes for e, _ in entries]),
        torch.cat([e.local_prototypes for e, _ in entries]),
        torch.cat([e.images + first for e, first in entries]),
        torch.cat([e.labels for e, _ in entries]),
        torch.cat([e.regions for e, _ in entries]),
        torch.cat([e.tags for e, _ in entries]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs="*", help="names of variants; all are compared with the last")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    reuse_freed_memory()  # for all variants
    names = sorted(p.stem for p in (SAMPLES / "images").glob("*.jpg"))
    batches = [Batch(names[i : i + 2]) for i in (0, 2, 4)]
    torch.manual_seed(0)
    start = build_paper_network(CLASSES, precision="auto").train()
    memory = remember(start, batches[1:])
    makers: dict[str, Callable[[], Variant]] = {
        "direct": lambda: Variant(start, "float32", blocks=False, plain=True),
        "direct, our net": lambda: Variant(start, "auto", blocks=False, plain=False),
        "direct, our net, float32": lambda: Variant(start, "float32", blocks=False, plain=False),
        "ours, float32": lambda: Variant(start, "float32", blocks=True, plain=False),
        "ours": lambda: Variant(start, "auto", blocks=True, plain=False),
    }
    chosen = args.only or list(makers)
    variants = {name: makers[name]() for name in chosen}
    results: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    first = {name: v.step(batches[0], memory) for name, v in variants.items()}  # also warms up
    for _ in range(args.repeats):
        for name, variant in variants.items():
            variant.network.load_state_dict(start.state_dict())
            results[name].append(variant.step(batches[0], memory))
    segments = len(segment_batch(batches[0].pictures(start.embedding(batches[0].rgb).detach()), CLASSES))
    print(
        f"{args.threads} threads, {compute_dtype('auto', torch.device('cpu'))} in 'auto', "
        f"{segments} + {len(memory)} segments, {2 * (CROP // 4) ** 2} pixels"
    )
    rows = []
    for name, runs in results.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        rows.append(
            {"variant": name} | {k: round(v, 3) for k, v in middle.items()} | {"loss": first[name]["loss"]}
        )
    ours = rows[-1]
    for row in rows:
        row["times_ours"] = round(row["wall"] / ours["wall"], 2)
        row["times_ours_cpu"] = round(row["cpu"] / ours["cpu"], 2)
        print(" | ".join(f"{k} {v:.5g}" if isinstance(v, float) else str(v) for k, v in row.items()))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
