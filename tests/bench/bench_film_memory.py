#!/usr/bin/env python3
"""Does memory stay bounded while a long film is propagated?

    python tests/bench/bench_film_memory.py SEQUENCE --tools TOOLS [--frames 10000] [--both-ends]

SEQUENCE is one of a set of sequences: DATASET/images/NAME. Its frames, played to and fro, become a video of as many
frames as asked for, with one stroke a class on the first one (and with ``--both-ends`` on the last one, so that every
frame is passed twice). A child process propagates them. Prints a JSON line: the child's resident memory in MiB after
100 frames, at the end and at the most, and how much it grew from the first of these.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from black_box import scratch
from films import Sequence, draw_strokes, film_project

SETTLED = 100  # frames after which nothing but caches with a bound may grow


def there_and_back(count: int, total: int) -> list[int]:
    """``total`` indices below ``count``, each next to the one before."""
    turn = [*range(count), *range(count - 2, 0, -1)]
    return [turn[index % len(turn)] for index in range(total)]


def write_video(path: Path, sequence: Sequence, order: list[int]) -> None:
    """Write frames of a sequence as MPEG-4, which unlike H.264 may have an odd width."""
    import av

    frames = sequence.frames()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"qmin": "3", "qmax": "3"}
        for index in order:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frames[index], "rgb24")))
        container.mux(stream.encode())


def propagate(path: Path) -> dict[str, float]:
    """Propagate the film of a project in this process; gives what it took."""
    import psutil

    from spml_core.engine.propagate import propagate_film
    from spml_core.engine.propagation_events import FrameDone
    from spml_core.project import Project

    process = psutil.Process()
    began = time.perf_counter()
    with Project.open(path) as project:
        sizes = [
            process.memory_info().rss / 2**20
            for event in propagate_film(project, project.films[0], device="cpu")
            if isinstance(event, FrameDone)
        ]
    later = sizes[min(SETTLED, len(sizes)) - 1 :]
    settled, most = later[0], max(later)
    return {
        "results": len(sizes),
        "seconds": round(time.perf_counter() - began, 1),
        "settled_mib": round(settled, 1),
        "end_mib": round(sizes[-1], 1),
        "most_mib": round(most, 1),
        "growth_mib": round(most - settled, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sequence", type=Path)
    parser.add_argument("--tools", type=Path, help="folder with make_weak.py")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--both-ends", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--child", action="store_true", help=argparse.SUPPRESS
    )  # then SEQUENCE is the project
    options = parser.parse_args()
    if options.child:
        print(json.dumps(propagate(options.sequence)))
        return
    if options.tools is None:
        parser.error("--tools is needed")
    sequence = Sequence(options.sequence.resolve().parents[1], options.sequence.name)
    with scratch() as work:
        order = there_and_back(len(sequence.paths), options.frames)
        write_video(work / "long.mp4", sequence, order)
        marked = {0, options.frames - 1} if options.both_ends else {0}
        truths = {f"long_{index:06d}": sequence.truth(order[index]) for index in sorted(marked)}
        strokes = draw_strokes(options.tools, truths, work / "marks", options.seed)
        with film_project(work / "p.spml", work / "long.mp4", strokes) as (_, film):
            size = [film.count, film.height, film.width]
        words = [sys.executable, __file__, work / "p.spml", "--child"]
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.returncode)
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps({"benchmark": "film memory", "frames_height_width": size, **found}))


if __name__ == "__main__":
    main()
