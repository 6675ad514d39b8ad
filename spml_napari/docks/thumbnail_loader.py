"""Thumbnails on their way from a thread to the screen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QImage, QPixmap

from spml_core.engine.background.work_failure import job_failure
from spml_napari.thumbnails import Thumbnail, ThumbnailSource, load_thumbnail

_AT_ONCE = 2
_WAITING = 60


@dataclass(frozen=True, eq=False)
class Shown:
    """A thumbnail to show: its pixmap (None without), and what is wrong with the picture ("" for nothing)."""

    pixmap: QPixmap | None
    problem: str = ""


class ThumbnailLoader(QObject):
    """Hands out thumbnails that are there, and fetches the others in the background, those asked for last first.

    Parameters
    ----------
    submit : callable
        ``submit(job, *arguments, done=..., failed=...)`` runs a job in a thread, and gives a Future.
    most : int
        So many thumbnails are kept in memory.
    """

    loaded = Signal(str)
    """A thumbnail is there; its content hash."""

    def __init__(
        self, submit: Callable[..., Future[Thumbnail]], most: int = 600, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._submit = submit
        self._most = most
        self._shown: OrderedDict[str, Shown] = OrderedDict()
        self._waiting: OrderedDict[str, ThumbnailSource] = OrderedDict()
        self._underway: dict[str, Future[Thumbnail]] = {}

    def get(self, source: ThumbnailSource) -> Shown | None:
        """Return the thumbnail; None if it isn't there yet: ``loaded`` will tell, unless newer wishes crowd it out."""
        key = source.content_hash
        if key in self._shown:
            self._shown.move_to_end(key)
            return self._shown[key]
        if key in self._underway and not self._underway[key].done():
            return None
        self._waiting[key] = source
        self._waiting.move_to_end(key)
        while len(self._waiting) > _WAITING:
            self._waiting.popitem(last=False)
        self._send()
        return None

    def forget(self, content_hash: str | None = None) -> None:
        """Make a thumbnail (None: all of them) anew when it is asked for next."""
        if content_hash is None:
            self._shown.clear()
            self._waiting.clear()
        else:
            self._shown.pop(content_hash, None)

    def _send(self) -> None:
        # Not only in _take: the answer of a job that was cancelled never comes.
        self._underway = {key: job for key, job in self._underway.items() if not job.done()}
        while self._waiting and len(self._underway) < _AT_ONCE:
            key, source = self._waiting.popitem()
            broken = partial(self._on_broken, key)
            self._underway[key] = self._submit(_load, source, done=self._take, failed=broken)

    def _on_broken(self, key: str, error: Exception) -> None:
        """What no reader foresaw is what is wrong with this picture; the next ones come all the same."""
        failed = job_failure(error)
        self._take((key, Thumbnail(None, f"{failed.error} {failed.remedy}")))

    def _take(self, answer: tuple[str, Thumbnail]) -> None:
        key, thumbnail = answer
        self._underway.pop(key, None)
        self._shown[key] = Shown(_pixmap(thumbnail.pixels), thumbnail.problem)
        while len(self._shown) > self._most:
            self._shown.popitem(last=False)
        self._send()
        self.loaded.emit(key)


def _load(source: ThumbnailSource) -> tuple[str, Thumbnail]:
    return source.content_hash, load_thumbnail(source)


def _pixmap(pixels: npt.NDArray[np.uint8] | None) -> QPixmap | None:
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    flat = np.ascontiguousarray(pixels)
    image = QImage(flat.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)
