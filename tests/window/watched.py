"""The window as ``spml app`` opens it, with a witness that writes down when it said what.

Usage: ``python watched.py FILE PROJECT [--stacks]``. Each line of FILE is ``KIND<tab>MONOTONIC SECONDS<tab>WORDS``,
written before the event loop goes on, so that a kill can't unsay it. With ``--stacks`` it also tells what the event
loop was doing whenever it came to nothing else for long.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from spml_napari.app import Arrangement
    from spml_napari.session import Session

SAID, PROJECT, OPTIONS = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
LONG = 0.08
"""Seconds without a turn of the event loop after which its stack is written down."""

_file = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def say(kind: str, words: object = "") -> None:
    line = str(words).replace("\n", " ")
    os.write(_file, f"{kind}\t{time.monotonic():.4f}\t{line}\n".encode())


def say_where(dock: QWidget) -> None:
    """Tell every now and then where on the screen the buttons of a dock are."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QPushButton

    told = {}

    def look() -> None:
        for button in dock.findChildren(QPushButton):
            middle = button.mapToGlobal(button.rect().center())
            now = (middle.x(), middle.y()) if button.isVisible() and button.isEnabled() else ("", "")
            if told.get(button.objectName()) != now:
                told[button.objectName()] = now
                say("button", "\t".join(map(str, (button.objectName(), *now))))

    timer = QTimer(dock)
    timer.timeout.connect(look)
    timer.start(200)


def say_suggestion(session: Session) -> None:
    """Tell whether a suggestion says something, and of the region that it asks about: a place (y, x) and its code."""
    found = session.suggestion
    if found is None:
        return
    words = [str(found.says_something)]
    place = None if found.next_region is None else found.regions.middle(found.next_region)
    if place is not None:
        row, column = (int(side) // found.shrink for side in place)
        words += [f"{place[0]:.0f}", f"{place[1]:.0f}", str(found.labels[row, column])]
    say("suggestion", "\t".join(words))


class Gaps:
    """Measures how long the event loop keeps a timer waiting, and how much of that it computed itself."""

    def __init__(self, milliseconds: int = 5) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.setInterval(milliseconds)
        self.timer.timeout.connect(self._tick)
        self.last, self.computed = time.monotonic(), time.thread_time()
        self.found: list[str] = []
        self.timer.start()

    def _tick(self) -> None:
        now, computed = time.monotonic(), time.thread_time()
        self.found.append(f"{now - self.last:.4f}/{computed - self.computed:.4f}")
        self.last, self.computed = now, computed
        if len(self.found) >= 20:
            say("gaps", " ".join(self.found))
            self.found.clear()


def watch_stacks(gaps: Gaps) -> None:
    """Write down what the main thread does in the middle of a long gap. In a thread of its own."""
    main = threading.main_thread().ident
    told = 0.0
    while True:
        time.sleep(0.01)
        last = gaps.last
        if time.monotonic() - last > LONG and last != told:
            told = last
            frames = traceback.extract_stack(sys._current_frames()[main])
            places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-14:]]
            say("stuck", " < ".join(reversed(places)))


def watch(arrangement: Arrangement) -> None:
    """Listen to all that a window says."""
    bench = arrangement.bench
    session, training, answers = bench.session, bench.training, bench.predictions
    session.saved.connect(lambda words: say("saved", words))
    session.reported.connect(lambda level, text: say("reported", f"{level}: {text}"))
    session.prediction_changed.connect(
        lambda: say("overlay", session.prediction is not None and session.prediction.live)
    )
    session.suggestion_changed.connect(lambda: say_suggestion(session))
    session.picture_changed.connect(lambda: say("picture", session.picture and session.picture.name))
    bench.canvas.shown.connect(lambda: say("shown", session.picture and session.picture.name))
    training.state_changed.connect(lambda state: say("training", state))
    training.state_changed.connect(lambda _: say("process", training._child.pid if training._child else ""))
    training.stepped.connect(lambda event: say("step", event.step))
    answers.ready.connect(lambda: say("answers", answers.line._answers.pid))
    bench.propagation.state_changed.connect(lambda state: say("propagation", state))
    bench.propagation.progressed.connect(lambda told: say("propagated", f"{told.index}\t{told.is_final}"))
    say_where(bench.docks["training"])


def watch_canvas(arrangement: Arrangement) -> None:
    """Tell of every frame that is drawn, every key, and every button of the mouse that comes up on the canvas."""
    from qtpy.QtCore import QEvent, QObject
    from qtpy.QtWidgets import QApplication

    from spml_napari.tools.native import native_canvas

    canvas = arrangement.viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda event: say("frame"), position="last")

    class Ear(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
            if event.type() == QEvent.Type.MouseButtonRelease and watched is native:
                say("release")
            elif event.type() == QEvent.Type.ShortcutOverride:
                say("key", event.key())
            return False

    native = native_canvas(arrangement.viewer)
    arrangement.ear = Ear()
    QApplication.instance().installEventFilter(arrangement.ear)


def main() -> None:
    from spml_core.cli.main import run
    from spml_napari import app

    arrange, show = app.Arrangement.__init__, app.run

    def arrange_watched(self: Arrangement, viewer: object) -> None:
        arrange(self, viewer)
        watch(self)
        self.gaps = Gaps()
        if "--stacks" in OPTIONS:
            watch_canvas(self)
            threading.Thread(target=watch_stacks, args=(self.gaps,), daemon=True).start()

    def show_watched(project: Path | None) -> None:
        show(project)
        say("closed", "torch" in sys.modules)

    app.Arrangement.__init__, app.run = arrange_watched, show_watched
    sys.argv[1:] = ["app", str(PROJECT)]
    run()


if __name__ == "__main__":
    main()
