#!/usr/bin/env python3
"""How the window feels: the real one, on a screen of its own, with real keys and a real mouse, while it trains.

    python tests/bench/bench_window.py [--sample people] [--seconds 20] [--stacks]

Prints a line per figure with its target, and the load of the machine, which the figures suffer from. Of the event
loop's gaps it prints besides how much of them the window computed itself: the rest it waited for a processor, or for
the software that stands in for a graphics card, which needs most of a frame's time. With --stacks also what the window
was doing in the longest gaps.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "window"))

from desktop import Desktop, wait_for
from project_window import SLOW, ProjectWindow

from spml_napari.samples import SAMPLES, make_sample_project

BUDGET = 900


def tell(what: str, value: float, target: float | None, unit: str = "ms") -> None:
    verdict = (
        "" if target is None else f"   target {target:g} {unit}  {'ok' if value <= target else 'MISSED'}"
    )
    print(f"{what:<58}{value:9.1f} {unit}{verdict}", flush=True)


def tell_load() -> None:
    one, five, _ = os.getloadavg()
    print(f"load {one:.1f} (5 min {five:.1f}) on {os.cpu_count()} processors", flush=True)


def circles(seconds: float, pause: float = 0.012) -> Iterator[list[tuple[float, float]]]:
    """Strokes for so many seconds: circles in the middle of the canvas, as a hurried hand draws them."""
    places = 40
    for number in range(max(1, round(seconds / (places * pause)))):
        turn = np.linspace(0, 2 * np.pi, places) + number
        radius = 40 + 10 * (number % 6)
        yield [(600 + radius * np.cos(t), 370 + radius * np.sin(t)) for t in turn]


def gaps_between(desktop: Desktop, begin: float, end: float) -> np.ndarray:
    """Gaps of the event loop and what it computed in them, (n, 2) seconds."""
    pairs = [
        [float(value) for value in pair.split("/")]
        for line in desktop.said()
        if line[0] == "gaps" and begin < float(line[1]) < end
        for pair in line[2].split(" ")
    ]
    return np.array(pairs).reshape(-1, 2)


def first_after(moments: list[float], moment: float) -> float:
    """The first of some moments after one; infinite if there is none."""
    return min((m for m in moments if m >= moment), default=float("inf"))


def after_each(desktop: Desktop, kind: str, then: str, words: str = "", since: float = 0) -> np.ndarray:
    """Milliseconds from each line of a kind to the first later one of another, where there is one."""
    ends = desktop.moments(then, words)
    waits = [first_after(ends, moment) - moment for moment in desktop.moments(kind) if moment > since]
    return np.array([wait * 1000 for wait in waits if np.isfinite(wait)])


def start(desktop: Desktop, project: Path, *options: str) -> ProjectWindow:
    begin = time.monotonic()
    window = ProjectWindow(desktop, project, True, *options)
    shown = wait_for(lambda: desktop.moments("shown"), "the picture", SLOW)[0]
    tell("from start to a usable window", shown - begin, 6, "s")
    assert desktop.program is not None
    computed = psutil.Process(desktop.program.pid).cpu_times()
    tell("   computed by the window until some time later", computed.user + computed.system, None, "s")
    return window


def turn_pictures(window: ProjectWindow) -> None:
    """To the next picture and back again: all were shown before."""
    desktop = window.desktop
    waits = []
    for name in ("n", "n", "n", "shift+n", "shift+n", "shift+n", "n", "shift+n"):
        begin = time.monotonic()
        desktop.key(name)
        wait_for(lambda b=begin: first_after(desktop.moments("shown"), b) < np.inf, "the picture", SLOW)
        time.sleep(1)
        pressed = first_after(desktop.moments("key"), begin)
        drawn = first_after(desktop.moments("frame"), first_after(desktop.moments("shown"), begin))
        waits.append((drawn - pressed) * 1000)
    tell("switch to a cached picture, median", float(np.median(waits[3:])), 300)
    tell("switch to a cached picture, longest", max(waits[3:]), None)


def draw(
    window: ProjectWindow, seconds: float, when: str, targets: tuple[float | None, float | None]
) -> float:
    """Draw for so long and tell of the event loop meanwhile; the moment of the beginning."""
    desktop = window.desktop
    begin = time.monotonic()
    desktop.hand(circles(seconds), pause=0.012).wait()
    end = time.monotonic()
    time.sleep(1)
    gaps = gaps_between(desktop, begin, end) * 1000
    tell(f"event loop gap, {when}, median", float(np.median(gaps[:, 0])), None)
    tell(f"event loop gap, {when}, 95 %", float(np.percentile(gaps[:, 0], 95)), targets[0])
    tell(f"event loop gap, {when}, longest", float(gaps[:, 0].max()), targets[1])
    tell("   computed by the window in a gap, 95 %", float(np.percentile(gaps[:, 1], 95)), None)
    tell("   computed by the window in a gap, longest", float(gaps[:, 1].max()), None)
    share = gaps[:, 1].sum() / gaps[:, 0].sum()
    frames = sum(begin < moment < end for moment in desktop.moments("frame"))
    rate = frames / (end - begin)
    print(f"   {len(gaps)} gaps, {rate:.0f} frames a second; the window computed {share:.0%} of the time")
    return begin


def draw_while_training(window: ProjectWindow, seconds: float) -> None:
    desktop = window.desktop
    begin = draw(window, seconds, "training and drawing", (50, 200))
    time.sleep(4)
    saved = after_each(desktop, "release", "saved", since=begin)
    tell("stroke end to mark on the disk, median", float(np.median(saved)), None)
    tell("stroke end to mark on the disk, longest", float(saved.max()), None)
    previews = [m for m in desktop.moments("overlay", "True") if m > begin]
    tell("between two previews, median", float(np.median(np.diff(previews))), 2, "s")
    overlay = after_each(desktop, "release", "overlay", "True", since=begin)
    tell("stroke end to the first refreshed overlay, median", float(np.median(overlay)) / 1000, None, "s")


def stop(window: ProjectWindow) -> None:
    desktop = window.desktop
    desktop.key("ctrl+period")
    window.wait_for_run("stopped")
    wait_for(lambda: desktop.moments("training", "idle"), "the end of training", SLOW)
    pressed = desktop.moments("training", "stopping")[-1]
    idle = first_after(desktop.moments("training", "idle"), pressed)
    last = max([m for m in desktop.moments("step") if m > pressed], default=pressed)
    tell("Stop to the last step", (last - pressed) * 1000, 500)
    tell("Stop to idle, its model saved", (idle - pressed) * 1000, None)


def begin_training(window: ProjectWindow) -> None:
    begin = time.monotonic()
    window.desktop.key("ctrl+Return")
    wait_for(lambda: first_after(window.desktop.moments("step"), begin) < np.inf, "the first step", SLOW)
    preview = first_after(window.desktop.moments("overlay", "True"), begin) - begin
    tell("Start to the first step", first_after(window.desktop.moments("step"), begin) - begin, None, "s")
    if np.isfinite(preview):
        tell("Start to the first overlay", preview, None, "s")


def close(window: ProjectWindow) -> None:
    desktop = window.desktop
    children = desktop.children()
    begin = time.monotonic()
    assert desktop.program is not None
    desktop.close_window(window.number)
    code = desktop.program.wait(SLOW)
    tell("closing while it trains", time.monotonic() - begin, 2, "s")
    _, alive = psutil.wait_procs(children, timeout=5)
    print(f"   exit code {code}, {len(alive)} of {len(children)} child processes left behind")


def tell_stacks(desktop: Desktop) -> None:
    """What the event loop was doing in its long gaps, most often first."""
    counts = Counter(" < ".join(words[0].split(" < ")[:7]) for words in desktop.said_of("stuck"))
    for place, count in counts.most_common(12):
        print(f"{count:5d}  {place}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", choices=SAMPLES, default="people")
    parser.add_argument("--seconds", type=float, default=20, help="of drawing while it trains")
    parser.add_argument("--stacks", action="store_true", help="tell what the window did in long gaps")
    parser.add_argument("--keep", type=Path, help="where to keep what the witness said")
    arguments = parser.parse_args()
    tell_load()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        project = make_sample_project(arguments.sample, Path(folder))
        desktop = Desktop(Path(folder) / "desk")
        stack.callback(desktop.close)
        desktop.remember(quick=BUDGET)
        window = start(desktop, project, "--stacks")
        turn_pictures(window)
        desktop.key("s", "2")
        draw(window, arguments.seconds / 2, "drawing alone", (None, None))
        begin_training(window)
        time.sleep(3)
        draw_while_training(window, arguments.seconds)
        stop(window)
        desktop.key("ctrl+Return")
        wait_for(lambda: desktop.moments("training", "training")[1:], "the second training", SLOW)
        time.sleep(2)
        close(window)
        if arguments.stacks:
            tell_stacks(desktop)
        if arguments.keep:
            arguments.keep.write_text("\n".join("\t".join(line) for line in desktop.said()))
        errors = [line for line in desktop.log_text().splitlines() if "Error" in line]
        print(
            "\n".join(errors[:10])
            if errors
            else "nothing was written to the terminal that looks like an error"
        )
    tell_load()


if __name__ == "__main__":
    main()
