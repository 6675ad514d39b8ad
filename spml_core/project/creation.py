"""A new project: built beside its place under another name, then moved there whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import ProjectError
from spml_core.images import PROJECT_DATABASE
from spml_core.io import storage_errors
from spml_core.io.atomic import keep_name
from spml_core.io.outputs import check_output_folder
from spml_core.project.checking import Checked, check
from spml_core.project.choosing import Images, choose
from spml_core.project.class_table import insert_classes
from spml_core.project.database import Database
from spml_core.project.films import check_names, insert_films
from spml_core.project.lock import WriterLock
from spml_core.project.pictures import Progress, insert_pictures, keep_last_as_stored

FOLDERS = ("runs", "predictions", "cache")


def create_project(
    path: Path,
    images: Images,
    classes: ClassTable,
    progress: Progress | None = None,
    films: Iterable[str | os.PathLike[str]] = (),
) -> tuple[str, ...]:
    """Make a project folder, or nothing at all; what a user should know of it. See ``Project.create``."""
    if not path.parent.is_dir():
        raise ProjectError(f"There is no folder {path.parent} to make a project in.", "Create it first.")
    _refuse_existing(path)
    check_output_folder(path)
    checked = check(choose(images, films), progress)
    check_names(checked.stems, checked.frame_names)
    _sweep(path)
    with storage_errors(path):
        building = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path)))
        try:
            building.chmod(0o755)
            _build(building, path.parent, checked, classes)
            # Looked at again: decoding took a while. An empty folder would be replaced without a word.
            _refuse_existing(path)
            building.rename(path)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        keep_name(path)
    return checked.warnings


def _build(building: Path, base: Path, checked: Checked, classes: ClassTable) -> None:
    lock = WriterLock(building)
    try:
        for name in FOLDERS:
            (building / name).mkdir()
        database = Database(building / PROJECT_DATABASE, write=True, create=True)
        with contextlib.closing(database), database.transaction():
            keep_last_as_stored(database)
            insert_classes(database, classes)
            insert_pictures(database, base, checked.pictures, checked.root)
            insert_films(database, base, checked.films)
    finally:
        lock.release()  # and the database is closed: Windows moves no folder with open files


def _sweep(path: Path) -> None:
    """Clear away what killed attempts left behind: a build that nobody holds the lock of is dead."""
    for leftover in path.parent.glob(f"{_glob_escaped(_prefix(path))}*"):
        try:
            lock = WriterLock(leftover)
        except ProjectError:
            continue
        lock.release()
        shutil.rmtree(leftover, ignore_errors=True)


def _prefix(path: Path) -> str:
    return f".{path.name}.new-"


def _glob_escaped(text: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ProjectError(f"{path} exists already.", "Choose another name, or remove it first.")
