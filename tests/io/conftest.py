import numpy as np
import pytest
from PIL import Image

from spml_core.classes import ClassInfo, ClassTable
from spml_core.images import Picture
from spml_core.io.exports import ExportOptions, LabelledPicture, open_exporter


@pytest.fixture
def classes():
    return ClassTable(
        (
            ClassInfo("background", (0, 0, 0)),
            ClassInfo("cell", (230, 159, 0)),
            ClassInfo('größe: "9"', (1, 2, 3)),
        )
    )


def ragged(height, width, seed):
    """Labels with holes, pieces of one pixel, void, and pieces at the picture's borders."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (height // 6 + 1, width // 6 + 1)).astype(np.uint8)
    labels = np.kron(coarse, np.ones((6, 6), np.uint8))[:height, :width]
    specks = rng.random(labels.shape) < 0.05
    labels[specks] = rng.integers(0, 3, int(specks.sum()))
    labels[5:14, 4:15] = 1
    labels[7:9, 6:9] = 0
    labels[11, 12] = 2
    labels[-1, -3:] = 255
    return labels


@pytest.fixture
def labelled(tmp_path):
    """Make a labelled picture: of random pixels, or of those given."""

    def make(labels, name="a", suffix=".png", pixels=None):
        folder = tmp_path / "pictures" / "sub"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}{suffix}"
        if pixels is None:
            rng = np.random.default_rng(len(name))
            pixels = rng.integers(0, 256, (*labels.shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return LabelledPicture(name, path, f"sub/{path.name}", labels, Picture(path).rgb)

    return make


@pytest.fixture
def three(labelled):
    """Three labelled pictures of uneven sizes; the last one is all background."""
    return [
        labelled(ragged(37, 53, 0), "a"),
        labelled(ragged(64, 17, 1), "b", ".jpg"),
        labelled(np.zeros((19, 20), np.uint8), "c"),
    ]


@pytest.fixture
def export(tmp_path, classes):
    """Export labelled pictures to a folder, which is returned with what ``add`` gave."""

    def run(format, items, table=classes, **options):
        out = tmp_path / "out"
        with open_exporter(format, out, table, ExportOptions(**options)) as exporter:
            paths = [exporter.add(item) for item in items]
            exporter.finish()
        assert not list(out.rglob(".*"))
        return out, paths

    return run
