#!/usr/bin/env python3
"""What each kind of weak marks reaches of what full masks do: the same pictures, preset and time.

    python tests/bench/bench_marks.py DATASET --tools TOOLS [--train 30] [--test 40] [--kinds boxes,tags]

Drives the installed command through TOOLS/accept.py, once for masks and once for each kind of marks. With
``--every N`` DATASET is one of sequences (images/SEQ/*.jpg, labels/SEQ/*.png), of which every Nth frame is taken.
Prints a JSON line a run and at the end a table.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from black_box import arguments, scratch, table


def flattened(dataset: Path, every: int, folder: Path) -> Path:
    """Every so many frames of each sequence as one set of pictures called SEQUENCE_FRAME."""
    flat = folder / dataset.name
    for part in ("images", "labels"):
        (flat / part).mkdir(parents=True)
    for sequence in sorted((dataset / "labels").iterdir()):
        for label in sorted(sequence.glob("*.png"))[::every]:
            image = next((dataset / "images" / sequence.name).glob(label.stem + ".*"))
            shutil.copy(label, flat / "labels" / f"{sequence.name}_{label.name}")
            shutil.copy(image, flat / "images" / f"{sequence.name}_{image.name}")
    shutil.copy(dataset / "classes.json", flat)
    return flat


def main() -> None:
    parser = arguments()
    parser.add_argument("--train", type=int, default=30)
    parser.add_argument("--test", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default="scribbles,boxes,points,tags", help="separated by commas")
    parser.add_argument("--every", type=int, metavar="N", help="take every Nth frame of a set of sequences")
    options = parser.parse_args()
    rows = []
    with scratch() as folder:
        dataset = options.dataset
        if options.every is not None:
            dataset = flattened(dataset, options.every, folder)
        for kind in ("masks", *options.kinds.split(",")):
            words = [
                sys.executable,
                options.tools / "accept.py",
                dataset,
                "--marks",
                kind,
                "--spml",
                options.spml,
            ]
            for name in ("train", "test", "seed", "max_seconds", "preset"):
                words += ["--" + name.replace("_", "-"), getattr(options, name)]
            done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True)
            if done.returncode:
                sys.exit(done.returncode)
            found = json.loads(done.stdout.splitlines()[-1])
            share = found["miou"] / rows[0][1] if rows else 1.0
            print(json.dumps({"benchmark": "marks", **found, "share_of_masks": round(share, 3)}), flush=True)
            rows.append((kind, found["miou"], f"{share:.1%}", found["accuracy"], found["train_s"]))
    print(f"\n{options.dataset.name}, {options.train}/{options.test} pictures, {options.preset}\n")
    print(table(("marks", "mIoU", "of masks", "accuracy", "seconds"), rows))


if __name__ == "__main__":
    main()
