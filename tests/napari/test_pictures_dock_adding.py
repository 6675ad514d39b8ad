"""Pictures dropped on their dock, and marks that are imported there."""

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QPushButton

from spml_core.annotations import Tag
from spml_napari.docks import add_button, import_button
from spml_napari.docks.pictures import PicturesDock


@pytest.fixture
def dock(qtbot, session, executor):
    dock = PicturesDock(session, executor.submit, set)
    qtbot.addWidget(dock)
    dock.resize(300, 560)
    dock.show()
    qtbot.waitExposed(dock)
    return dock


def rows(dock):
    model = dock.list.model()
    return [model.index(row).data() for row in range(model.rowCount())]


def picture_file(path, seed=1):
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def drop(dock, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    dock.dropEvent(event)


def test_dropped_files_and_folders_are_added(qtbot, dock, session, tmp_path):
    alone = picture_file(tmp_path / "alone.png")
    picture_file(tmp_path / "more" / "one.png", 2)
    picture_file(tmp_path / "more" / "two.png", 3)
    drop(dock, alone, tmp_path / "more")
    qtbot.waitUntil(lambda: len(rows(dock)) == 6)
    assert rows(dock) == ["alone", "first", "one", "second", "third", "two"]
    assert session.picture.name == "first"
    assert dock.position.text() == "2 of 6"
    assert not dock.progress.isVisible()


def test_what_of_a_dropped_folder_is_left_out_is_said(qtbot, dock, session, tmp_path, reports):
    picture_file(tmp_path / "more" / "one.png", 2)
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "more" / "two.jfif", format="jpeg")
    (tmp_path / "more" / "a.heic").write_bytes(b"\0")
    drop(dock, tmp_path / "more")
    qtbot.waitUntil(lambda: any(level == "warning" for level, _ in reports))
    (text,) = (text for level, text in reports if level == "warning")
    assert "1 file was left out" in text and "1 .heic" in text
    assert rows(dock) == ["first", "one", "second", "third", "two"]


def test_pictures_that_cannot_be_added_change_nothing(qtbot, dock, session, tmp_path, reports, monkeypatch):
    good = picture_file(tmp_path / "good.png")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    monkeypatch.setattr(add_button, "ask_for_pictures", lambda _: [good, bad])
    dock.add.menu().actions()[0].trigger()
    qtbot.waitUntil(lambda: len(reports) == 1)
    assert reports[0][0] == "error"
    assert "bad.png" in reports[0][1]
    assert len(session.project.pictures) == 3
    assert dock.add.isEnabled()
    (tmp_path / "none").mkdir()
    dock.add_pictures([tmp_path / "none"])
    qtbot.waitUntil(lambda: len(reports) == 2)


def test_adding_can_be_cancelled(qtbot, dock, session, tmp_path, reports):
    for i in range(40):
        picture_file(tmp_path / "many" / f"{i}.png", i)
    dock.add_pictures([tmp_path / "many"])
    assert dock.progress.isVisible()
    assert not dock.add.isEnabled()
    dock.progress.findChild(QPushButton).click()
    qtbot.waitUntil(lambda: not dock.progress.isVisible())
    assert len(session.project.pictures) == 3
    assert dock.add.isEnabled()
    assert reports == []


def test_import_tells_what_came_and_is_one_step(qtbot, session, dock, reports, tmp_path):
    table = tmp_path / "tags.csv"
    table.write_text("image,class\nfirst,leaf\nsecond,stem\nsecond,leaf\n")
    steps = len(session.project.history())
    heard = []
    session.marks_changed.connect(heard.append)
    dock.import_marks.import_marks(table)
    assert not dock.import_marks.isEnabled()
    qtbot.waitUntil(lambda: bool(reports))
    assert dock.import_marks.isEnabled()
    assert reports[0] == ("info", "Tags of 2 pictures imported from tags.csv. Undo takes them back.")
    assert len(session.project.history()) == steps + 1 and len(heard) == 1
    assert Tag(1) in session.marks().values()
    session.undo()
    assert Tag(1) not in session.marks().values()


def test_import_shows_warnings(qtbot, session, dock, reports, tmp_path):
    table = tmp_path / "tags.csv"
    table.write_text("image,class\nfirst,leaf\n")  # the box of a stem contradicts the list
    dock.import_marks.import_marks(table)
    qtbot.waitUntil(lambda: len(reports) == 2)
    level, text = reports[1]
    assert level == "warning" and "stem" in text


def test_a_wrong_file_imports_nothing_and_is_told(qtbot, session, dock, reports, tmp_path):
    table = tmp_path / "tags.csv"
    table.write_text("image,class\nfirst,leaf\nsecond,unicorn\n")
    before = session.marks()
    dock.import_marks.import_marks(table)
    qtbot.waitUntil(lambda: bool(reports))
    assert reports[0][0] == "error" and "unicorn" in reports[0][1]
    assert session.marks() == before and dock.import_marks.isEnabled()


def test_the_menu_asks_for_a_file_or_a_folder(qtbot, session, dock, reports, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(dock.import_marks, "import_marks", asked.append)
    monkeypatch.setattr(
        import_button.QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "a.csv"), "")
    )
    monkeypatch.setattr(import_button, "ask_for_folder", lambda *_: tmp_path)
    for action in dock.import_marks.menu().actions():
        action.trigger()
    assert asked == [tmp_path / "a.csv", tmp_path]
    session.close()
    assert not dock.import_marks.isEnabled()
