"""``spml propagate``: marks on a few frames of a film, every frame labelled."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spml_core.cli.failures import guarded
from spml_core.cli.interrupt import stop_on_interrupt
from spml_core.cli.options import Json, ProjectPath
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar
from spml_core.wording import counted

if TYPE_CHECKING:
    from spml_core.engine.propagation_events import Propagated, PropagationEvent
    from spml_core.project import FilmRecord, Project


@guarded
def propagate(
    project: ProjectPath,
    film: Annotated[
        str,
        typer.Argument(
            metavar="FILM",
            help="Name of one of its films, or path of any; one that is new is added to the project.",
            show_default=False,
        ),
    ],
    range_: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="A:B",
            help="Frames A to B, counted from 0, B not included, as in Python; A: and :B work, too. The whole film"
            " unless given.",
            show_default=False,
        ),
    ] = None,
    direction: Annotated[
        str, typer.Option(metavar="NAME", help="both, or only forward or backward from the marked frames.")
    ] = "both",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write an index PNG for each frame of the range, named after its file or FILM_000012.",
            show_default=False,
        ),
    ] = None,
    flow: Annotated[str, typer.Option(metavar="NAME", help="dis, deepflow, raft or identity.")] = "dis",
    around: Annotated[
        int | None,
        typer.Option(metavar="N", help="Begin near this frame.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    json: Json = False,
) -> None:
    """Label the frames of a film from those that are marked.

    What was computed from the same marks before isn't computed again. Ctrl-C once stops after this frame; all is kept,
    and the same command goes on.
    """
    first, last = _parse_range(range_)

    from spml_core.engine.kept_files import kept_files
    from spml_core.engine.propagate import propagate_film
    from spml_core.io.outputs import check_label_files, check_output_folder

    output = Output(json)
    if out is not None:  # what needs no project comes before a new film is added to it
        check_output_folder(out)
    opened, record = _open(project, film)
    with opened, ProgressBar() as bar:
        if out is not None:
            check_output_folder(out, kept_files(opened, beside_films=True))
            names = _names(opened, record)
            check_label_files((out / f"{name}.png" for name in names), len(opened.classes))

        def tell() -> None:
            bar.say("Stopping after this frame; all is kept. Ctrl-C again to stop at once.")

        with stop_on_interrupt(tell) as should_stop:
            events = propagate_film(
                opened,
                record,
                first=first,
                last=_last(last, record),
                direction=direction,
                flow=flow,
                device=device,
                around=around,
                should_stop=should_stop,
            )
            with closing(events):
                end = follow(events, output, bar)
        written = 0 if out is None else _write(opened, record, end, out)
    confidence = "" if end.mean_confidence is None else f", {end.mean_confidence:.0%} sure"
    where = "" if out is None else f" Wrote {written} index PNGs to {out}."
    worst = "" if end.worst_frame is None else f" A mark on frame {end.worst_frame} helps most."
    verb = "Stopped after" if end.stopped else "Propagated to"
    advice = " The same command goes on." if end.stopped else ""
    output.summary(
        f"{verb} {counted(end.computed, 'frame')} in {end.seconds:.0f} s{confidence}.{where}{worst}{advice}",
        film=record.name,
        frames=end.frames,
        computed=end.computed,
        seconds=end.seconds,
        fps=end.computed / end.seconds if end.computed and end.seconds else None,
        mean_confidence=end.mean_confidence,
        worst_frame=end.worst_frame,
        stopped=end.stopped,
        out=None if out is None else str(out),
        written=written,
    )


def follow(events: Iterable[PropagationEvent], output: Output, bar: ProgressBar) -> Propagated:
    """Show events until the last one, which is returned."""
    from spml_core.engine.propagation_events import FrameDone, Propagated, Warned

    for event in events:
        output.event(event.to_dict())
        if isinstance(event, FrameDone):
            done = round(event.share * event.total)
            note = f"frame {event.index}, {event.confidence:.0%} sure"
            bar.update("Propagating", done, event.total, note=note, seconds_left=event.seconds_left)
        elif isinstance(event, Warned):
            bar.say(f"spml: {event.message}")
        elif isinstance(event, Propagated):
            return event
    raise AssertionError("a propagation without an end")


def _open(path: Path, film: str) -> tuple[Project, FilmRecord]:
    """The project and its film; only to add a new film it is opened for writing."""
    from spml_core.errors import ProjectError
    from spml_core.project import Project

    project = Project.open(path, write=False)
    try:
        return project, project.film(film)
    except ProjectError:
        project.close()
        if not Path(film).exists():
            raise
    with Project.open(path) as writable:
        name = writable.add_film(Path(film)).name
    project = Project.open(path, write=False)
    return project, project.film(name)


def _parse_range(text: str | None) -> tuple[int | None, int | None]:
    """First frame, and the one behind the last, of ``A:B``; None where it stands open."""
    from spml_core.errors import ConfigError

    if text is None:
        return None, None
    start, colon, stop = (part.strip() for part in text.partition(":"))
    if not colon or not all(part == "" or part.isdecimal() for part in (start, stop)):
        raise ConfigError(
            f"{text!r} is no range of frames.",
            "Write A:B, A: or :B with whole numbers from 0, B not included.",
        )
    first, behind = (int(part) if part else None for part in (start, stop))
    if behind is not None and behind <= (first or 0):
        raise ConfigError(f"The range {text} holds no frame: B isn't included.", "Give an A below B.")
    return first, behind


def _last(behind: int | None, film: FilmRecord) -> int | None:
    from spml_core.errors import ConfigError

    if behind is not None and behind > film.count:
        raise ConfigError(
            f"The range up to {behind} goes beyond the film {film.name!r}.",
            f"It has {counted(film.count, 'frame')}: write {film.count} at most.",
        )
    return None if behind is None else behind - 1


def _write(project: Project, film: FilmRecord, end: Propagated, out: Path) -> int:
    """Write the labels of the range's frames; how many have some."""
    from spml_core.engine.film_results import FilmResults
    from spml_core.io import storage_errors, write_index_png
    from spml_core.io.temporary import clear_leftovers

    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    clear_leftovers(out)
    names = _names(project, film)
    written = 0
    with FilmResults.of(project, film) as results:
        for index in range(end.first, end.last + 1):
            labels = results.labels(index)
            if labels is not None:
                write_index_png(out / f"{names[index]}.png", labels, project.classes, colored=False)
                written += 1
    return written


def _names(project: Project, film: FilmRecord) -> list[str]:
    """What the labels of each frame are called."""
    pixels = project.open_film(film)
    return [pixels.stem(index) or project.frame(film, index).name for index in range(film.count)]
