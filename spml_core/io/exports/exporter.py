"""What every export format does, and what a user may choose."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import ClassTable
from spml_core.errors import ClassError, ConfigError
from spml_core.io.atomic import storage_errors
from spml_core.io.temporary import clear_leftovers

Palette = Literal["voc", "project"]
Masks = Literal["auto", "polygons", "rle"]
OverlayFile = Literal["png", "jpg"]


@dataclass(frozen=True)
class ExportOptions:
    """Choices of a user; each matters to some formats only.

    Attributes
    ----------
    palette : {"voc", "project"}
        Colours of index PNGs: PASCAL VOC's, which many programs expect, or the project's.
    background : int or None
        Class that is no object: it gets no instances and no tint. None: the class called "background", in
        upper or lower case; if there is none every class counts.
    min_area : int
        Instances with fewer pixels are left out.
    masks : {"auto", "polygons", "rle"}
        Of COCO instances. Polygons can't hold holes: "auto" writes instances with holes as run lengths, "polygons" cuts
        them open to the nearest outline, "rle" writes all as run lengths.
    copy_images : bool or None
        Whether COCO and YOLO exports get copies of the pictures. None: YOLO does, which can't be trained on without.
    opacity : float
        Of the classes in overlays, 0..1.
    overlay_file : {"png", "jpg"}
    frame_rate : float
        Frames a second of videos of films that don't know any, as folders of pictures.

    Raises
    ------
    ConfigError
        If one isn't among its values.
    """

    palette: Palette = "voc"
    background: int | None = None
    min_area: int = 1
    masks: Masks = "auto"
    copy_images: bool | None = None
    opacity: float = 0.4
    overlay_file: OverlayFile = "png"
    frame_rate: float = 10.0

    def __post_init__(self) -> None:
        for name, known in (("palette", Palette), ("masks", Masks), ("overlay_file", OverlayFile)):
            value = getattr(self, name)
            if value not in get_args(known):
                raise ConfigError(
                    f"{name} can't be {value!r}.", f"It is one of {', '.join(get_args(known))}."
                )
        if self.min_area < 1:
            raise ConfigError(f"min_area is {self.min_area}.", "Give at least 1 pixel.")
        if not 0.01 <= self.frame_rate <= 1000:
            raise ConfigError(f"frame_rate is {self.frame_rate}.", "Give 0.01 to 1000 frames a second.")
        if not 0 <= self.opacity <= 1:
            raise ConfigError(f"opacity is {self.opacity}.", "Give a number from 0 to 1.")

    def object_classes(self, classes: ClassTable) -> tuple[int, ...]:
        """Codes of all classes but the background.

        Raises
        ------
        ClassError
            If the background isn't a class of the table, or is the only one.
        """
        background = self.background
        if background is None:
            names = [name.strip().lower() for name in classes.names]
            background = names.index("background") if "background" in names else None
        elif not 0 <= background < len(classes):
            raise ClassError(f"There is no class {background}.", f"Classes go from 0 to {len(classes) - 1}.")
        objects = tuple(code for code in range(len(classes)) if code != background)
        if not objects:
            raise ClassError("The only class is the background.", "Add a class.")
        return objects


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A picture and its finished labels.

    Attributes
    ----------
    name : str
        Stem of the files that are written.
    path : Path
        The picture's file.
    file_name : str
        The same below the folder that holds all pictures, with forward slashes.
    labels : ndarray, (H, W) uint8
        Classes 0..K-1; 255 (IGNORE) where there is none.
    read_rgb : callable
        Reads its pixels: (H, W, 3) uint8.
    """

    name: str
    path: Path
    file_name: str
    labels: NDArray[np.uint8]
    read_rgb: Callable[[], NDArray[np.uint8]]


class Writer:
    """What writes file after file. Use in a ``with`` statement."""

    def finish(self) -> None:
        """Write what speaks of all that was added; most formats need no end."""

    def close(self) -> None:
        """Let go of what is held, and remove what isn't whole. More than once does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Exporter(Writer, ABC):
    """Writes labelled pictures in one format.

    A file is there whole or not at all. What speaks of all pictures is written by :meth:`finish`: without it, as
    after a cancellation, it isn't there.

    Parameters
    ----------
    out : Path
        Folder; made, with its parents, if need be.
    classes : ClassTable
    options : ExportOptions

    Raises
    ------
    StorageError
        From here and every method, if the disk is full or the folder can't be written.
    """

    def __init__(self, out: Path, classes: ClassTable, options: ExportOptions) -> None:
        self.out = out
        self.classes = classes
        self.options = options
        make_output_folder(out)

    @abstractmethod
    def add(self, item: LabelledPicture) -> Path:
        """Write a picture's labels; the file, or the one that will hold them."""


def make_output_folder(out: Path) -> None:
    """Make the folder of an export, and clear away what a killed export left half-written there."""
    make_folder(out)
    for folder in (out, out / "images", out / "labels"):
        clear_leftovers(folder)


def drop_unless_same(path: Path, content: bytes) -> None:
    """Remove what an earlier export said of all its pictures, if this one will say something else.

    A kill could otherwise leave new labels beside the old numbers of their classes.
    """
    with storage_errors(path), suppress(FileNotFoundError):
        if path.read_bytes() != content:
            path.unlink()


def make_folder(path: Path) -> Path:
    """Make a folder and its parents if they aren't there; the same path."""
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path
