"""The command killed with SIGKILL, between stages and inside them, and given again."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from paper_tree import TRAIN, VAL, picture

pytestmark = pytest.mark.slow

PROGRAM = [sys.executable, "-u", "-c", "from spml_core.cli.main import run; run()"]
TINY = "--backbone resnet18 --width 0.125 --iterations 12 --batch 2 --crop 48"
OPTIONS = [*TINY.split(), "--device", "cpu", "--json"]


def start(name, voc, out):
    return subprocess.Popen(
        [*PROGRAM, "run-paper", name, "--voc", str(voc), "--out", str(out), *OPTIONS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def finish(process):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def files(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def stage_of(event):
    """A word for where the run is: a stage's picture, or a checkpoint's folder."""
    if event["event"] == "checkpoint":
        return "checkpoint " + Path(event["path"]).name
    if event["event"] == "stage":
        return f"{event['stage']} {event['done']}"
    return event["event"]


@pytest.mark.parametrize("name", ["paper-scribbles", "paper-tags"])
def test_killed_in_every_stage(voc, tmp_path, name):
    lists = voc / "ImageSets/Segmentation"
    (lists / "train_aug.txt").write_text("\n".join(TRAIN[:3]))
    (lists / "val.txt").write_text(VAL[0])
    (voc / "cam").mkdir()
    for seed, stem in enumerate(TRAIN[:3]):
        truth = picture(seed)[1]
        classes = np.unique(truth[(truth > 0) & (truth < 255)])
        maps = {int(c) - 1: np.where(truth == c, 0.9, 0.1).astype(np.float32) for c in classes}
        np.save(voc / "cam" / f"{stem}.npy", maps)
    expected = finish(start(name, voc, tmp_path / "whole"))
    out = tmp_path / "killed"
    killed = set()
    while True:
        with start(name, voc, out) as process:
            for line in process.stdout:
                where = stage_of(json.loads(line))
                # In the middle of a stage, and where one has just ended.
                if where not in killed and where.split()[-1] in ("1", "3", "embedding", "head", "head_1"):
                    killed.add(where)
                    process.kill()
                    break
            else:
                break
    assert "checkpoint embedding" in killed
    assert len(killed) >= 6
    result = finish(start(name, voc, out))
    assert (result["without_crf"], result["with_crf"]) == (expected["without_crf"], expected["with_crf"])
    whole, broken = files(tmp_path / "whole"), files(out)
    assert broken.keys() == whole.keys()
    assert [path for path in whole if broken[path] != whole[path]] == []


def test_killed_at_any_time(voc, tmp_path):
    expected = finish(start("paper-points", voc, tmp_path / "whole"))
    rng = np.random.default_rng(0)
    for _ in range(5):
        process = start("paper-points", voc, tmp_path / "killed")
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.8))
        process.kill()
        process.communicate()
    assert finish(start("paper-points", voc, tmp_path / "killed"))["with_crf"] == expected["with_crf"]
