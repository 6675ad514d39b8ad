"""Algorithms 1 and 2 whole, on a tree of eight tiny pictures."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from paper_tree import NAMES, TINY, TRAIN, VAL, picture
from PIL import Image

from spml_core.cli.main import app
from spml_core.errors import ConfigError, MarkError, TrainingError
from spml_core.metrics import ConfusionMatrix
from spml_core.paper.algorithms import Scored
from spml_core.training.events import CheckpointSaved, StageProgress, StepDone, Warned

ALGORITHM_1 = ["regions", "embedding", "pseudo_labels", "head", "predictions", "predictions_crf"]
ALGORITHM_2 = [
    *("weak_labels", "regions", "embedding", "walk_1", "bank_1", "votes_1", "head_1"),
    *("walk_2", "bank_2", "votes_2", "head_2", "predictions", "predictions_crf"),
]


def give_activation(voc):
    """Activation maps in ``cam/``: soft shapes of the classes that are there."""
    (voc / "cam").mkdir()
    for seed, name in enumerate(TRAIN):
        truth = picture(seed)[1]
        maps = {
            int(c) - 1: np.where(truth == c, 0.9, 0.1).astype(np.float32)
            for c in np.unique(truth[(truth > 0) & (truth < 255)])
        }
        np.save(voc / "cam" / f"{name}.npy", maps)


def fewer_pictures(voc):
    """Three to train on and one to predict: algorithm 2 looks at each a hundred times."""
    lists = voc / "ImageSets/Segmentation"
    (lists / "train_aug.txt").write_text("\n".join(TRAIN[:3]))
    (lists / "val.txt").write_text(VAL[0])


def files(out):
    """Content of everything that a run made, but for its lock."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def check_results(out, scored, names, val=VAL):
    results = json.loads((out / "results.json").read_text())
    for key, folder in (("without_crf", "predictions"), ("with_crf", "predictions_crf")):
        assert results[key] == getattr(scored, key)
        matrix = ConfusionMatrix(len(names))
        for seed, name in enumerate(val, len(TRAIN)):
            guess = np.asarray(Image.open(out / folder / f"{name}.png"))
            matrix.update(picture(seed)[1], guess)
        assert results[key]["miou"] == pytest.approx(matrix.scores().miou_all)
        assert list(results[key]["iou"]) == names
        assert results[key]["instance_iou"].keys() == results[key]["iou"].keys()


@pytest.mark.parametrize("annotation", ["scribbles", "points"])
def test_painted_marks(voc, tmp_path, run, annotation):
    out = tmp_path / "out"
    events = run(f"paper-{annotation}", voc, out)
    assert isinstance(events[-1], Scored)
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == sorted(ALGORITHM_1)
    assert sum(isinstance(event, StepDone) for event in events) == 12 + 2
    assert {event.stage for event in events if isinstance(event, StageProgress)} == set(ALGORITHM_1) - {
        "predictions"
    }
    check_results(out, events[-1], NAMES)
    relations = {"cross_entropy", "image_similarity", "annotation", "cooccurrence", "total"}
    assert next(e for e in events if isinstance(e, StepDone)).losses.keys() == relations


def test_boxes_with_activation_maps_of_our_own(voc, tmp_path, run):
    out = tmp_path / "out"
    events = run("paper-boxes", voc, out)
    assert {"tag_features", "tag_classifier", "activation", "weak_labels"} <= {p.name for p in out.iterdir()}
    for seed, name in enumerate(TRAIN):
        weak = np.asarray(Image.open(out / "weak_labels" / f"{name}.png"))
        truth = picture(seed)[1]
        assert (weak[0] == 0).all()  # outside every box
        assert (truth[weak == 0] != 1).all()  # a disc lies inside its box
    check_results(out, events[-1], NAMES)


def test_key_points(densepose, tmp_path, run):
    events = run("paper-densepose", densepose, tmp_path / "out")
    losses = next(e for e in events if isinstance(e, StepDone)).losses
    assert losses.keys() == {"cross_entropy", "image_similarity", "annotation", "affinity", "total"}
    check_results(tmp_path / "out", events[-1], ["background", "left disc", "right bar"])


def test_tags_with_given_activation_maps(voc, tmp_path, run):
    give_activation(voc)
    fewer_pictures(voc)
    out = tmp_path / "out"
    events = run("paper-tags", voc, out)
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == sorted(ALGORITHM_2)
    check_results(out, events[-1], NAMES, VAL[:1])
    for name in TRAIN[:3]:  # activation maps this good say nearly all
        weak, walked = (np.asarray(Image.open(out / f / f"{name}.png")) for f in ("weak_labels", "walk_1"))
        assert set(np.unique(walked)) <= set(np.unique(weak))
    first, second = (files(out / f"head_{i}")["network.safetensors"] for i in (1, 2))
    assert first != second


@pytest.mark.parametrize("name", ["paper-scribbles", pytest.param("paper-tags", marks=pytest.mark.slow)])
def test_broken_off_in_every_stage_it_ends_the_same(voc, tmp_path, run, name):
    give_activation(voc)
    fewer_pictures(voc)
    run(name, voc, tmp_path / "whole")
    whole = files(tmp_path / "whole")
    out = tmp_path / "broken"
    seen = set()

    def stop(event):
        """Stop at the first picture or checkpoint of each stage, once."""
        if isinstance(event, CheckpointSaved):
            key = event.path
        elif isinstance(event, StageProgress) and event.done == 1:
            key = event.stage
        else:
            return False
        new = key not in seen
        seen.add(key)
        return new

    runs = 0
    while not isinstance(run(name, voc, out, stop)[-1], Scored):
        runs += 1
        assert runs < 30
    assert runs == len(seen) >= 5
    broken = files(out)
    assert broken.keys() == whole.keys()
    assert [path for path in whole if broken[path] != whole[path]] == []


def test_finished_pictures_arent_made_again(voc, tmp_path, run):
    out = tmp_path / "out"
    run("paper-scribbles", voc, out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (out / "pseudo_labels/done.json").unlink()
    (out / "pseudo_labels" / f"{TRAIN[1]}.png").unlink()
    events = run("paper-scribbles", voc, out)
    assert [event.stage for event in events[:-1]] == ["pseudo_labels"]
    changed = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == {out / "pseudo_labels" / f"{TRAIN[1]}.png"}


def test_the_scripts_variant_differs(voc, tmp_path, run):
    run("paper-points", voc, tmp_path / "paper", stop=lambda e: isinstance(e, StepDone))
    scripts = replace(TINY, variant="scripts")
    events = run("paper-points", voc, tmp_path / "scripts", lambda e: isinstance(e, StepDone), scripts)
    losses = events[-1].losses
    parts = sum(losses[n] for n in ("image_similarity", "annotation", "cooccurrence", "cross_entropy"))
    assert losses["total"] == pytest.approx(0.1 * parts, rel=1e-5)
    with pytest.raises(TrainingError, match=r"other settings: .*variant was"):
        run("paper-points", voc, tmp_path / "paper", options=scripts)


def test_nothing_starts_with_missing_parts(voc, tmp_path, run):
    (voc / "scribbles" / f"{TRAIN[0]}.png").unlink()
    with pytest.raises(MarkError, match="1 of 6 scribbles"):
        run("paper-scribbles", voc, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_of_a_file(voc, tmp_path, run):
    from spml_core.models.resnet import ResNet

    torch.manual_seed(5)
    backbone = ResNet(18, stem="torchvision", width=0.125)
    published = {name.removeprefix("stem."): t for name, t in backbone.state_dict().items()}
    published["fc.weight"] = torch.zeros(3, 3)
    torch.save(published, tmp_path / "weights.pth")
    options = replace(TINY, weights=tmp_path / "weights.pth", iterations=1)
    run("paper-scribbles", voc, tmp_path / "out", lambda e: getattr(e, "stage", "") == "head", options)
    from safetensors.torch import load_file

    learned = load_file(tmp_path / "out/embedding/network.safetensors")
    frozen = "layer1.0.conv1.weight"  # the first stage never learns
    torch.testing.assert_close(learned[f"network.backbone.{frozen}"], published[frozen])
    with pytest.raises(ConfigError, match="don't fit"):
        run("paper-scribbles", voc, tmp_path / "other", options=replace(options, width=0.25))
    assert not (tmp_path / "other").exists()


def test_a_tree_without_train_aug_warns(voc, tmp_path, run):
    lists = voc / "ImageSets/Segmentation"
    (lists / "train_aug.txt").rename(lists / "train.txt")
    (warning,) = run("paper-scribbles", voc, tmp_path / "out", lambda e: True)
    assert isinstance(warning, Warned)


def command(*words):
    with pytest.raises(SystemExit) as end:
        app([str(word) for word in words])
    return end.value.code or 0


def test_the_command(voc, tmp_path, capsys):
    words = ["run-paper", "paper-scribbles", "--voc", voc, "--out", tmp_path / "out", "--device", "cpu"]
    words += ["--backbone", "resnet18", "--width", 0.125, "--iterations", 2, "--batch", 2, "--crop", 48]
    assert command(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["IoU", *NAMES, "mean", "pixel", "Everything"]
    assert command(*words, "--json") == 0  # goes on: all is done, so only the scores come again
    scores, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (scores["event"], summary["event"]) == ("scores", "summary")
    assert summary["with_crf"] == scores["with_crf"]
    assert command(*words, "--seed", 1) == 2
    assert "seed was 235, now 1" in capsys.readouterr().err
    assert command(*words, "--variant", "code") == 2
    assert command("run-paper", "paper-lines", "--voc", voc) == 2
    assert "paper-scribbles" in capsys.readouterr().err
