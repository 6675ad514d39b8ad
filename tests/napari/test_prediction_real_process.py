"""The prediction control with the real answering process."""

from answers import Told

from spml_core.project import Project
from spml_napari.prediction_control import PredictionControl
from spml_napari.session import Session
from spml_napari.view_state import Tool
from spml_napari.workers import ChildProcess

SIZE = (48, 64)
LONG = 120_000


def test_the_real_process_finds_regions_and_ends(small_project, qtbot):
    session = Session()
    processes = []

    def start(path):
        processes.append(ChildProcess("spml_core.engine.background.answer_process:serve_answers", path))
        processes[-1].start()
        return processes[-1]

    control = PredictionControl(session, start, lambda: False)
    told = Told(session)
    session.adopt(small_project)
    session.set_tool(Tool.PICK)
    qtbot.waitUntil(lambda: control.region_labels() is not None, timeout=LONG)
    assert control.region_labels().shape == SIZE
    assert control.devices[-1] == "cpu"
    assert told.lines == []
    assert isinstance(session.project, Project)
    control.close()
    assert not processes[0].alive
    session.close()
