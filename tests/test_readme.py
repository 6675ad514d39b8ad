"""The README's examples run as they stand, on smaller pictures and in less time."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sample_data

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
NAMES = ("fluorescence_61a15ccb", "fluorescence_75120baa", "histology_a5fe0b74")


@pytest.fixture
def small_sample(tmp_path):
    """Three pictures of the sample, two of them marked, at a quarter of their size."""
    whole, small = sample_data.sample_path("nuclei"), tmp_path / "small"
    for folder in ("images", "scribbles"):
        (small / folder).mkdir(parents=True)
        for path in (whole / folder).iterdir():
            if path.stem in NAMES:
                Image.fromarray(np.array(Image.open(path))[::4, ::4]).save(small / folder / path.name)
    with (whole / "points.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["image"] in NAMES]
    with (small / "points.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "x", "y", "class"])
        writer.writeheader()
        writer.writerows([{**row, "x": int(row["x"]) // 4, "y": int(row["y"]) // 4} for row in rows])
    (small / "classes.json").write_bytes((whole / "classes.json").read_bytes())
    return small


def test_the_examples_run(small_sample, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sample_data, "sample_path", lambda name: small_sample)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    assert "".join(blocks).count("max_seconds=60") == 2
    words = {}
    for block in blocks:
        exec(compile(block.replace("max_seconds=60", "steps=1"), "README.md", "exec"), words)
    assert {path.stem for path in Path("predictions").glob("*.png")} == set(NAMES)
    height, width = words["picture"].shape[:2]
    assert words["labels"].shape == (height, width)
    assert words["probabilities"].shape == (2, height, width)
    assert "1 of 1" in capsys.readouterr().out


def test_every_command_of_the_readme_exists():
    from spml_core.cli.main import app

    known = {command.name for command in app.registered_commands}
    used = set(re.findall(r"^spml ([\w-]+)|`spml ([\w-]+)", README, re.MULTILINE))
    assert {first or second for first, second in used} == known
    for path in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        if not path.endswith(".png"):
            assert (Path(__file__).parents[1] / path).exists(), path
