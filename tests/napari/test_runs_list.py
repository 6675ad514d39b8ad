"""What is said about runs, and the list of them."""

import json
import shutil

import pytest
from qtpy.QtCore import Qt

from spml_napari.docks.runs import RunsList
from spml_napari.run_summaries import last_step, summarize
from spml_napari.view_state import OverlayMode

NONSENSE = '{"event": "step", "step": "x", "losses": 3}\n{"event": "finished", "held_back_score": "good"}\n'


def make_run(session, state="finished", steps=3, score=0.8, model=True, checkpoint=False):
    project = session.project
    run = project.new_run({"preset": "quick"})
    for step in range(1, steps + 1):
        run.append_metrics({"event": "step", "step": step, "total": 10, "losses": {"total": 1 / step}})
    if state in ("finished", "stopped"):
        end = {"event": "finished", "step": steps, "seconds": 9.0, "stopped": state == "stopped"}
        run.append_metrics({**end, "held_back_score": score})
    if model:
        (run.folder / "model.safetensors").write_text("{}")
    if checkpoint:
        (run.folder / "checkpoint.safetensors").write_text("")
    project.set_run_state(run.id, state)
    return project.runs()[-1]


def test_a_summary_of_a_finished_run(session):
    summary = summarize(make_run(session))
    assert (summary.number, summary.state, summary.preset) == (1, "finished", "quick")
    assert (summary.steps, summary.score) == (3, 0.8)
    assert summary.loss == pytest.approx(1 / 3)
    assert (summary.marks, summary.marked_pictures) == (3, 1)
    assert summary.has_model
    assert not summary.can_resume
    assert not summary.damaged
    assert summary.begun is not None


@pytest.mark.parametrize(
    ("state", "checkpoint", "expected"),
    [("stopped", True, True), ("stopped", False, True), ("failed", True, True), ("failed", False, False)],
)
def test_what_can_be_resumed(session, state, checkpoint, expected):
    assert summarize(make_run(session, state, checkpoint=checkpoint)).can_resume is expected


def test_the_end_of_an_earlier_part_is_not_the_end(session):
    run = make_run(session, "stopped", score=0.5)
    run.append_metrics({"event": "step", "step": 4, "total": 10, "losses": {"total": 0.1}})
    summary = summarize(run)
    assert (summary.steps, summary.loss, summary.score) == (4, 0.1, None)
    assert last_step(run) == (4, 10)


def test_long_metrics_are_read_from_their_end(session):
    run = make_run(session)
    path = run.folder / "metrics.jsonl"
    filler = json.dumps({"event": "step", "step": 1, "losses": {"total": 5.0}, "x": "y" * 200}) + "\n"
    path.write_text(filler * 500 + path.read_text() + '{"torn')
    summary = summarize(run)
    assert (summary.steps, summary.score) == (3, 0.8)
    assert last_step(run) == (3, 10)


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: shutil.rmtree(run.folder),
        lambda run: (run.folder / "config.json").write_text("[1"),
        lambda run: (run.folder / "metrics.jsonl").write_bytes(b"\xff\xfe\x00nonsense\n[1, 2]\n17\n"),
        lambda run: (run.folder / "metrics.jsonl").write_text(NONSENSE),
    ],
)
def test_damage_is_survived(session, qtbot, damage):
    damage(make_run(session))
    good = make_run(session)
    widget = RunsList(session)
    qtbot.addWidget(widget)
    assert widget._view.count() == 2
    assert "score 80%" in widget._view.item(0).text()
    assert summarize(session.project.runs()[0]).number == 1
    assert good.id == widget._view.item(0).data(Qt.ItemDataRole.UserRole)


def test_nonsense_in_metrics_is_left_out(session):
    run = make_run(session)
    (run.folder / "metrics.jsonl").write_text(NONSENSE)
    summary = summarize(run)
    assert (summary.steps, summary.loss, summary.score) == (None, None, None)
    assert last_step(run) is None


@pytest.fixture
def widget(session, qtbot):
    """A list of four runs: finished and current, stopped, failed without a model, finished."""
    first = make_run(session, score=0.7)
    make_run(session, "stopped", score=None, checkpoint=True)
    make_run(session, "failed", steps=0, model=False)
    make_run(session, score=0.9)
    session.project.set_current_run(first.id)
    widget = RunsList(session)
    qtbot.addWidget(widget)
    widget.show()
    return widget


def rows(widget):
    return [widget._view.item(i).text() for i in range(widget._view.count())]


def test_newest_first_with_what_matters(widget):
    newest, failed, stopped, current = rows(widget)
    assert newest.startswith("4 · ")
    assert "score 90%" in newest
    assert "3 marks in 1 picture" in newest
    assert "failed" in failed
    assert "nothing learned" in failed
    assert "stopped" in stopped
    assert "current" in current
    assert widget._view.item(3).font().bold()
    assert not widget._view.item(0).font().bold()


def test_buttons_say_why_they_are_off(widget):
    def enabled():
        return tuple(b.isEnabled() for b in (widget._make_current, widget._resume, widget._compare))

    assert enabled() == (False, False, False)
    assert "Choose a run" in widget._make_current.toolTip()
    expected = [(True, False, True), (False, False, False), (True, True, True), (False, False, False)]
    for row, wanted in enumerate(expected):
        widget._view.setCurrentRow(row)
        assert enabled() == wanted
    assert "current one" in widget._compare.toolTip()
    widget._view.setCurrentRow(2)
    widget.set_busy(True)
    assert enabled() == (False, False, True)


def test_a_run_is_made_current(widget, session, qtbot):
    changes = []
    session.runs_changed.connect(lambda: changes.append(session.project.current_run().id))
    widget._view.setCurrentRow(0)
    qtbot.mouseClick(widget._make_current, Qt.MouseButton.LeftButton)
    assert changes == ["run-0004"]
    assert "current" in rows(widget)[0]
    assert "current" not in rows(widget)[3]
    assert widget._view.currentRow() == 0  # still chosen
    assert not widget._make_current.isEnabled()


def test_a_run_is_compared(widget, session, qtbot):
    widget._view.setCurrentRow(0)
    qtbot.mouseClick(widget._compare, Qt.MouseButton.LeftButton)
    assert session.overlay.compared_run == "run-0004"
    assert session.overlay.mode is OverlayMode.DIFFERENCE


def test_a_stopped_run_is_resumed(widget, qtbot):
    wanted = []
    widget.resume_wanted.connect(wanted.append)
    widget._view.setCurrentRow(2)
    qtbot.mouseClick(widget._resume, Qt.MouseButton.LeftButton)
    assert [run.id for run in wanted] == ["run-0002"]


def test_hundreds_of_runs_come_in_parts(session, qtbot):
    for _ in range(50):
        session.project.new_run({})
    widget = RunsList(session)
    qtbot.addWidget(widget)
    assert widget._view.count() == 20
    qtbot.waitUntil(lambda: widget._view.count() == 50)
    session.runs_changed.emit()
    qtbot.waitUntil(lambda: widget._view.count() == 50)
    assert rows(widget)[49].startswith("1 · ")


def test_the_list_follows_the_project(widget, session, qtbot):
    session.close()
    assert widget._view.count() == 0
    assert "Each training appears here" in widget._empty.text()
    assert not widget._make_current.isVisible()


def test_a_damaged_list_is_told(widget, session):
    session.project._database.execute("UPDATE runs SET id = '../x' WHERE number = 2")
    session.runs_changed.emit()
    assert "damaged" in widget._empty.text()
    assert widget._view.count() == 0


def test_a_list_whose_qt_half_is_gone_is_not_called(session, qtbot):
    widget = RunsList(session)
    widget.deleteLater()
    qtbot.waitSignal(widget.destroyed).wait()
    session.runs_changed.emit()  # would raise RuntimeError
