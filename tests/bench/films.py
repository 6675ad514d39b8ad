"""What benchmarks of films share: sequences with masks, one stroke each on object and background, projects of films."""

import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from spml_core.classes import IGNORE, ClassTable
from spml_core.engine.imports import import_marks
from spml_core.io import read_index_png, write_index_png
from spml_core.project import Project

CLASSES = ClassTable.from_names(("background", "object"))


@dataclass(frozen=True)
class Sequence:
    """Frames of DATASET/images/NAME with masks in DATASET/labels/NAME; what isn't class 0 is the object."""

    dataset: Path
    name: str

    @property
    def folder(self) -> Path:
        """Where its frames are."""
        return self.dataset / "images" / self.name

    @cached_property
    def paths(self) -> list[Path]:
        """Its frames, in order."""
        return sorted(self.folder.iterdir())

    def frames(self) -> list[np.ndarray]:
        """All frames (H, W, 3), uint8."""
        return [np.asarray(Image.open(path).convert("RGB")) for path in self.paths]

    def truth(self, index: int) -> np.ndarray:
        """Mask (H, W) of a frame: 1 for the object, 255 for void."""
        mask = read_index_png(self.dataset / "labels" / self.name / f"{self.paths[index].stem}.png")
        return np.where(mask == IGNORE, mask, mask > 0).astype(np.uint8)


def sequences(dataset: Path, names: str | None) -> list[Sequence]:
    """All sequences of a set, or those that are named, separated by commas."""
    chosen = names.split(",") if names else sorted(path.name for path in (dataset / "labels").iterdir())
    return [Sequence(dataset, name) for name in chosen]


def draw_strokes(tools: Path, truths: Mapping[str, np.ndarray], folder: Path, seed: int) -> Path:
    """Draw one stroke a class from the masks with TOOLS/make_weak.py; gives the folder of the strokes by name."""
    if str(tools) not in sys.path:
        sys.path.insert(0, str(tools))
    import make_weak

    (folder / "truth").mkdir(parents=True)
    for name, truth in truths.items():
        write_index_png(folder / "truth" / f"{name}.png", truth, CLASSES, colored=False)
    make_weak.make(folder / "truth", list(truths), folder, seed, list(CLASSES.names), per_class=1)
    return folder / "scribbles"


@contextmanager
def film_project(path: Path, film: Path, scribbles: Path):
    """A project of one film with strokes on the frames that the strokes' files name; gives project and film."""
    with Project.create(path, [], CLASSES, films=[film]) as project:
        import_marks(project, scribbles=scribbles)
        yield project, project.films[0]
