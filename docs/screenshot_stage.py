"""The stage on which stories of the window are played: each in a process and on a screen of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from screenshot_person import Person

ROOT = Path(__file__).resolve().parents[1]
SCREEN = "1280x800x24"
SECONDS = 180
"""Time budget of a training."""

Story = Callable[[Path], tuple[Path | None, Callable[[Person], None]]]
"""Given a folder to work in: the project to open, and what a person does with it."""


def run(script: str, stories: Mapping[str, Story]) -> None:
    """Be a script that takes pictures; its argument is where they go.

    Parameters
    ----------
    script : str
        Its file. It is called anew for each story.
    stories : mapping of str to Story
        By name.
    """
    words = sys.argv[1:]
    if words[:1] == ["--story"]:
        # Nothing is left to end: not even a library's thread shall keep the script.
        code = _perform(stories[words[1]], Path(words[2]), Path(words[3]))
        sys.stdout.flush()
        os._exit(code)
    folder = Path(words[0]) if words else ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for story in stories:
        with tempfile.TemporaryDirectory(prefix="spml-") as scratch:
            command = [sys.executable, script, "--story", story, scratch, str(folder.resolve())]
            server = ["xvfb-run", "--auto-servernum", "--server-args", f"-screen 0 {SCREEN}"]
            done = subprocess.run([*server, *command], env=_environment(Path(scratch)))
        if done.returncode:
            sys.exit(f"The story of {story} ended with {done.returncode}.")


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


def _perform(story: Story, scratch: Path, folder: Path) -> int:
    """Open the window, do what the story tells, and close it; 1 if anything went wrong."""
    import napari.qt
    from qtpy.QtCore import QTimer

    from spml_napari import app

    napari.qt.get_qapp()
    project, tell = story(scratch)
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
