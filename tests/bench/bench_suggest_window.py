#!/usr/bin/env python3
"""How soon a mark is answered: the real window, on a screen of its own, with real keys and a real mouse.

    python tests/bench/bench_suggest_window.py [--sides 512 2048] [--strokes 40] [--no-training]

For pictures of each side it measures from the moment in which the button comes up to the first frame that shows the new
suggestion; the same while a training runs; and from the key that turns to a picture that was never opened to its first
overlay. Prints a line per figure with its target, and the load of the machine, which the figures suffer from.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "window"))
sys.path.insert(0, str(Path(__file__).parent))

from bench_window import begin_training, first_after, tell, tell_load
from desktop import Desktop, wait_for
from project_window import SLOW, ProjectWindow

from sample_data import sample_path
from spml_core.annotations import Point
from spml_core.io.classes_json import read_classes
from spml_core.project import Project

CLASSES = 5
PICTURES = 5
TARGETS = {512: (80, 150), 2048: (250, 500)}
"""Milliseconds, median and 95 %, by the picture's side."""
FIRST_OVERLAY, WHILE_TRAINING = 1.0, 400
REST = 0.8
"""Seconds between two strokes."""
BUDGET = 900


def make_project(folder: Path, side: int) -> Path:
    """Photos of so many pixels a side, with a point of each class on the second: other pictures' marks count, too."""
    sample = sample_path("people")
    pictures = folder / f"pictures{side}"
    pictures.mkdir()
    for photo in sorted((sample / "images").iterdir())[:PICTURES]:
        Image.open(photo).resize((side, side), Image.Resampling.BICUBIC).save(pictures / f"{photo.stem}.png")
    path = folder / f"side{side}.spml"
    with Project.create(path, pictures, read_classes(sample / "classes.json")) as project:
        second, places = project.pictures[1], np.linspace(0.1, 0.9, CLASSES) * side
        project.add_marks({second.id: [Point(i, y, side / 2) for i, y in enumerate(places)]}, "points")
    return path


def strokes(count: int) -> list[list[tuple[float, float]]]:
    """Short strokes here and there in the middle of the canvas."""
    rng = np.random.default_rng(0)
    starts = rng.uniform((480, 250), (720, 500), (count, 2))
    return [[(x + 4 * i, y + 3 * i) for i in range(8)] for x, y in starts.tolist()]


def answers(desktop: Desktop, since: float) -> np.ndarray:
    """Milliseconds from the end of each stroke to its mark on the disk, its suggestion, and the first frame with it."""
    saved, suggested, frames = (desktop.moments(kind) for kind in ("saved", "suggestion", "frame"))
    waits = []
    for released in desktop.moments("release"):
        if released > since:
            found = first_after(suggested, released)
            moments = np.array([first_after(saved, released), found, first_after(frames, found)])
            waits.append((moments - released) * 1000)
    return np.array([wait for wait in waits if np.isfinite(wait).all()])


def draw(window: ProjectWindow, count: int) -> np.ndarray:
    """Draw strokes of the classes in turn, with a rest after each; how long each waited for its answer."""
    desktop, begin = window.desktop, time.monotonic()
    for number, places in enumerate(strokes(count)):
        desktop.key(str(number % CLASSES + 1))
        released = time.monotonic()
        desktop.drag(places)
        wait_for(
            lambda t=released: np.isfinite(first_after(desktop.moments("suggestion"), t)), "an answer", SLOW
        )
        time.sleep(REST)
    waits = answers(desktop, begin)
    print(f"   {len(waits)} of {count} strokes were answered")
    return waits


def tell_waits(what: str, waits: np.ndarray, targets: tuple[float | None, float | None]) -> None:
    tell(f"{what}, median", float(np.median(waits[:, 2])), targets[0])
    tell(f"{what}, 95 %", float(np.percentile(waits[:, 2], 95)), targets[1])
    saved, suggested = np.median(waits[:, 0]), np.median(waits[:, 1])
    print(
        f"   of it: mark on the disk after {saved:.0f} ms, suggestion in the window after {suggested:.0f} ms (medians)"
    )


def open_new_pictures(window: ProjectWindow, known: Path, side: int) -> None:
    """Turn to pictures of which nothing is known: the other pictures' marks give them an overlay."""
    desktop, waits = window.desktop, []
    for _ in range(PICTURES - 2):
        shutil.rmtree(known)  # what was computed while the pictures were ranked
        begin = time.monotonic()
        desktop.key("n")

        def overlay(since: float = begin) -> float:
            return first_after(desktop.moments("suggestion", "True"), since)

        wait_for(lambda: np.isfinite(overlay()), "the first overlay", SLOW)
        time.sleep(0.5)
        pressed = first_after(desktop.moments("key"), begin)
        waits.append(first_after(desktop.moments("frame"), overlay()) - pressed)
        time.sleep(2)
    target = FIRST_OVERLAY if side == 512 else None
    tell(f"first overlay on a picture never opened, {side}, longest", max(waits), target, "s")


def measure(folder: Path, side: int, count: int, training: bool) -> None:
    project = make_project(folder, side)
    with contextlib.ExitStack() as stack:
        desktop = Desktop(folder / f"desk{side}")
        stack.callback(desktop.close)
        desktop.remember(quick=BUDGET)
        window = ProjectWindow(desktop, project, True, "--stacks")
        wait_for(lambda: desktop.said_of("suggestion"), "the first suggestion", SLOW)
        known = project / "cache" / "suggest"
        wait_for(lambda: len(list(known.glob("*.npz"))) == PICTURES, "the ranking of the pictures", SLOW)
        time.sleep(3)
        open_new_pictures(window, known, side)
        desktop.key("s", *["shift+n"] * (PICTURES - 1))
        time.sleep(3)
        draw(window, CLASSES)  # one of each class, so that all take part
        targets = TARGETS.get(side, (None, None))
        tell_waits(f"mark drawn to overlay refreshed, {side}", draw(window, count), targets)
        if training:
            begin_training(window)
            time.sleep(3)
            waits = draw(window, count)
            target = WHILE_TRAINING if side == 512 else None
            tell_waits(f"   the same while it trains, {side}", waits, (None, target))
        process = [
            child for child in desktop.children() if child.nice() == 0 and child.memory_info().rss > 2e8
        ]
        tell(
            f"   memory of the suggesting process, {side}",
            max(p.memory_info().rss for p in process) / 1e6,
            None,
            "MB",
        )
        errors = [line for line in desktop.log_text().splitlines() if "Error" in line]
        if errors:
            print("\n".join(errors[:10]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--strokes", type=int, default=40)
    parser.add_argument("--no-training", action="store_true")
    arguments = parser.parse_args()
    tell_load()
    with tempfile.TemporaryDirectory() as folder:
        for side in arguments.sides:
            measure(Path(folder), side, arguments.strokes, not arguments.no_training)
    tell_load()


if __name__ == "__main__":
    main()
