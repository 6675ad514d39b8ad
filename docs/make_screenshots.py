"""Take the pictures of the window that README and tutorial show: the real program on the sample pictures.

python docs/make_screenshots.py [FOLDER]

FOLDER is docs/screenshots if not given. It draws, trains, inspects and exports as a person would, on an X server of its
own (Xvfb), and leaves no settings behind. Two models are trained: that takes some minutes on two CPU cores.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCREEN = "1280x800x24"
SECONDS = 180
"""Time budget of a training."""
PATIENCE = 600.0
"""Seconds after which something that should have happened is given up."""
DRAWINGS = ("start", "new_project")
"""Shots without a photo: PNG is sharper there, and smaller than JPEG."""

Place = tuple[float, float]


def main(folder: Path, script: str = __file__, stories: Iterable[str] = ("people", "nuclei")) -> int:
    """Tell each story of a script in a process and on a screen of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for story in stories:
        with tempfile.TemporaryDirectory(prefix="spml-") as scratch:
            command = [sys.executable, script, "--story", story, scratch, str(folder.resolve())]
            server = ["xvfb-run", "--auto-servernum", "--server-args", f"-screen 0 {SCREEN}"]
            done = subprocess.run([*server, *command], env=_environment(Path(scratch)))
        if done.returncode:
            print(f"The story of {story} ended with {done.returncode}.", file=sys.stderr)
            return done.returncode
    return 0


def _environment(scratch: Path) -> dict[str, str]:
    """Let all settings and logs be in a folder that goes away again."""
    runtime = scratch / "runtime"
    runtime.mkdir(mode=0o700)
    folders = {
        f"XDG_{name}_HOME": str(scratch / name.lower()) for name in ("STATE", "DATA", "CONFIG", "CACHE")
    }
    memory = scratch / "config" / "spml-napari" / "spml-napari.conf"
    memory.parent.mkdir(parents=True)
    memory.write_text(f"[training]\nquick\\seconds={SECONDS}\n")
    return {
        **os.environ,
        **folders,
        "XDG_RUNTIME_DIR": str(runtime),
        "NAPARI_CONFIG": str(scratch / "napari.yaml"),
        "QT_QPA_PLATFORM": "xcb",
        "PYTHONPATH": str(ROOT),
    }


class Person:
    """Looks at the window, waits for what it does, moves the mouse and presses keys.

    Parameters
    ----------
    folder : Path
        Where the pictures go.
    """

    def __init__(self, folder: Path) -> None:
        from napari import current_viewer
        from qtpy.QtWidgets import QApplication

        from spml_napari.tools.native import main_window, native_canvas
        from spml_napari.workbench import Workbench

        self.folder = folder
        self.app = QApplication.instance()
        self.viewer = current_viewer()
        self.bench = Workbench.of(self.viewer)
        self.session = self.bench.session
        self.window = main_window(self.viewer)
        self.native = native_canvas(self.viewer)
        self._mouse: Any = None
        self._is_on_picture = False

    # Waiting --------------------------------------------------------------------------------------------

    def wait(self, look: Callable[[], object], what: str) -> None:
        """Let the window work until ``look()`` is true."""
        until = time.monotonic() + PATIENCE
        while not look():
            if time.monotonic() > until:
                raise TimeoutError(f"waited {PATIENCE:g} s in vain for {what}")
            self.app.processEvents()
            time.sleep(0.01)

    def rest(self, seconds: float = 0.5) -> None:
        """Let the window draw what it has to."""
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > until, "the clock")

    def hear(self, signal: Any) -> Callable[[], list[tuple[Any, ...]]]:
        """Listen to a signal; what is returned gives all it has said."""
        said: list[tuple[Any, ...]] = []
        signal.connect(lambda *values: said.append(values))
        return lambda: said

    def go_to(self, name: str) -> None:
        """Show a picture and wait until it is there."""
        self.session.go_to(self.session.project.picture(name).id)
        self.wait_for_picture()

    def wait_for_picture(self) -> None:
        """Wait until the current picture is on the canvas."""
        self.wait(lambda: self.bench.canvas._is_ready, "the picture")
        self.rest()

    # Hands ------------------------------------------------------------------------------------------------

    def key(self, text: str) -> None:
        """Press a key, such as ``"s"`` or ``"Ctrl+Return"``, with the canvas in focus."""
        from qtpy.QtCore import Qt
        from qtpy.QtGui import QKeySequence
        from qtpy.QtTest import QTest

        self.native.setFocus()
        *_, name = text.split("+")
        code = Qt.Key.Key_Return if name == "Return" else QKeySequence(name)[0]
        code = code.key() if hasattr(code, "key") else code
        control = "Ctrl" in text
        held = Qt.KeyboardModifier.ControlModifier if control else Qt.KeyboardModifier.NoModifier
        QTest.keyClick(self.native, Qt.Key(code), held)
        self.rest(0.1)

    def draw(self, places: Iterable[Place], key: str = "") -> None:
        """Draw through places (x, y) of the picture, in the class of the key."""
        from qtpy.QtCore import QEvent

        if key:
            self.key(key)
        places = list(places)
        self._send(QEvent.Type.MouseMove, places[0], down=False)
        self._send(QEvent.Type.MouseButtonPress, places[0], down=True)
        for (x0, y0), (x1, y1) in pairwise(places):
            for part in (0.25, 0.5, 0.75, 1.0):
                self._send(QEvent.Type.MouseMove, (x0 + part * (x1 - x0), y0 + part * (y1 - y0)), down=True)
        self._send(QEvent.Type.MouseButtonRelease, places[-1], down=False)
        self.rest(0.1)

    def point_at(self, place: Place) -> None:
        """Hold the mouse over a place (x, y) of the picture."""
        from qtpy.QtCore import QEvent

        for nudge in (1, 0):  # a mouse that arrives has moved
            self._send(QEvent.Type.MouseMove, (place[0] + nudge, place[1]), down=False)

    def click(self, place: Place) -> None:
        """Click a place (x, y) of the picture."""
        self.draw([place])

    def _send(self, kind: Any, place: Place, down: bool) -> None:
        from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
        from qtpy.QtGui import QMouseEvent

        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        view = self.viewer.window._qt_viewer.canvas.view
        x, y = (view.transform * view.scene.transform).map([place[0], place[1]])[:2]
        at = QPoint(round(float(x)), round(float(y)))
        self._mouse = self.native.mapTo(self.window, at)
        screen = QPointF(self.native.mapToGlobal(at))
        button = none if kind == QEvent.Type.MouseMove else left
        event = QMouseEvent(
            kind, QPointF(at), screen, button, left if down else none, Qt.KeyboardModifier.NoModifier
        )
        self.app.sendEvent(self.native, event)
        self.rest(0.02)

    def open_tab(self, name: str) -> None:
        """Bring a dock to the front."""
        dock = self.bench.docks[name]
        while dock is not None and not hasattr(dock, "toggleViewAction"):
            dock = dock.parentWidget()
        dock.show()
        dock.raise_()
        self.rest()

    def scroll_to(self, name: str, widget: Any) -> None:
        """Scroll a dock until a part of it is in view."""
        from qtpy.QtWidgets import QScrollArea

        area = self.bench.docks[name].findChild(QScrollArea)
        area.ensureWidgetVisible(widget, 0, 8)
        self.rest(0.2)

    def find(self, name: str) -> Any:
        """The widget of an object name."""
        from qtpy.QtWidgets import QWidget

        found = self.window.findChild(QWidget, name)
        if found is None:
            raise LookupError(f"the window has no {name}")
        return found

    def close_notices(self) -> None:
        """Close what napari shows at the lower right."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification

        for notice in self.window.findChildren(NapariQtNotification):
            notice.close()
        self.rest(0.3)

    # Pictures -------------------------------------------------------------------------------------------

    def shoot(self, name: str, pointer: bool = False) -> None:
        """Keep what the screen shows now, the mouse's pointer too if it matters."""
        from PIL import Image
        from qtpy.QtCore import QBuffer, QIODevice
        from qtpy.QtGui import QPainter

        self.rest()
        shot = self.window.screen().grabWindow(0)
        if pointer and self._mouse is not None:
            painter = QPainter(shot)
            _paint_pointer(painter, self._mouse, self.native.cursor())
            painter.end()
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        shot.save(buffer, "PNG")
        image = Image.open(io.BytesIO(bytes(buffer.data()))).convert("RGB")
        path = self.folder / f"{name}.{'png' if name in DRAWINGS else 'jpg'}"
        # Thin coloured letters stay legible only with all of the colour.
        options: dict[str, Any] = {} if path.suffix == ".png" else {"quality": 86, "subsampling": 0}
        image.save(path, optimize=True, **options)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def _paint_pointer(painter: Any, at: Any, cursor: Any) -> None:
    """Paint the cursor that the window shows; a screen shot leaves it out."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtGui import QColor, QPainter, QPolygon

    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pixmap = cursor.pixmap()
    if not pixmap.isNull():
        painter.drawPixmap(at - cursor.hotSpot(), pixmap)
        return
    painter.setPen(QColor("black"))
    painter.setBrush(QColor("white"))
    if cursor.shape() == Qt.CursorShape.CrossCursor:
        for dx, dy, width, height in ((-11, -1, 23, 3), (-1, -11, 3, 23)):
            painter.drawRect(at.x() + dx, at.y() + dy, width, height)
        return
    outline = ((0, 0), (0, 20), (5, 15), (9, 23), (12, 22), (8, 14), (15, 14))
    painter.drawPolygon(QPolygon([at + QPoint(x, y) for x, y in outline]))


# The stories --------------------------------------------------------------------------------------------

CLASSES = ("background", "hair", "skin", "clothes", "shoes")
STROKES: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("1", ((45, 60), (50, 150), (40, 230))),
    ("1", ((232, 200), (222, 280), (230, 350))),
    ("2", ((136, 35), (140, 24), (152, 20), (162, 30))),
    ("3", ((146, 42), (152, 56))),
    ("3", ((115, 275), (117, 330))),
    ("4", ((135, 90), (150, 110), (160, 150))),
    ("4", ((110, 225), (150, 218), (175, 235))),
)
"""Key of a class, and a stroke on photo 0297."""
MISTAKES: tuple[tuple[Place, ...], ...] = (
    ((172, 40), (168, 46), (166, 62), (165, 72)),
    ((198, 190),),
    ((170, 305), (205, 305), (205, 350), (180, 350), (180, 325)),
    ((143, 300), (144, 337)),
)
"""What a model may well take for hair, shoes or clothes on photo 0529, and isn't: sky, a bag, the road."""


def people(scratch: Path) -> tuple[Path | None, Callable[[Person], None]]:
    """From a folder of photos to masks, in the dark theme."""
    import shutil

    from sample_data import sample_path

    sample = sample_path("people")
    photos = scratch / "people"
    shutil.copytree(sample / "images", photos)

    def tell(person: Person) -> None:
        _begin(person, photos)
        _mark(person, sample)
        _train(person)
        _inspect(person)
        _correct(person)
        _export(person)

    return None, tell


def _begin(person: Person, photos: Path) -> None:
    person.shoot("start")
    welcome = person.bench.docks["welcome"]
    welcome.ask_for_project(photos)
    form = welcome.form
    person.wait(form.found.text, "the number of pictures")
    names = form.classes
    for _ in CLASSES[2:]:
        names.add.click()
    for row, name in enumerate(CLASSES):
        item = names.list.item(row)
        names.list.closePersistentEditor(item)
        item.setText(name)
    names.list.setCurrentRow(0)
    form.place.setFocus()
    person.shoot("new_project")
    form.create_button.click()
    person.wait(lambda: person.session.project is not None, "the project")
    person.wait_for_picture()


def _mark(person: Person, sample: Path) -> None:
    from spml_core.engine.imports import import_marks

    session = person.session
    person.go_to("0297")
    person.key("s")
    session.set_brush(8)
    for key, places in STROKES:
        person.draw(places, key)
    person.shoot("mark", pointer=True)
    # The other pictures' marks come from the sample, as `spml import` would bring them.
    import_marks(session.project, scribbles=sample / "scribbles", points=sample / "points.csv")
    session.marks_changed.emit(frozenset(record.id for record in session.project.pictures))
    session.history_changed.emit()
    person.key("v")


def _train(person: Person) -> None:
    bench, session = person.bench, person.session
    steps, ends = person.hear(bench.training.stepped), person.hear(bench.training.finished)
    person.open_tab("training")
    person.key("Ctrl+Return")
    person.wait(lambda: ends() or _is_half_way(steps()), "learning steps")
    person.wait(lambda: session.prediction is not None and session.prediction.live, "a preview")
    person.scroll_to("training", bench.docks["training"].plot)
    person.shoot("train")
    person.wait(ends, "the end of training")
    count = len(session.project.pictures)
    person.wait(lambda: len(bench.predictions.predicted_ids()) == count, "predictions of all pictures")
    person.wait(lambda: session.prediction.probabilities is not None, "this picture's probabilities")
    person.shoot("trained")
    person.close_notices()


def _is_half_way(steps: list[tuple[Any, ...]]) -> bool:
    return bool(steps) and 2 * steps[-1][0].step >= steps[-1][0].total


def _inspect(person: Person) -> None:
    bench, session = person.bench, person.session
    dock = bench.docks["inspect"]
    person.open_tab("inspect")
    person.go_to("0529")
    person.wait(lambda: session.prediction and session.prediction.probabilities is not None, "probabilities")
    person.point_at((143, 300))
    person.shoot("inspect", pointer=True)
    person.key("u")
    person.shoot("uncertainty", pointer=True)
    person.key("u")
    person.key("w")
    reasons = person.hear(bench.predictions.reasons_found)
    person.click((120, 180))
    person.wait(reasons, "the reasons")
    pictures = dock.reasons
    person.wait(
        lambda: all(not pictures.item(row).icon().isNull() for row in range(pictures.count())),
        "the pictures of the reasons",
    )
    person.scroll_to("inspect", pictures)
    person.shoot("why", pointer=True)
    person.key("v")


def _correct(person: Person) -> None:
    bench, session = person.bench, person.session
    person.key("g")
    person.key("1")
    person.wait(lambda: bench.predictions.region_labels() is not None, "the segments")
    person.scroll_to("inspect", person.find("mode_classes"))
    for places in MISTAKES:
        person.draw(places)
    person.shoot("correct", pointer=True)
    person.key("v")
    person.key("a")
    person.wait(session.is_reviewed, "the review")
    person.scroll_to("inspect", person.find("next_to_mark"))
    person.shoot("review")


def _export(person: Person) -> None:
    dock = person.bench.docks["export"]
    dock._open_folder = lambda: None  # there is no file manager on this screen
    person.open_tab("export")
    person.key("F")
    dock.start.click()
    person.wait(lambda: not dock.open.isHidden(), "the export")
    person.shoot("export")


def nuclei(scratch: Path) -> tuple[Path | None, Callable[[Person], None]]:
    """Micrographs with the sample's marks, in the light theme."""
    from napari.settings import get_settings

    from spml_napari.samples import make_sample_project

    get_settings().appearance.theme = "light"

    def tell(person: Person) -> None:
        bench, session = person.bench, person.session
        person.wait_for_picture()
        ends = person.hear(bench.training.finished)
        person.key("Ctrl+Return")
        person.wait(ends, "the end of training")
        person.go_to("histology_6b0ac2ab")
        person.wait(
            lambda: session.prediction and session.prediction.probabilities is not None, "a prediction"
        )
        count = len(session.project.pictures)
        person.wait(lambda: len(bench.predictions.predicted_ids()) == count, "predictions of all pictures")
        person.close_notices()
        person.open_tab("inspect")
        person.key("o")
        session.view(opacity=1.0)
        person.point_at((46, 150))
        person.shoot("nuclei", pointer=True)

    return make_sample_project("nuclei", scratch), tell


STORIES = {"people": people, "nuclei": nuclei}


def perform(story: str, scratch: Path, folder: Path) -> int:
    """Open the window, do what the story says, and close it; 1 if anything went wrong."""
    import napari.qt
    from qtpy.QtCore import QTimer

    from spml_napari import app

    napari.qt.get_qapp()
    project, tell = STORIES[story](scratch)
    outcome: list[int] = []

    def play() -> None:
        person = Person(folder)
        try:
            tell(person)
            outcome.append(0)
        except Exception:
            traceback.print_exc()
            outcome.append(1)
        person.bench.close()
        person.window.close()

    QTimer.singleShot(1000, play)
    app.run(project)
    return outcome[0] if outcome else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--story"]:
        # Nothing is left to end: not even a library's thread shall keep the script.
        code = perform(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
        sys.stdout.flush()
        os._exit(code)
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots"))
