"""What every export format of a film does."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE, ClassTable
from spml_core.io.atomic import keep_name, storage_errors
from spml_core.io.exports.exporter import ExportOptions, Writer, make_output_folder
from spml_core.io.temporary import temporary_file

NO_LABEL = IGNORE
"""What stands in the files where there is no class: the same as in exports of pictures."""


@dataclass(frozen=True, eq=False)
class FilmHead:
    """What the formats ask of a film as a whole.

    Attributes
    ----------
    name : str
        Stem of the files that hold all frames.
    size : tuple of int
        Height and width in pixels.
    times : ndarray, (count,) float64
        When each frame is shown, in seconds from the first; strictly ascending.
    frame_rate : float or None
        Mean frames a second; None where nobody knows how time runs.
    variable_rate : bool
        Whether the steps between the times differ.
    """

    name: str
    size: tuple[int, int]
    times: NDArray[np.float64]
    frame_rate: float | None
    variable_rate: bool = False

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.times)


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame and its finished labels.

    Attributes
    ----------
    index : int
        From 0.
    name : str
        Stem of files that hold this frame alone.
    file_name : str
        Name of the file that holds its picture, or would.
    labels : ndarray, (H, W) uint8, or None
        Classes 0..K-1; 255 (IGNORE) where there is none. None: the frame has no labels.
    read_rgb : callable
        Gives its pixels: (H, W, 3) uint8.
    """

    index: int
    name: str
    file_name: str
    labels: NDArray[np.uint8] | None
    read_rgb: Callable[[], NDArray[np.uint8]]


class FilmExporter(Writer, ABC):
    """Writes the frames of a film in one format.

    A file is there whole or not at all. What speaks of all frames is put in place by :meth:`finish`: without it, as
    after an error or a cancellation, it isn't there.

    Parameters
    ----------
    out : Path
        Folder; made, with its parents, if need be.
    classes : ClassTable
    options : ExportOptions
    film : FilmHead

    Raises
    ------
    StorageError
        From here and every method, if the disk is full or the folder can't be written.
    """

    takes_all_frames: ClassVar[bool] = True
    """Whether frames without labels are given too."""

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions, film: FilmHead) -> None:
        self.out = out
        self.classes = classes
        self.options = options
        self.film = film
        make_output_folder(out)

    @property
    def needs_pictures(self) -> bool:
        """Whether ``read_rgb`` of every frame will be called."""
        return False

    @abstractmethod
    def add(self, frame: LabelledFrame) -> Path:
        """Write the next frame; its file, or the one that will hold it. Frames come in order."""


class PendingFile:
    """A file that is written over many calls, and gets its name only when it is whole.

    Parameters
    ----------
    path : Path
        The name; what is there is replaced by :meth:`keep`.

    Attributes
    ----------
    file : binary file
        Beside ``path``, open for writing and reading.

    Raises
    ------
    StorageError
        From here and :meth:`keep`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with storage_errors(path):
            descriptor, temporary = temporary_file(path)
        os.close(descriptor)  # opened anew by its name, which tifffile asks the file for
        self._temporary: Path | None = temporary
        self.file: IO[bytes] = temporary.open("w+b")

    def keep(self) -> None:
        """Bring the bytes to the disk and give them their name."""
        assert self._temporary is not None
        with storage_errors(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            self._temporary.chmod(0o644)  # mkstemp's own permissions are for secrets
            self._temporary.replace(self.path)
            self._temporary = None
            keep_name(self.path)

    def drop(self) -> None:
        """Remove what was written, unless it was kept. More than once does no harm."""
        with contextlib.suppress(OSError):  # a full disk at the last flush is no loss any more
            self.file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
            self._temporary = None


def filled(frame: LabelledFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A frame's labels, or nothing but ``NO_LABEL``: (H, W) uint8."""
    return np.full(size, NO_LABEL, np.uint8) if frame.labels is None else frame.labels
