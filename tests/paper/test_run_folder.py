import json

import numpy as np
import pytest

from spml_core.errors import MarkError, TrainingError
from spml_core.paper.run_folder import RunFolder


def test_the_same_settings_go_on_and_others_dont(tmp_path):
    settings = {"crop": 64, "scales": (0.5, 1.0)}
    with RunFolder(tmp_path / "run", settings):
        pass
    with RunFolder(tmp_path / "run", settings):
        pass
    with pytest.raises(TrainingError, match="crop was 64, now 32"):
        RunFolder(tmp_path / "run", settings | {"crop": 32})
    with RunFolder(tmp_path / "run", settings):  # the lock was given back
        pass


def test_one_at_a_time(tmp_path):
    with RunFolder(tmp_path / "run", {}), pytest.raises(TrainingError, match="Another program"):
        RunFolder(tmp_path / "run", {})


def test_only_missing_pictures_are_made(tmp_path):
    with RunFolder(tmp_path / "run", {}) as folder:
        stage = folder.stage("labels")
        names = ["a", "b", "c"]
        made = []

        def make(index):
            made.append(names[index])
            stage.write_labels(names[index], np.full((2, 3), index, np.uint8))

        events = stage.each_missing(names, ".png", make)
        assert next(events).done == 1
        events.close()
        assert [(e.done, e.total) for e in stage.each_missing(names, ".png", make)] == [(2, 3), (3, 3)]
        assert made == names
        np.testing.assert_array_equal(stage.read_labels("c"), np.full((2, 3), 2))
        assert not stage.done
        stage.finish({"pictures": 3})
        assert stage.done
        assert stage.figures() == {"pictures": 3}


def test_damaged_files_are_named(tmp_path):
    with RunFolder(tmp_path / "run", {}) as folder:
        stage = folder.stage("labels")
        stage.file("a", ".png").write_bytes(b"no picture")
        with pytest.raises(MarkError, match=r"a\.png"):
            stage.read_labels("a")
    (tmp_path / "run/run.json").write_text(json.dumps([1]))
    with pytest.raises(TrainingError, match=r"run\.json"):
        RunFolder(tmp_path / "run", {})


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    (tmp_path / "run/labels").mkdir(parents=True)
    halves = [tmp_path / "run/.run.json.x.tmp", tmp_path / "run/labels/.a.png.x.tmp"]
    for half in halves:
        half.write_bytes(b"half")
    with RunFolder(tmp_path / "run", {}) as folder:
        folder.stage("labels")
    assert not any(half.exists() for half in halves)
