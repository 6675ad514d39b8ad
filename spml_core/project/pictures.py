"""Which pictures a project has, and where they are now."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal, TypeAlias

from spml_core.errors import PictureError, ProjectError
from spml_core.images import (
    MOST_PIXELS,
    Folders,
    Picture,
    common_folder,
    content_hash,
    place_of,
    walk_pictures,
)
from spml_core.project.database import Database
from spml_core.spelling import is_file_part, is_writable

Progress: TypeAlias = Callable[[int, int], object]
"""Called with (done, total) after each picture and film."""

FIND_MOVED = (
    "Relink it with the folder that holds it now: spml relink PROJECT DIR,"
    ' or "Find moved pictures..." in the window.'
)
"""What to do about a picture or film that isn't where it was."""

_ROOTS = "picture_roots"
"""Key in ``meta``: JSON list of the folders, as paths are stored, that pictures were chosen by."""


_TURNED_TABLES: tuple[Literal["pictures", "films"], ...] = ("pictures", "films")


_LONGEST_NAME = 255
"""Bytes of a file's name; no system takes more."""


@dataclass(frozen=True)
class PictureRecord:
    """A still picture, or a frame of a film.

    Parameters
    ----------
    id : int
        Of a frame negative, and the same before and after its first mark.
    name : str
        The file's stem. Of a frame, the film's name followed by its stem in a sequence or its index in six digits.
    path : Path
        Absolute. Of a frame that has no file of its own, the film's.
    content_hash : str
        BLAKE2b of the file. Of a frame, made of the film's and the index.
    height, width : int
        In pixels.
    film : int, optional
        Id of the film that it is a frame of.
    frame : int, optional
        Its index in the film, from 0 on.
    as_stored : bool
        Whether the project knows it as it lies in the file, though PNG or TIFF may say how to turn it.
    """

    id: int
    name: str
    path: Path
    content_hash: str
    height: int
    width: int
    film: int | None = None
    frame: int | None = None
    as_stored: bool = False


@dataclass(frozen=True)
class CheckedPicture:
    """A picture that was decoded without complaint."""

    path: Path
    content_hash: str
    height: int
    width: int
    notes: tuple[str, ...] = ()


def check_pictures(paths: Iterable[Path], step: Callable[[], object] = lambda: None) -> list[CheckedPicture]:
    """Decode every picture once; ``step`` is called after each.

    Raises
    ------
    PictureError
        On the first that can't be decoded, or whose name can't be part of other files' names.
    """
    checked = []
    for path in paths:
        if not is_file_part(path.stem):
            raise PictureError(
                f"The name {path.stem!r} of {path.parent} can't name results.", "Rename the file."
            )
        picture = Picture(path)
        height, width, _ = picture.rgb().shape
        checked.append(CheckedPicture(place_of(path), content_hash(path), height, width, picture.notes))
        step()
    return checked


def insert_pictures(
    database: Database, base: Path, pictures: Sequence[CheckedPicture], root: Path | None
) -> None:
    """Add pictures, inside a transaction, with their paths relative to ``base``.

    ``root`` is the folder that they were chosen by: folders inside it tell them from pictures of the same names.
    """
    if pictures and root is not None:
        roots = [*_roots(database), stored_path(root, base)]
        database.set_meta(_ROOTS, json.dumps(list(dict.fromkeys(roots))))
    for picture in pictures:
        database.execute(
            "INSERT INTO pictures (name, path, content_hash, height, width) VALUES (?, ?, ?, ?, ?)",
            (
                picture.path.stem,
                stored_path(picture.path, base),
                picture.content_hash,
                picture.height,
                picture.width,
            ),
        )


def load_pictures(database: Database, base: Path) -> tuple[PictureRecord, ...]:
    """All still pictures, by name."""
    rows = database.rows(
        f"SELECT id, name, path, content_hash, height, width, {is_as_stored('pictures')}"
        " FROM pictures WHERE film IS NULL ORDER BY name, id"
    )
    for _, name, path, _, height, width, _ in rows:
        check_stored(database, "picture", name, path, height, width)
    return tuple(
        PictureRecord(
            number, name, absolute_path(path, base), digest, height, width, as_stored=bool(as_stored)
        )
        for number, name, path, digest, height, width, as_stored in rows
    )


def check_stored(
    database: Database, what: str, name: str, path: str, height: int, width: int, *, most: int = MOST_PIXELS
) -> None:
    """See that a picture or film is one that could have been added: project files come from others, too.

    Raises
    ------
    ProjectError
        If its name could lead out of a folder, its path is none, or it has more pixels than there may be.
    """
    remedy = "Restore the project from a copy."
    if not is_file_part(name):
        raise ProjectError(f"{database.path} is damaged: {name!r} is no name of a {what}.", remedy)
    if "\0" in path:
        raise ProjectError(f"{database.path} is damaged: {path!r} is no path of a {what}.", remedy)
    if height < 1 or width < 1 or height * width > most:
        raise ProjectError(
            f"{database.path} is damaged: the {what} {name!r} can't have {height} x {width} pixels.", remedy
        )


def is_as_stored(table: Literal["pictures", "films"]) -> str:
    """SQL for whether a picture, or film, was added when PNG and TIFF weren't turned upright yet.

    Marks lie on these as they are in the file. A project that keeps no word of it is of that time altogether.
    """
    return f"id <= IFNULL((SELECT CAST(value AS INTEGER) FROM meta WHERE key = '{table}_as_stored'), id)"


def keep_last_as_stored(database: Database) -> None:
    """Write down, before others are added, which pictures and films aren't turned upright; inside a transaction."""
    for table in _TURNED_TABLES:
        if database.meta(f"{table}_as_stored") is None:
            newest = database.value(f"SELECT MAX(id) FROM {table}")
            database.set_meta(f"{table}_as_stored", str(max(0, int(newest or 0))))


def load_folders(database: Database, base: Path, pictures: Iterable[PictureRecord]) -> Mapping[str, Folders]:
    """Return the folders of each picture inside the one that it was chosen by, by its name.

    Where that isn't known, in projects of older programs or after pictures were moved, they are counted from the
    folder that holds all such pictures.
    """
    roots = sorted((str(absolute_path(root, base)) for root in _roots(database)), key=len)
    by_folder: dict[Path, list[PictureRecord]] = {}
    for record in pictures:
        by_folder.setdefault(record.path.parent, []).append(record)
    root_of = {
        folder: next((Path(root) for root in roots if folder.is_relative_to(root)), None)
        for folder in by_folder
    }
    rest = common_folder(by_folder[folder][0].path for folder, root in root_of.items() if root is None)
    found: dict[str, Folders] = {}
    for folder, records in by_folder.items():
        root = root_of[folder] or rest
        if root is not None:
            folders = Folders.of_file(records[0].path, root)
            found.update((record.name, folders) for record in records)
    return found


def _roots(database: Database) -> list[str]:
    try:
        roots = json.loads(database.meta(_ROOTS) or "[]")
    except ValueError:
        return []
    return [root for root in roots if isinstance(root, str)] if isinstance(roots, list) else []


def new_pictures(known: Iterable[PictureRecord], paths: list[Path]) -> list[Path]:
    """Those of ``paths`` that aren't in the project yet.

    Raises
    ------
    ProjectError
        If another picture of the project has the name of a new one.
    """
    by_name = {record.name: record for record in known}
    fresh = []
    for path in paths:
        twin = by_name.get(path.stem)
        if twin is None:
            fresh.append(path)
        # Projects of older programs know a link by its target.
        elif twin.path not in (place_of(path), path.resolve()):
            raise ProjectError(
                f"The project already has a picture {path.stem!r}, {twin.path}; {path} has the same name.",
                f"Rename the new one; or, if it is the same and was moved: {FIND_MOVED}",
            )
    return fresh


def relink_pictures(database: Database, base: Path, folder: Path) -> int:
    """Find still pictures that aren't where they were, or were replaced, by their content; the number found.

    Where several files of a folder are the same, one with the picture's own name is taken before others.

    Raises
    ------
    PictureError
        If the folder isn't there.
    """
    candidates = walk_pictures(folder)
    missing = [record for record in load_pictures(database, base) if not is_original(record)]
    if not missing:
        return 0
    by_hash: dict[str, list[Path]] = {}
    for path in candidates:
        by_hash.setdefault(content_hash(path), []).append(path)
    found = 0
    with database.transaction():
        for record in missing:
            twins = by_hash.get(record.content_hash, [])
            if not twins:
                continue
            path = next((twin for twin in twins if twin.stem == record.name), twins[0])
            database.execute(
                "UPDATE pictures SET path = ? WHERE id = ?", (stored_path(place_of(path), base), record.id)
            )
            found += 1
    return found


def is_original(record: PictureRecord) -> bool:
    """Whether a still picture's file is there, and is the one that was added: marks belong to its pixels.

    Raises
    ------
    PictureError
        If it is there and can't be read.
    """
    return record.path.is_file() and content_hash(record.path) == record.content_hash


def accept_contents(database: Database, records: Iterable[PictureRecord]) -> None:
    """Take pictures whose files were changed as they are now.

    Raises
    ------
    ProjectError
        If one is gone or has another size, so that its marks no longer fit; nothing is changed.
    PictureError
        If one can't be read.
    """
    fresh = []
    for record in records:
        open_record(record)
        fresh.append((content_hash(record.path), record.id))
    with database.transaction():
        for content, number in fresh:
            database.execute("UPDATE pictures SET content_hash = ? WHERE id = ?", (content, number))


def open_record(record: PictureRecord) -> Picture:
    """Return the picture of a record.

    Raises
    ------
    ProjectError
        If the file is gone, or another of another size is in its place.
    PictureError
        If the file can't be read.
    """
    if not record.path.is_file():
        raise ProjectError(
            f"The picture {record.name!r} isn't at {record.path} any more.",
            FIND_MOVED,
        )
    picture = Picture(record.path, as_stored=record.as_stored)
    if picture.size != (record.height, record.width):
        raise ProjectError(
            f"The picture {record.path} is now {picture.size[0]} x {picture.size[1]} pixels;"
            f" the project knows it as {record.height} x {record.width}.",
            "Put the original back.",
        )
    return picture


def absolute_path(stored: str, base: Path) -> Path:
    """Where a stored path leads to.

    Raises
    ------
    ProjectError
        If it is no path: it holds a NUL, or a name longer than any file's.
    """
    path = Path(os.path.normpath(base / stored))
    if "\0" in stored or any(len(os.fsencode(name)) > _LONGEST_NAME for name in path.parts):
        raise ProjectError(
            f"The project is damaged: {stored[:60]!r} is no path.", "Restore the project from a copy."
        )
    return path


def stored_path(path: Path, base: Path) -> str:
    """Path relative to ``base`` with forward slashes; absolute where none leads there (another drive).

    Raises
    ------
    ProjectError
        If a name on the way isn't UTF-8: the database can't keep it.
    """
    try:
        relative = os.path.relpath(path, base)
    except ValueError:
        relative = str(path)
    if not is_writable(relative):
        raise ProjectError(f"The name {relative!r} isn't UTF-8.", "Rename the file or folder.")
    return PureWindowsPath(relative).as_posix() if os.name == "nt" else relative
