"""The projects that were open lately, in a small file of the program's own. No Qt."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spml_core.engine.state_folder import state_folder
from spml_core.errors import StorageError
from spml_core.images import PROJECT_DATABASE
from spml_core.io import write_atomic
from spml_core.project import Project
from spml_napari.thumbnails import ThumbnailSource, thumbnail_source

_KEPT = 50


@dataclass(frozen=True)
class RecentProject:
    """A project as it was when it was open last.

    Attributes
    ----------
    path : Path
        Its folder, absolute.
    pictures : int
        How many it had.
    first : ThumbnailSource or None
        Its first picture, or first film if it has no pictures.
    films : int
        How many films it had.
    frames : int
        How many frames they had together.
    """

    path: Path
    pictures: int
    first: ThumbnailSource | None = None
    films: int = 0
    frames: int = 0

    @property
    def name(self) -> str:
        """What to call it."""
        return self.path.stem

    def is_there(self) -> bool:
        """Whether the project is still at its place. May wait for a slow disk."""
        return os.path.isfile(self.path / PROJECT_DATABASE)  # noqa: PTH113 (is_file raises without access)


class RecentProjects:
    """The list on the disk, newest first. A damaged or unwritable file is no reason to stop: the list is then empty.

    Parameters
    ----------
    file : Path, optional
        Where it is kept; by default ``recent.json`` in the program's own folder.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file if file is not None else state_folder() / "recent.json"

    def entries(self, most: int = _KEPT) -> tuple[RecentProject, ...]:
        """Return up to ``most`` projects."""
        try:
            rows = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return ()
        read = [_from_json(row) for row in rows] if isinstance(rows, list) else []
        return tuple(entry for entry in read if entry is not None)[:most]

    def remember(self, project: Project) -> None:
        """Put a project first."""
        shown = next(iter(project.pictures), None) or next(iter(project.films), None)
        first = None if shown is None else thumbnail_source(project, shown)
        entry = RecentProject(
            project.path,
            len(project.pictures),
            first,
            len(project.films),
            sum(film.count for film in project.films),
        )
        self._write([entry, *(other for other in self.entries() if other.path != entry.path)])

    def forget(self, path: Path) -> None:
        """Take a project off the list; the project itself stays."""
        self._write(entry for entry in self.entries() if entry.path != path)

    def _write(self, entries: Iterable[RecentProject]) -> None:
        rows = [_to_json(entry) for entry in entries][:_KEPT]
        with contextlib.suppress(StorageError):
            write_atomic(self._file, (json.dumps(rows, indent=1) + "\n").encode())


def _to_json(entry: RecentProject) -> dict[str, Any]:
    row: dict[str, Any] = {"path": str(entry.path), "pictures": entry.pictures}
    if entry.films:
        row |= {"films": entry.films, "frames": entry.frames}
    if entry.first is not None:
        row["first"] = {"path": str(entry.first.path), "content_hash": entry.first.content_hash}
        if entry.first.is_film:
            row["first"]["is_film"] = True
    return row


def _from_json(row: Any) -> RecentProject | None:
    """Return the entry, or None for what isn't one: the file may come from another version."""
    match row:
        case {"path": str(path), "pictures": int(pictures)} if Path(path).is_absolute():
            pass
        case _:
            return None
    first = None
    match row.get("first"):
        case {"path": str(picture), "content_hash": str(digest)} if digest.isalnum():
            is_film = row["first"].get("is_film") is True
            first = ThumbnailSource(Path(picture), digest, Path(path) / "cache" / "thumbnails", is_film)
    films, frames = (count if isinstance(count := row.get(of), int) else 0 for of in ("films", "frames"))
    return RecentProject(Path(path), pictures, first, films, frames)
