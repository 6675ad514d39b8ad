import hashlib
import json
import sqlite3
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from spml_core.cli.main import app


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def events(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def complaint(self):
        """The one line of a command that was refused, or a failure."""
        assert self.code == 2, (self.code, self.err)
        assert self.out == ""
        assert self.err.startswith("spml: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        return self.err


@pytest.fixture
def spml(capsys):
    """The command line, in this process."""

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            app([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Result(end.value.code or 0, out, err)

    return run


def draw_picture(seed, height=48, width=64):
    """Two textures, the left and the right half, and where the second begins."""
    rng = np.random.default_rng(seed)
    border = int(rng.integers(width // 3, 2 * width // 3))
    picture = rng.normal(60, 12, (height, width, 3))
    picture[:, border:] += [120, 40, 0]
    mask = np.zeros((height, width), np.uint8)
    mask[:, border:] = 1
    return picture.clip(0, 255).astype(np.uint8), mask


@pytest.fixture
def data(tmp_path):
    """Four pictures a to d with masks, scribbles on a and b, a point of each class on c."""
    for folder in ("images/sub", "masks", "scribbles"):
        (tmp_path / folder).mkdir(parents=True)
    rows = ["image,x,y,class"]
    for seed, name in enumerate(["a", "b", "sub/c", "sub/d"]):
        picture, mask = draw_picture(seed)
        stem = name[-1]
        Image.fromarray(picture).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{stem}.png")
        if stem in "ab":
            scribble = np.full(mask.shape, 255, np.uint8)
            scribble[20:23, 3:15] = 0
            scribble[20:23, -15:-3] = 1
            Image.fromarray(scribble).save(tmp_path / "scribbles" / f"{stem}.png")
    rows += ["c,5,9,left", "c.png,60,40,1"]
    (tmp_path / "points.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "classes.json").write_text('{"0": "left", "1": "right", "255": "void"}')
    return tmp_path


@pytest.fixture
def project(data, spml):
    """A project of these pictures, without marks."""
    path = data / "p.spml"
    made = spml("new", path, "--images", data / "images", "--classes", data / "classes.json")
    assert made.code == 0, made.err
    return path


@pytest.fixture
def marked(project, data, spml):
    """The project with its scribbles and points."""
    done = spml("import", project, "--scribbles", data / "scribbles", "--points", data / "points.csv")
    assert done.code == 0, done.err
    return project


@pytest.fixture
def state():
    """A fingerprint of everything that a project's database says, and of the files beside it."""

    def fingerprint(project):
        with sqlite3.connect(f"{(project / 'project.sqlite').as_uri()}?mode=ro", uri=True) as database:
            dump = "\n".join(database.iterdump())
        database.close()
        files = sorted(
            f"{path.relative_to(project)} {path.stat().st_size}"
            for path in project.rglob("*")
            if path.is_file() and not path.name.startswith(("project.sqlite", "lock"))
        )
        return hashlib.sha256("\n".join([dump, *files]).encode()).hexdigest()

    return fingerprint
