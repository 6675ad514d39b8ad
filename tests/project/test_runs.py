import json
import math

import pytest

from spml_core.errors import ConfigError, ProjectError, StorageError
from spml_core.project import Project


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
    run.folder.rmdir()
    with pytest.raises(StorageError, match=r"metrics\.jsonl"):
        run.append_metrics({})


def test_config_is_readable_json(project):
    run = project.new_run({"a": [1, 2]})
    assert json.loads((run.folder / "config.json").read_text()) == {"a": [1, 2]}
