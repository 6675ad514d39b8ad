"""A screen of its own, the program on it, and a hand that moves the mouse and presses keys as a person's would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
from PIL import Image, ImageGrab
from x11 import ask_to_close

T = TypeVar("T")

NEEDED = ("Xvfb", "xdotool")
SIZE = (1280, 800)
_TRIES = 5
_QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


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
        self.folder.mkdir(parents=True, exist_ok=True)
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        self.log = folder / "program.log"
        self.environment = {
            **os.environ,
            "NAPARI_CONFIG": str(folder / "napari.yaml"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_RUNTIME_DIR": str(runtime),
            "QT_QPA_PLATFORM": "xcb",
        }
        self.program: subprocess.Popen[bytes] | None = None
        for _ in range(_TRIES):
            self.environment["DISPLAY"] = f":{random.randrange(100, 10_000)}"
            server = _start_server(self.environment, size)
            if server is not None:
                self._server = server
                return
        raise AssertionError(f"no X server could be started in {_TRIES} attempts")

    def remember(self, **seconds: int) -> None:
        """Let the window find these time budgets, by preset, as if they were chosen the last time."""
        memory = self.folder / "config" / "spml-napari" / "spml-napari.conf"
        memory.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{preset}\\seconds={value}\n" for preset, value in seconds.items()]
        memory.write_text("[training]\n" + "".join(lines))

    def start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        """Start ``spml`` with these words."""
        return self._start("-m", "spml_core.cli", *words)

    def start_watched(self, project: Path, *options: str) -> subprocess.Popen[bytes]:
        """Start the window as ``spml app`` does, with a witness in it: see watched.py and :meth:`said`."""
        self._said = self.folder / "said.txt"
        self._said.unlink(missing_ok=True)
        return self._start(Path(__file__).with_name("watched.py"), self._said, project, *options)

    def said(self) -> list[list[str]]:
        """What the witness has written: its whole lines, as kind, seconds and words."""
        if not self._said.exists():
            return []
        text = self._said.read_text()
        return [line.split("\t") for line in text[: text.rfind("\n") + 1].splitlines()]

    def said_of(self, kind: str) -> list[list[str]]:
        """The witness's words of one kind."""
        return [line[2:] for line in self.said() if line[0] == kind]

    def moments(self, kind: str, words: str = "") -> list[float]:
        """When, in monotonic seconds, the witness said lines of a kind that begin with these words."""
        return [float(line[1]) for line in self.said() if line[0] == kind and line[2].startswith(words)]

    def _start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.program = subprocess.Popen(
                [sys.executable, *map(str, words)],
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

    def point_at(self, x: float, y: float) -> None:
        """Move the mouse to a place of the screen."""
        self._run("mousemove", *_words((x, y)), "sleep", "0.1")

    def close_window(self, number: str) -> None:
        """Ask a window to close, as its close button does."""
        ask_to_close(self.environment["DISPLAY"], int(number))

    def drag(self, places: Sequence[tuple[float, float]], button: int = 1, pause: float = 0.01) -> None:
        """Move to the first place, press, move through the others, release."""
        words = ["mousemove", *_words(places[0]), "sleep", "0.05", "mousedown", str(button)]
        for place in places[1:]:
            words += ["mousemove", *_words(place), "sleep", f"{pause:g}"]
        self._run(*words, "mouseup", str(button))

    def hand(self, strokes: Iterable[Sequence[tuple[float, float]]], pause: float) -> subprocess.Popen[bytes]:
        """Let a hand draw one stroke after the other on its own, while the caller does something else."""
        words: list[str] = []
        for places in strokes:
            words += ["mousemove", *_words(places[0]), "mousedown", "1"]
            for place in places[1:]:
                words += ["sleep", f"{pause:g}", "mousemove", *_words(place)]
            words += ["sleep", f"{pause:g}", "mouseup", "1", "sleep", f"{pause:g}"]
        return subprocess.Popen(["xdotool", *words], env=self.environment, stderr=subprocess.DEVNULL)

    def screen(self) -> Image.Image:
        """What the screen shows."""
        return ImageGrab.grab(xdisplay=self.environment["DISPLAY"])

    def color(self, x: float, y: float) -> tuple[int, int, int]:
        """Colour of a place of the screen."""
        pixel = self.screen().convert("RGB").getpixel((round(x), round(y)))
        return pixel  # type: ignore[return-value]

    def children(self) -> list[psutil.Process]:
        """Processes that the program has started, and theirs."""
        if self.program is None or self.program.poll() is not None:
            return []
        return psutil.Process(self.program.pid).children(recursive=True)

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
            raise AssertionError(
                f"the program ended with {self.program.returncode}:\n{self.log_text()[-3000:]}"
            )

    def _run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(["xdotool", *words], env=self.environment, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"xdotool {' '.join(words)}: {done.stderr}")
        return done.stdout


def _start_server(environment: dict[str, str], size: tuple[int, int]) -> subprocess.Popen[bytes] | None:
    """An X server that is ready, or None if the number of the display is taken."""
    screen = f"{size[0]}x{size[1]}x24"
    server = subprocess.Popen(
        # A server that begins anew when its last program ends would refuse the next one for a while.
        ["Xvfb", environment["DISPLAY"], "-screen", "0", screen, "-nolisten", "tcp", "-noreset"],
        **_QUIET,
    )

    def is_ready() -> bool:
        done = subprocess.run(["xdotool", "getmouselocation"], env=environment, **_QUIET)
        return server.poll() is not None or done.returncode == 0

    wait_for(is_ready, "an X server")
    return server if server.poll() is None else None


def _words(place: tuple[float, float]) -> list[str]:
    return [str(round(place[0])), str(round(place[1]))]
