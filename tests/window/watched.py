"""The window as ``spml app`` opens it, with a witness that writes down when it said what.

Usage: ``python watched.py FILE PROJECT``. Each line of FILE is ``KIND<tab>MONOTONIC SECONDS<tab>WORDS``, written before
the event loop goes on, so that a kill can't unsay it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

SAID, PROJECT = Path(sys.argv[1]), Path(sys.argv[2])
_file = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def say(kind: str, words: object = "") -> None:
    os.write(_file, f"{kind}\t{time.monotonic():.4f}\t{words}\n".encode())


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


class Gaps:
    """Measures how long the event loop keeps a timer waiting."""

    def __init__(self, milliseconds: int = 5) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.setInterval(milliseconds)
        self.timer.timeout.connect(self._tick)
        self.last = time.monotonic()
        self.found: list[float] = []
        self.timer.start()

    def _tick(self) -> None:
        now = time.monotonic()
        self.found.append(now - self.last)
        self.last = now
        if len(self.found) >= 50:
            say("gaps", " ".join(f"{gap:.4f}" for gap in self.found))
            self.found.clear()


def main() -> None:
    from spml_napari import app

    arrange = app.Arrangement.__init__

    def watch(self: app.Arrangement, viewer: object) -> None:
        arrange(self, viewer)
        bench = self.bench
        session = bench.session
        session.saved.connect(lambda words: say("saved", words))
        session.reported.connect(lambda level, text: say("reported", f"{level}: {text}"))
        session.prediction_changed.connect(
            lambda: say("overlay", session.prediction is not None and session.prediction.live)
        )
        session.picture_changed.connect(lambda: say("picture", session.picture and session.picture.name))
        bench.canvas.shown.connect(lambda: say("shown", session.picture and session.picture.name))
        bench.training.state_changed.connect(lambda state: say("training", state))
        bench.training.state_changed.connect(
            lambda _: say("process", bench.training._child.pid if bench.training._child else "")
        )
        bench.predictions.ready.connect(lambda: say("answers", bench.predictions._answers.pid))
        say_where(bench.docks["training"])
        bench.training.stepped.connect(lambda event: say("step", event.step))
        self.gaps = Gaps()

    app.Arrangement.__init__ = watch
    app.run(PROJECT)
    say("closed", "torch" in sys.modules)


if __name__ == "__main__":
    main()
