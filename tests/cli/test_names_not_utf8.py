"""Names in another encoding than UTF-8: a project, or one line that names the file; never a traceback."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from spml_core.project import Project

COMMAND = [sys.executable, "-c", "from spml_core.cli.main import run; run()"]
ODD = os.fsdecode(b"gr\xf6\xdfe")
SHOWN = "gr\\udcf6\\udcdfe"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")


def run(folder, *words):
    done = subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def refused(folder, *words):
    code, out, line = run(folder, *words)
    assert (code, out) == (2, ""), line
    assert line.startswith("spml: ") and line.count("\n") == 1
    assert "bug" not in line
    assert SHOWN in line
    return line


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return path


def new(folder, *words):
    return ("new", "p.spml", *words, "--class", "background", "--class", "cell")


@pytest.mark.parametrize("place", [f"imgs/{ODD}.png", f"imgs/{ODD}/a.png", f"{ODD}/a.png"])
def test_pictures(tmp_path, place):
    picture(tmp_path / place)
    refused(tmp_path, *new(tmp_path, "--images", place.split("/")[0]))
    assert not (tmp_path / "p.spml").exists() and not list(tmp_path.glob(".p.spml*"))


@pytest.mark.parametrize("place", [f"film/{ODD}.png", f"{ODD}/0.png"])
def test_films(tmp_path, place):
    picture(tmp_path / place)
    picture(tmp_path / place.split("/")[0] / "1.png")
    refused(tmp_path, *new(tmp_path, "--film", place.split("/")[0]))


def test_classes(tmp_path):
    picture(tmp_path / "imgs" / "a.png")
    refused(tmp_path, "new", "p.spml", "--images", "imgs", "--class", "background", "--class", ODD)


def test_masks_and_tables(tmp_path):
    picture(tmp_path / "imgs" / "a.png")
    assert run(tmp_path, *new(tmp_path, "--images", "imgs"))[0] == 0
    mask = tmp_path / "masks" / f"{ODD}.png"
    mask.parent.mkdir()
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(mask)
    refused(tmp_path, "import", "p.spml", "--masks", "masks")
    refused(tmp_path, "import", "p.spml", "--masks", ODD)
    with Project.open(tmp_path / "p.spml", write=False) as project:
        assert project.history() == ()


def test_a_folder_above_the_project_may_have_any_name(tmp_path):
    home = tmp_path / ODD
    picture(home / "imgs" / "a.png")
    assert run(home, *new(home, "--images", "imgs"))[0] == 0
    (home / f"{ODD}.csv").write_text("image,x,y,class\na,3,4,cell\n")
    code, out, _ = run(home, "import", str(home / "p.spml"), "--points", f"{ODD}.csv", "--json")
    assert code == 0 and json.loads(out.splitlines()[-1])["pictures"] == 1
    code, out, _ = run(home, "info", str(home / "p.spml"))
    assert code == 0 and SHOWN in out
    assert run(home, "suggest", str(home / "p.spml"), "a", "--out", f"{ODD}.png")[0] == 0


def test_a_project_may_have_any_name(tmp_path):
    picture(tmp_path / "imgs" / "a.png")
    code, out, line = run(tmp_path, "new", f"{ODD}.spml", "--images", "imgs", "--class", "a", "--class", "b")
    assert (code, line) == (0, "") and SHOWN in out
    code, out, line = run(tmp_path, "info", f"{ODD}.spml", "--json")
    assert (code, line) == (0, "") and json.loads(out)["pictures"] == 1


@pytest.mark.slow
def test_a_model_in_such_a_folder_predicts(tmp_path):
    home = tmp_path / ODD
    picture(home / "imgs" / "a.png")
    assert run(home, *new(home, "--images", "imgs"))[0] == 0
    (home / "p.csv").write_text("image,x,y,class\na,3,4,cell\na,20,15,background\n")
    for words in (["import", "p.spml", "--points", "p.csv"], ["train", "p.spml", "--steps", "1"]):
        assert run(home, *words)[0] == 0
    code, _, line = run(home, "predict", "p.spml", "--out", "out")
    assert code == 0, line
    assert (home / "out" / "a.png").is_file()
