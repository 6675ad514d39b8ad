"""What benchmarks of the installed command share: they choose, mark and score pictures as accept.py does."""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spml_core.io import read_index_png
from spml_core.metrics import ConfusionMatrix


def arguments() -> argparse.ArgumentParser:
    """The words that all of them take."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--max-seconds", type=int, default=180)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--spml", default="spml", help="the command to drive")
    return parser


def run(*words: object) -> float:
    """Run a command to its end; gives seconds. What it says is shown only if it fails."""
    began = time.monotonic()
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        told = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        sys.exit(f"{' '.join(map(str, words))}\nexit {done.returncode}\n{told}")
    return time.monotonic() - began


def shuffled_names(dataset: Path, seed: int) -> list[str]:
    """Names of a set's pictures in the order in which accept.py deals them out."""
    names = sorted(file.stem for file in (dataset / "labels").glob("*.png"))
    random.Random(seed).shuffle(names)
    return names


@dataclass(frozen=True)
class Bench:
    """One set of pictures, the command to drive, and how it is to train.

    Attributes
    ----------
    dataset, tools : Path
        Folder with images/, labels/ and classes.json; folder with make_weak.py.
    spml, preset : str
    max_seconds : int
    """

    dataset: Path
    tools: Path
    spml: str
    preset: str
    max_seconds: int

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self._make_weak().class_names(self.dataset))

    def draw(self, names: Sequence[str], folder: Path, seed: int) -> None:
        """Draw weak marks of these pictures from their masks."""
        self._make_weak().make(self.dataset / "labels", list(names), folder, seed, self.classes)

    def reach(
        self, names: Sequence[str], test: Sequence[str], marks: Sequence[object], seed: int
    ) -> dict[str, float]:
        """Train on a project of pictures and score it on some of them; ``marks`` are the words of `spml import`."""
        with scratch() as work:
            for folder, chosen in (("pictures", names), ("test", test)):
                (work / folder).mkdir()
                for name in chosen:
                    source = next((self.dataset / "images").glob(name + ".*"))
                    shutil.copy(source, work / folder / source.name)
            project, out = work / "p.spml", work / "pred"
            classes = self.dataset / "classes.json"
            run(self.spml, "new", project, "--images", work / "pictures", "--classes", classes)
            run(self.spml, "import", project, *marks)
            settings = ("--preset", self.preset, "--max-seconds", self.max_seconds, "--seed", seed)
            seconds = run(self.spml, "train", project, *settings)
            run(self.spml, "predict", project, "--images", work / "test", "--out", out)
            return {"miou": round(self._score(test, out), 4), "train_s": round(seconds, 1)}

    def _score(self, names: Sequence[str], predicted: Path) -> float:
        count = len(self.classes)
        matrix = ConfusionMatrix(count)
        for name in names:
            guess = read_index_png(predicted / f"{name}.png")
            matrix.update(
                read_index_png(self.dataset / "labels" / f"{name}.png"), np.minimum(guess, count - 1)
            )
        return float(matrix.scores().miou)

    def _make_weak(self):
        if str(self.tools) not in sys.path:
            sys.path.insert(0, str(self.tools))
        import make_weak

        return make_weak


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="spml-bench-") as folder:
        yield Path(folder)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
