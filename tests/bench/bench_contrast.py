"""Contrastive step, forward and backward: this project's blocks against the direct formulation.

    python tests/bench/bench_contrast.py [--repeats 5] [--json FILE]

4 pictures of 128 x 128 pixels, D = 64, 1,500 segments (1,000 of this batch, 500 of memory), float32. The
direct formulation is what one writes first: the whole similarity matrix, exp, masks, own segment subtracted,
divide, log, autograd. Both start from raw embeddings and make their own unit vectors and prototypes. Seconds
are medians of interleaved runs in one process; peak memory comes from one child process per variant, above
what it held before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from spml_core.relations.contrast import contrastive_loss
from spml_core.relations.relation import Relation
from spml_core.segments.prototypes import normalize, segment_prototypes

IMAGES, SIDE, DIM, CURRENT, MEMORY, CLASSES, REGIONS = 4, 128, 64, 1000, 500, 21, 40
PIXELS = IMAGES * SIDE * SIDE
KAPPA = {"annotation": 6.0, "cooccurrence": 12.0, "image similarity": 16.0}


class Case:
    """Embeddings and segments of one batch, with memory."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self.raw = torch.randn(PIXELS, DIM, generator=draw)
        self.image = torch.arange(IMAGES).repeat_interleave(SIDE * SIDE)
        per_image = CURRENT // IMAGES
        # Segments are runs of pixels, as in a picture; each carries one class and one region.
        inside = torch.arange(SIDE * SIDE) * per_image // (SIDE * SIDE)
        self.own = inside.repeat(IMAGES) + self.image * per_image
        self.seg_image = torch.cat(
            [
                torch.arange(IMAGES).repeat_interleave(per_image),
                IMAGES + torch.arange(MEMORY) * 2 * IMAGES // MEMORY,
            ]
        )
        self.seg_label = torch.randint(CLASSES, (CURRENT + MEMORY,), generator=draw)
        self.seg_region = torch.randint(REGIONS, (CURRENT,), generator=draw)
        self.tags = torch.rand(3 * IMAGES, CLASSES - 1, generator=draw) < 0.08
        self.tags[torch.arange(3 * IMAGES), torch.arange(3 * IMAGES) % 5] = True
        self.memory = normalize(torch.randn(MEMORY, DIM, generator=draw))


def direct(sim: Tensor, own: Tensor, same: Tensor) -> Tensor:
    """Eq (3) as it stands: ``sim`` = exp(kappa v.u), the own segment subtracted from the positives."""
    mine = sim.gather(1, own[:, None])[:, 0]
    positive = (sim * same).sum(1) - mine
    negative = (sim * ~same).sum(1)
    numerator = torch.where(positive > 0, positive, mine)
    return -torch.log(numerator / (numerator + negative)).mean()


def step_direct(case: Case, relation: str) -> tuple[Tensor, Tensor]:
    raw = case.raw.clone().requires_grad_()
    pixels = normalize(raw)
    kappa = KAPPA[relation]
    own_prototypes = segment_prototypes(pixels, case.own, CURRENT)
    if relation == "image similarity":
        terms = []
        per_image = CURRENT // IMAGES
        for i in range(IMAGES):
            inside, mine = case.image == i, slice(i * per_image, (i + 1) * per_image)
            own = case.own[inside] - i * per_image
            region = case.seg_region[mine]
            sim = torch.exp(kappa * pixels[inside] @ own_prototypes[mine].T)
            terms.append(direct(sim, own, region[own][:, None] == region[None]))
        loss = torch.stack(terms).mean()
    else:
        sim = torch.exp(kappa * pixels @ torch.cat([own_prototypes, case.memory]).T)
        if relation == "annotation":
            same = case.seg_label[case.own][:, None] == case.seg_label[None]
        else:
            vectors = case.tags.float()
            same = (vectors[case.image] @ vectors[case.seg_image].T) > 0
        loss = direct(sim, case.own, same)
    loss.backward()
    assert raw.grad is not None
    return loss.detach(), raw.grad


def step_blocks(case: Case, relation: str) -> tuple[Tensor, Tensor]:
    raw = case.raw.clone().requires_grad_()
    pixels = normalize(raw)
    kappa = KAPPA[relation]
    own_prototypes = segment_prototypes(pixels, case.own, CURRENT)
    if relation == "image similarity":
        terms = []
        per_image = CURRENT // IMAGES
        for i, vectors in enumerate(pixels.split(SIDE * SIDE)):
            mine = slice(i * per_image, (i + 1) * per_image)
            own = case.own[case.image == i] - i * per_image
            region = case.seg_region[mine]
            related = Relation.from_groups(region[own], region)
            terms.append(contrastive_loss(vectors, own_prototypes[mine], own, related, kappa))
        loss = torch.stack(terms).mean()
    else:
        if relation == "annotation":
            related = Relation.from_groups(case.seg_label[case.own], case.seg_label)
        else:
            related = Relation.from_tags(case.image, case.tags, case.tags[case.seg_image])
        loss = contrastive_loss(pixels, own_prototypes, case.own, related, kappa, memory=case.memory)
    loss.backward()
    assert raw.grad is not None
    return loss.detach(), raw.grad


STEPS: dict[str, Callable[[Case, str], tuple[Tensor, Tensor]]] = {
    "direct": step_direct,
    "blocks": step_blocks,
}


def status(key: str) -> float:
    """One memory figure of this process in MiB, as the kernel counts it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel doesn't report {key}")


def peak(variant: str, relation: str) -> float:
    """MiB that one step needs at its peak, in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", variant, relation], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def child(variant: str, relation: str) -> None:
    case = Case()
    # One tiny step loads the libraries' own buffers (threads, matrix products) before the baseline is taken.
    small = torch.randn(64, 64, requires_grad=True)
    (small @ small).exp().sum().backward()
    before = status("VmRSS")
    STEPS[variant](case, relation)
    print(status("VmHWM") - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.child:
        child(*args.child)
        return
    case, rows = Case(), []
    for relation in KAPPA:
        seconds: dict[str, list[float]] = {name: [] for name in STEPS}
        results = {name: step(case, relation) for name, step in STEPS.items()}
        for _ in range(args.repeats):
            for name, step in STEPS.items():
                start = time.perf_counter()
                step(case, relation)
                seconds[name].append(time.perf_counter() - start)
        middle = {name: statistics.median(s) for name, s in seconds.items()}
        memory = {name: peak(name, relation) for name in STEPS}
        (loss_a, grad_a), (loss_b, grad_b) = results["direct"], results["blocks"]
        rows.append(
            {
                "relation": relation,
                "direct_s": round(middle["direct"], 3),
                "blocks_s": round(middle["blocks"], 3),
                "times_faster": round(middle["direct"] / middle["blocks"], 2),
                "direct_mib": round(memory["direct"]),
                "blocks_mib": round(memory["blocks"]),
                "memory_share": round(memory["blocks"] / memory["direct"], 3),
                "loss_difference": float((loss_a - loss_b).abs()),
                "gradient_difference": float((grad_a - grad_b).abs().max() / grad_a.abs().max()),
            }
        )
    print(f"{PIXELS} pixels, D = {DIM}, {CURRENT} + {MEMORY} segments, {torch.get_num_threads()} threads")
    head = list(rows[0])
    print(" | ".join(head))
    for row in rows:
        print(" | ".join(f"{v:.2g}" if "difference" in k else str(v) for k, v in row.items()))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
