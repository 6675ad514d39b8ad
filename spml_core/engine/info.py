"""A project in figures."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from spml_core.errors import ProjectError, SpmlError
from spml_core.project import SCHEMA_VERSION, Project, Run
from spml_core.project.checking import note_lines

_MAY_HOLD_MORE = (".tif", ".tiff", ".gif", ".webp")


def describe(project: Project) -> dict[str, Any]:
    """Return what a project holds, as plain JSON values.

    Returns
    -------
    dict
        ``project`` (path), ``format`` (version), ``pictures``, ``missing`` (pictures and films that aren't where
        they were), ``marked`` (pictures with a mark), ``films`` (``name``, ``path``, ``kind``, number of
        ``frames``, ``height``, ``width``, ``frame_rate`` or None, and indices of the ``marked`` frames of each),
        ``classes`` (``name`` and number of ``marks`` of each),
        ``runs`` (``id``, ``created``, ``state`` and ``preset`` of each, oldest first), ``current_run`` (id or
        None) and ``bytes`` on disk, pictures not included; and, where something of pictures, stacks or arrays isn't
        shown, ``notes`` (sentences).
    """
    counts = project.mark_counts()
    notes = _notes(project)
    current = project.current_run()
    return {
        "project": str(project.path),
        "format": SCHEMA_VERSION,
        "pictures": len(project.pictures),
        "missing": [
            *(record.name for record in project.pictures if not record.path.is_file()),
            *(film.name for film in project.films if not film.path.exists()),
        ],
        "marked": sum(record.film is None for record in project.marked_pictures()),
        "films": [
            {
                "name": film.name,
                "path": str(film.path),
                "kind": film.kind,
                "frames": film.count,
                "height": film.height,
                "width": film.width,
                "frame_rate": film.frame_rate,
                "marked": list(project.marked_frames(film)),
            }
            for film in project.films
        ],
        "classes": [
            {"name": name, "marks": count} for name, count in zip(project.classes.names, counts, strict=True)
        ],
        "runs": [
            {
                "id": run.id,
                "created": run.created,
                "state": run.state,
                "preset": _preset(run),
            }
            for run in project.runs()
        ],
        "current_run": None if current is None else current.id,
        "bytes": _size(project.path),
        **({"notes": notes} if notes else {}),
    }


def _notes(project: Project) -> list[str]:
    """What of pictures and films isn't shown; of those that can't be read there is none."""
    noted: list[tuple[Path, str]] = []
    for record in project.pictures:
        # Others show all they hold.
        if record.path.suffix.lower() in _MAY_HOLD_MORE:
            with contextlib.suppress(SpmlError):
                noted += [(record.path, note) for note in project.open_picture(record).notes]
    lines = list(note_lines(noted))
    for film in project.films:
        if film.kind in ("stack", "array"):
            with contextlib.suppress(SpmlError):
                lines += project.open_film(film).warnings
    return lines


def _preset(run: Run) -> str | None:
    try:
        preset = run.config.get("preset")
    except ProjectError:  # a damaged run is no reason to say nothing of the others
        return None
    return None if preset is None else str(preset)


def _size(folder: Path) -> int:
    # A file may go while we look: the write-ahead log, a temporary one.
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total
