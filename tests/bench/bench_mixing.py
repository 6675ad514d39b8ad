#!/usr/bin/env python3
"""Whether kinds of marks help each other: scribbles on a few pictures, alone and with tags on many others.

    python tests/bench/bench_mixing.py DATASET --tools TOOLS [--scribbled 10] [--tagged 60] [--seeds 1 2 3]

Both projects hold the same pictures; in the first, those that are tagged in the second have no marks. What is left of
the set is the test. Prints a JSON line a run and at the end a table with the means.
"""

import json
import statistics

from black_box import Bench, arguments, scratch, shuffled_names, table


def main() -> None:
    parser = arguments()
    parser.add_argument("--scribbled", type=int, default=10)
    parser.add_argument("--tagged", type=int, default=60)
    parser.add_argument("--test", type=int, help="at most so many; all that are left unless given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    bench = Bench(options.dataset, options.tools, options.spml, options.preset, options.max_seconds)
    rows = []
    for seed in options.seeds:
        names = shuffled_names(options.dataset, seed)
        known = options.scribbled + options.tagged
        drawn, told = names[: options.scribbled], names[options.scribbled : known]
        test = names[known:][: options.test]
        with scratch() as folder:
            bench.draw(drawn, folder / "drawn", seed)
            bench.draw(told, folder / "told", seed)
            scribbles = ("--scribbles", folder / "drawn" / "scribbles")
            both = (*scribbles, "--tags", folder / "told" / "tags.csv")
            reached = []
            for marks, words in (("scribbles", scribbles), ("scribbles and tags", both)):
                found = bench.reach([*drawn, *told, *test], test, words, seed)
                row = {"benchmark": "mixing", "dataset": options.dataset.name, "marks": marks, "seed": seed}
                print(json.dumps({**row, "test": len(test), **found}), flush=True)
                reached.append(found["miou"])
        rows.append((seed, *reached))
    alone, mixed = (statistics.mean(row[i] for row in rows) for i in (1, 2))
    shown = [*rows, ("mean", round(alone, 4), round(mixed, 4))]
    print(
        f"\n{options.dataset.name}, {options.scribbled} scribbled, {options.tagged} tagged, {options.preset}\n"
    )
    gains = [[*row, f"{100 * (row[2] - row[1]):+.1f} points"] for row in shown]
    print(table(("seed", "scribbles", "scribbles and tags", "gain"), gains))


if __name__ == "__main__":
    main()
