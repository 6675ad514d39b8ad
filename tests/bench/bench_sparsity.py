#!/usr/bin/env python3
"""How little a person needs to draw: mean IoU against the length of the scribbles, and with clicks alone.

    python tests/bench/bench_sparsity.py DATASET --tools TOOLS [--train 30] [--test 40] [--chart FILE]

The scribbles of make_weak.py are shortened to shares of their length (0: a dot at the middle of each). Prints a JSON
line a run, then a table and a chart; with matplotlib and ``--chart`` that is also written as a PNG.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from black_box import Bench, arguments, scratch, shuffled_names, table

from spml_core.classes import IGNORE, ClassTable
from spml_core.io import read_index_png, write_index_png
from spml_core.seeds import RATIOS, shorten_raster

_BAR = 50  # characters of the longest bar


def shorten(scribbles: Path, ratio: float, out: Path, classes: ClassTable) -> float:
    """Write shortened scribbles; gives how many pixels a picture has on average."""
    out.mkdir()
    counts = []
    for file in sorted(scribbles.glob("*.png")):
        labels = shorten_raster(read_index_png(file), ratio)
        write_index_png(out / file.name, labels, classes)
        counts.append(int((labels != IGNORE).sum()))
    return float(np.mean(counts))


def bars(rows: Sequence[Sequence[object]]) -> str:
    """Rows (name, mean IoU, ...) as a bar each."""
    most = max(float(row[1]) for row in rows)
    return "\n".join(f"{row[0]:>7} {'#' * round(_BAR * float(row[1]) / most)} {row[1]}" for row in rows)


def draw(path: Path, title: str, ratios: Sequence[float], reached: Sequence[float], points: float) -> bool:
    """Write the chart as a PNG, if matplotlib is there."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([100 * ratio for ratio in ratios], reached, marker="o", label="scribbles")
    axes.axhline(points, linestyle="--", color="gray", label="points")
    axes.set(xlabel="length of the scribbles (%)", ylabel="mean IoU", title=title, ylim=(0, None))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)
    return True


def main() -> None:
    parser = arguments()
    parser.add_argument("--train", type=int, default=30)
    parser.add_argument("--test", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--ratios", type=float, nargs="+", default=list(RATIOS), help="the first is compared with"
    )
    parser.add_argument("--chart", type=Path, metavar="FILE", help="a PNG; needs matplotlib")
    options = parser.parse_args()
    bench = Bench(options.dataset, options.tools, options.spml, options.preset, options.max_seconds)
    names = shuffled_names(options.dataset, options.seed)
    train, test = names[: options.train], names[options.train : options.train + options.test]
    rows: list[tuple[str, float, str, float]] = []

    def measure(marks: str, pixels: float, *words: object) -> float:
        found = bench.reach([*train, *test], test, words, options.seed)
        share = found["miou"] / (rows[0][1] if rows else found["miou"])
        row = {"benchmark": "sparsity", "dataset": options.dataset.name, "marks": marks, "seed": options.seed}
        row |= {"pixels_per_picture": round(pixels), **found, "share_of_first": round(share, 3)}
        print(json.dumps(row), flush=True)
        rows.append((marks, found["miou"], f"{share:.1%}", round(pixels)))
        return found["miou"]

    with scratch() as folder:
        bench.draw(train, folder / "drawn", options.seed)
        classes, reached = ClassTable.from_names(bench.classes), []
        for ratio in options.ratios:
            out = folder / f"scribbles {ratio}"
            pixels = shorten(folder / "drawn" / "scribbles", ratio, out, classes)
            reached.append(measure(f"{ratio:.0%}", pixels, "--scribbles", out))
        clicks = folder / "drawn" / "points.csv"
        count = (len(clicks.read_text().splitlines()) - 1) / len(train)
        points = measure("points", count, "--points", clicks)
    title = f"{options.dataset.name}, {len(train)}/{len(test)} pictures, {options.preset}"
    print(f"\n{title}\n")
    print(table(("marks", "mIoU", "of the first", "pixels or clicks a picture"), rows))
    print("\n" + bars(rows))
    if options.chart and not draw(options.chart, title, options.ratios, reached, points):
        print("matplotlib isn't installed, so there is no PNG.")


if __name__ == "__main__":
    main()
