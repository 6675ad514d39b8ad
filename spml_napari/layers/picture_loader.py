"""Pictures decoded off the GUI thread, a few of them kept, and the neighbours decoded ahead."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from qtpy.QtCore import QObject, Signal

from spml_core.errors import SpmlError, StorageError
from spml_core.project import PictureRecord, Project
from spml_napari.layers.kept_pictures import KeptPictures
from spml_napari.layers.pyramid import build_levels, is_large, levels_in_memory, open_levels, quick_version
from spml_napari.layers.shown_picture import ShownPicture

T = TypeVar("T")


class Jobs(Protocol):
    """Where jobs run, as :class:`spml_napari.workers.Executor` does: the callbacks come in the GUI thread."""

    def submit(
        self,
        job: Callable[..., T],
        *arguments: Any,
        done: Callable[[T], object] | None = None,
        failed: Callable[[Exception], object] | None = None,
    ) -> Future[T]:
        """Run ``job(*arguments)``, then one of the callbacks."""


Key: TypeAlias = tuple[int, str]

Answer: TypeAlias = tuple[PictureRecord, ShownPicture | Exception | None]
"""None: given up half-way, as another picture was wanted meanwhile."""


class PictureLoader(QObject):
    """Brings pictures, the wanted one first; answers that came too late are kept but not shown.

    Parameters
    ----------
    jobs : Jobs
        Where decoding runs.
    parent : QObject, optional
    """

    arrived = Signal(object)
    """The wanted :class:`ShownPicture`: first a quick version of a large one, then the final one."""
    failed = Signal(object)
    """The wanted picture can't be shown: an exception."""

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._kept: KeptPictures[Key] = KeptPictures()
        self._running: dict[Key, Future[Any]] = {}
        self._wanted: Key | None = None

    def want(self, project: Project | None, record: PictureRecord | None) -> None:
        """Show this picture from now on: at once if it is kept, else as soon as it is decoded."""
        self._wanted = None if record is None else _key(record)
        for key in [key for key in self._running if key != self._wanted]:
            if self._running[key].cancel():
                del self._running[key]
        if project is None or record is None:
            return
        kept = self._kept.get(_key(record))
        if kept is not None:
            self.arrived.emit(kept)
        else:
            self._load(project, record)

    def prefetch(self, project: Project, records: Iterable[PictureRecord]) -> None:
        """Decode these too; large ones aren't: they show a quick version soon enough when it is their turn."""
        for record in records:
            if not self.is_kept(record) and not is_large(record.height, record.width):
                self._load(project, record)

    def forget(self) -> None:
        """Drop all that is kept and wanted."""
        self.want(None, None)
        self._kept.clear()

    def is_kept(self, record: PictureRecord) -> bool:
        """Whether a picture could be shown at once."""
        return _key(record) in self._kept

    def _load(self, project: Project, record: PictureRecord) -> None:
        if _key(record) in self._running:
            return
        job: Future[Any]
        if is_large(record.height, record.width):
            broken = partial(self._on_quick_broken, project, record)
            job = self._jobs.submit(_decode_quickly, project, record, done=self._on_quick, failed=broken)
        else:
            broken = partial(self._on_broken, record)
            job = self._jobs.submit(_decode, project, record, done=self._on_done, failed=broken)
        self._running[_key(record)] = job

    def _on_quick(self, answer: tuple[Project, PictureRecord, ShownPicture | None]) -> None:
        project, record, picture = answer
        self._running.pop(_key(record), None)
        if not self._is_wanted(record):
            return
        is_wanted, broken = partial(self._is_wanted, record), partial(self._on_broken, record)
        self._running[_key(record)] = self._jobs.submit(
            _decode_levels, project, record, is_wanted, done=self._on_done, failed=broken
        )
        if picture is not None:
            self.arrived.emit(picture)

    def _on_done(self, answer: Answer) -> None:
        record, result = answer
        self._running.pop(_key(record), None)
        if isinstance(result, ShownPicture):
            self._kept.keep(_key(record), result, self._wanted)
        if not self._is_wanted(record):
            return
        if isinstance(result, ShownPicture):
            self.arrived.emit(result)
        elif result is not None:
            self.failed.emit(result)

    def _on_quick_broken(self, project: Project, record: PictureRecord, _: Exception) -> None:
        """Reading all of it will tell."""
        self._on_quick((project, record, None))

    def _on_broken(self, record: PictureRecord, error: Exception) -> None:
        """What no reader foresaw is told as well, and the picture may be asked for again."""
        self._on_done((record, error))

    def _is_wanted(self, record: PictureRecord) -> bool:
        return _key(record) == self._wanted


def _key(record: PictureRecord) -> Key:
    """Pictures of the same content are still two; one whose file was replaced isn't what it was."""
    return record.id, record.content_hash


def _decode(project: Project, record: PictureRecord) -> Answer:
    try:
        return record, ShownPicture(record, (project.open_picture(record).rgb(),))
    except SpmlError as error:
        return record, error


def _decode_quickly(
    project: Project, record: PictureRecord
) -> tuple[Project, PictureRecord, ShownPicture | None]:
    shown = None
    with contextlib.suppress(SpmlError):  # reading all of it will tell
        picture = project.open_picture(record)
        if open_levels(_folder_of(project, record), picture) is None:
            pixels = quick_version(picture)
            shown = None if pixels is None else ShownPicture(record, (pixels,), is_final=False)
    return project, record, shown


def _decode_levels(project: Project, record: PictureRecord, is_wanted: Callable[[], bool]) -> Answer:
    folder = _folder_of(project, record)
    try:
        picture = project.open_picture(record)
        try:
            levels = open_levels(folder, picture) or build_levels(folder, picture, is_wanted)
        except StorageError:  # a full disk, or a project that can't be written to
            levels = levels_in_memory(picture)
    except SpmlError as error:
        return record, error
    return record, None if levels is None else ShownPicture(record, tuple(levels))


def _folder_of(project: Project, record: PictureRecord) -> Path:
    return project.cache_folder / "pyramids" / record.content_hash
