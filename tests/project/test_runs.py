import json
import math
import shutil

import numpy as np
import pytest

from spml_core.annotations import Patch, Tag
from spml_core.errors import ConfigError, ProjectError, StorageError
from spml_core.project import FinishedMetrics, Project, RunFacts


def test_a_run_from_beginning_to_end(project):
    assert project.runs() == ()
    assert project.current_run() is None
    first = project.new_run({"preset": "quick", "seed": 1})
    second = project.new_run({})
    assert (first.id, first.folder) == ("run-0001", project.path / "runs/run-0001")
    assert first.config == {"preset": "quick", "seed": 1}
    first.append_metrics({"step": 1, "loss": 0.5})
    first.append_metrics({"step": 2, "loss": math.nan, "iou": [1.0, math.inf]})
    assert first.metrics() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None, "iou": [1.0, None]}]
    assert second.metrics() == []
    project.set_run_state(first.id, "finished")
    project.set_run_state(second.id, "failed")
    project.set_current_run(first.id)
    assert [run.state for run in project.runs()] == ["finished", "failed"]
    project.close()
    with Project.open(project.path) as again:
        assert again.current_run() == again.runs()[0]
        assert again.current_run().metrics()[0]["loss"] == 0.5


def test_a_run_that_a_kill_left_running_is_stopped(project):
    project.new_run({})
    with Project.open(project.path, write=False) as reader:
        assert reader.runs()[0].state == "running"
    project.close()
    with Project.open(project.path) as again:
        assert again.runs()[0].state == "stopped"


def test_a_torn_line_is_left_out_and_then_replaced(project):
    run = project.new_run({})
    run.append_metrics({"step": 1})
    path = run.folder / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + b'{"step": 2, "lo')
    assert run.metrics() == [{"step": 1}]
    run.append_metrics({"step": 3})
    assert path.read_text().splitlines() == ['{"step": 1}', '{"step": 3}']


def test_ids_cannot_lead_out_of_the_project(project):
    project.new_run({})
    for wrong in ("../run-0001", "run-0001/..", "/etc", "run-9999", "", "run-0001\n"):
        for act in (project.set_current_run, lambda key: project.set_run_state(key, "finished")):
            with pytest.raises(ProjectError):
                act(wrong)
    with project._database.transaction():
        project._database.execute("UPDATE runs SET id = '../../elsewhere'")
    with pytest.raises(ProjectError, match="no run id"):
        project.runs()


def test_a_folder_left_by_a_kill_is_not_reused(project):
    (project.runs_folder / "run-0007").mkdir()
    assert project.new_run({}).id == "run-0008"


def test_wrong_states_configurations_and_files(project):
    run = project.new_run({})
    with pytest.raises(ProjectError, match="'sleeping'"):
        project.set_run_state(run.id, "sleeping")
    for config in ({"x": object()}, {"x": math.nan}):
        with pytest.raises(ConfigError, match="JSON"):
            project.new_run(config)
    assert len(project.runs()) == 1
    (run.folder / "config.json").write_text("[]")
    with pytest.raises(ProjectError, match=r"config\.json"):
        _ = run.config
    (run.folder / "config.json").unlink()
    with pytest.raises(ProjectError, match=r"config\.json"):
        _ = run.config
    shutil.rmtree(run.folder)
    with pytest.raises(StorageError, match=r"metrics\.jsonl"):
        run.append_metrics({})


def test_config_is_readable_json(project):
    run = project.new_run({"a": [1, 2]})
    assert json.loads((run.folder / "config.json").read_text()) == {"a": [1, 2]}


def test_a_run_by_its_id(project):
    first, second = project.new_run({}), project.new_run({})
    project.set_run_state(second.id, "failed")
    assert project.run(first.id) == first
    assert project.run(second.id).state == "failed"
    for wrong in ("run-0009", "../run-0001"):
        with pytest.raises(ProjectError):
            project.run(wrong)


def test_what_a_run_started_from(project):
    project.add_marks({1: [Tag(0), Tag(1)], 3: [Tag(2)]}, "")
    project.delete_class(0)
    project.move_class(0, 1)
    run = project.new_run({})
    project.add_marks({2: [Tag(0)]}, "")
    project.close()
    with Project.open(project.path, write=False) as again:
        run = again.run(run.id)
        assert run.facts == RunFacts(class_ids=(3, 2), marks=2, marked_pictures=2, pictures=3)
        assert run.class_ids == (3, 2)
    path = run.folder / "facts.json"
    for damage in (
        "{",
        "[]",
        '{"class_ids": "12"}',
        '{"class_ids": [true], "marks": 0}',
        "[" * 99999,
        "null",
    ):
        path.write_text(damage)
        assert run.facts is None
        assert run.class_ids is None


def test_codes_of_a_run_follow_its_classes(project):
    project.add_class("mould")
    run = project.new_run({})
    assert np.array_equal(project.codes_of_run(run), [0, 1, 2, 3] + [4] * 251 + [255])
    project.move_class(3, 0)  # mould, background, cell, wall
    project.add_class("moss")
    codes = project.codes_of_run(run)
    assert codes.dtype == np.uint8
    assert codes.shape == (256,)
    assert codes[[0, 1, 2, 3, 4, 5, 254, 255]].tolist() == [1, 2, 3, 0, 5, 5, 5, 255]
    project.delete_class(1)  # mould, cell, wall, moss
    project.merge_class(1, 3)  # mould, wall, moss
    assert project.codes_of_run(run)[[0, 1, 2, 3, 4, 254, 255]].tolist() == [3, 2, 1, 0, 3, 3, 255]
    labels = np.array([[0, 1], [3, 255]], np.uint8)
    assert project.codes_of_run(run)[labels].tolist() == [[3, 2], [0, 255]]
    while project.undo() is not None:
        pass
    assert project.codes_of_run(run)[[0, 1, 2, 3, 4, 255]].tolist() == [0, 1, 2, 3, 3, 255]


def test_a_run_that_kept_no_classes_had_todays(project):
    run = project.new_run({})
    (run.folder / "facts.json").unlink()
    project.delete_class(2)
    assert project.codes_of_run(run)[[0, 1, 2, 3, 255]].tolist() == [0, 1, 2, 2, 255]
    (run.folder / "facts.json").write_text(
        json.dumps({"class_ids": [1] * 300, "marks": 0, "marked_pictures": 0, "pictures": 0})
    )
    assert project.codes_of_run(run)[[0, 253, 254, 255]].tolist() == [0, 0, 2, 255]


def test_codes_of_a_run_agree_with_the_marks_it_saw(project):
    """What training saw, read through the lookup, is what the same marks show today."""
    record = project.pictures[0]
    project.add_marks({record.id: [Patch(0, 0, np.array([[0, 1, 2, 255, 0]], np.uint8))]}, "")
    seen, run = project.weak_labels(record), project.new_run({})
    project.merge_class(2, 0)
    project.add_class("moss")
    project.move_class(0, 2)
    assert np.array_equal(project.codes_of_run(run)[seen], project.weak_labels(record))


def test_how_a_run_finished(project):
    run = project.new_run({})
    assert run.finished_metrics is None
    run.append_metrics({"event": "step", "step": 1, "losses": {"finished": 1}})
    assert run.finished_metrics is None
    run.append_metrics(
        {"event": "finished", "step": 1, "seconds": 2.5, "stopped": True, "held_back_score": None}
    )
    run.append_metrics({"event": "step", "step": 2})
    assert run.finished_metrics == FinishedMetrics(None, 2.5)
    run.append_metrics(
        {"event": "finished", "step": 2, "seconds": 4, "stopped": False, "held_back_score": 0.75}
    )
    assert run.finished_metrics == FinishedMetrics(0.75, 4.0)
