"""A screen of its own, the program on it, and a hand that moves the mouse and presses keys as a person's would."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NEEDED = ("Xvfb", "xdotool")
SIZE = (1280, 800)


def missing_programs() -> list[str]:
    """Programs that a desktop needs and this machine lacks."""
    return [name for name in NEEDED if shutil.which(name) is None]


def wait_for(look: Callable[[], T], what: str, seconds: float = 60.0) -> T:
    """The first true value of ``look()``; fails if there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


class Desktop:
    """An X server without a screen, and one program on it.

    Parameters
    ----------
    folder : Path
        For settings and logs, so that nothing of the user's is read or written.
    """

    def __init__(self, folder: Path, size: tuple[int, int] = SIZE) -> None:
        self.folder = folder
        self.size = size
        read, write = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size[0]}x{size[1]}x24", "-nolisten", "tcp"],
            pass_fds=(write,),
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        self.environment = {
            **os.environ,
            "DISPLAY": f":{number}",
            "NAPARI_CONFIG": str(folder / "napari.yaml"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_RUNTIME_DIR": str(folder),
            "QT_QPA_PLATFORM": "xcb",
        }
        self.program: subprocess.Popen[bytes] | None = None

    def start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        """Start ``spml`` with these words."""
        self.log = self.folder / "program.log"
        with self.log.open("ab") as log:
            self.program = subprocess.Popen(
                [sys.executable, "-m", "spml_core.cli", *map(str, words)],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        return self.program

    def window(self, name: str, seconds: float = 60.0) -> str:
        """Wait for a window whose title holds ``name``, give it the keyboard and all of the screen; its number."""

        def look() -> str:
            self._check_alive()
            found = self._run("search", "--onlyvisible", "--name", name, check=False).split()
            return found[-1] if found else ""

        number = wait_for(look, f"a window called {name!r}", seconds)
        self._run("windowmove", number, "0", "0", "windowsize", number, *map(str, self.size))
        self._run("windowfocus", number)
        return number

    def windows(self, name: str) -> list[str]:
        """Numbers of the visible windows whose title holds ``name``."""
        return self._run("search", "--onlyvisible", "--name", name, check=False).split()

    def focus(self, number: str) -> None:
        """Give a window the keyboard: there is no window manager to do it."""
        self._run("windowfocus", number)

    def key(self, *names: str) -> None:
        """Press and release keys, for instance ``"s"`` or ``"ctrl+z"``."""
        self._run("key", "--delay", "40", *names)

    def hold(self, name: str) -> None:
        """Press a key and keep it down."""
        self._run("keydown", name)

    def release(self, name: str) -> None:
        """Let a held key go."""
        self._run("keyup", name)

    def type(self, text: str) -> None:
        """Type text."""
        self._run("type", "--delay", "20", text)

    def click(self, x: float, y: float, button: int = 1) -> None:
        """Press and release a mouse button at a place of the screen."""
        self._run("mousemove", str(round(x)), str(round(y)), "sleep", "0.05", "click", str(button))

    def drag(self, places: Sequence[tuple[float, float]], button: int = 1, pause: float = 0.01) -> None:
        """Move to the first place, press, move through the others, release."""
        words = ["mousemove", *_words(places[0]), "sleep", "0.05", "mousedown", str(button)]
        for place in places[1:]:
            words += ["mousemove", *_words(place), "sleep", f"{pause:g}"]
        self._run(*words, "mouseup", str(button))

    def picture(self, path: Path) -> None:
        """Save what the screen shows."""
        from PIL import ImageGrab

        ImageGrab.grab(xdisplay=self.environment["DISPLAY"]).save(path)

    def kill(self) -> None:
        """End the program as a crash or a power cut would."""
        if self.program is not None:
            self.program.send_signal(signal.SIGKILL)
            self.program.wait()

    def close(self) -> None:
        """End program and screen."""
        if self.program is not None and self.program.poll() is None:
            self.kill()
        self._server.terminate()
        self._server.wait()

    def log_text(self) -> str:
        """What the program has written to its terminal."""
        return self.log.read_text(errors="replace")

    def _check_alive(self) -> None:
        if self.program is not None and self.program.poll() is not None:
            raise AssertionError(f"the program ended with {self.program.returncode}:\n{self.log_text()[-3000:]}")

    def _run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(["xdotool", *words], env=self.environment, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"xdotool {' '.join(words)}: {done.stderr}")
        return done.stdout


def _words(place: tuple[float, float]) -> list[str]:
    return [str(round(place[0])), str(round(place[1]))]
