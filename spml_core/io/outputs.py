"""Where results may be written: in no project, and in place of nothing that the user made.

One guard for every command and export. Files are told by what they are, not by their paths: links and, where the
system knows none, upper and lower case are looked through.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from spml_core.classes import IGNORE
from spml_core.errors import MarkError, StorageError
from spml_core.images import MOST_PIXELS, PROJECT_DATABASE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ELSEWHERE = "Choose another folder."

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_HEAD = 26
"""Bytes of a PNG up to its bits and its type of colour, the last of them."""
_GREY, _PALETTE = b"\0", b"\x03"
_OUR_CHUNK, _PNG_START = b"sPLTclasses\0", 64  # right behind the header: see ``write_index_png``

Identity: TypeAlias = tuple[int, int] | str
"""What is the same for all paths of one file or folder."""


@dataclass(frozen=True)
class Kept:
    """Files that no result may replace.

    Parameters
    ----------
    what : str
        What to call them, such as "pictures of the project".
    files : iterable of Path
    folders : iterable of Path
        Nothing at all may be written into them; ``what`` is what to call one of them.
    beside : bool
        Whether results may lie in a folder that holds some of them: none could have the name of one.
    """

    what: str
    files: Iterable[Path] = ()
    folders: Iterable[Path] = ()
    beside: bool = False


def check_output_folder(out: Path, kept: Iterable[Kept] = ()) -> None:
    """See that results written to a folder, before anything is computed, would replace nothing of the user's.

    Parameters
    ----------
    out : Path
        Needn't exist.
    kept : iterable of Kept

    Raises
    ------
    StorageError
        If the folder lies in a project or in one of the kept folders, or holds a kept file, be it as a link.
    """
    folder = _refuse_project(out, out)
    chain = _chain(folder)
    # Files in it that are elsewhere, too; without any nothing but folders has to be compared.
    linked: dict[Identity, Path] | None = None
    for group in kept:
        for path in group.folders:
            _refuse_inside(out, chain, path, group.what)
        if group.beside:
            continue
        parents: dict[Path, Identity | None] = {}
        for path in (*group.files, *group.folders):
            parent = path.parent
            if parent not in parents:
                parents[parent] = _identity(parent)
            if parent == folder or (parents[parent] is not None and parents[parent] == chain.get(folder)):
                raise StorageError(f"{out} holds {group.what}, which could be replaced.", _ELSEWHERE)
            if linked is None:
                linked = _linked(folder)
            if linked and (found := linked.get(_identity(path) or "")) is not None:
                raise StorageError(
                    f"{out / found.name} is a link to {path}: {out} holds {group.what}, which could be replaced.",
                    _ELSEWHERE,
                )


def check_output_file(path: Path, kept: Iterable[Kept] = ()) -> None:
    """See that a file that is to be written, before anything is computed, would replace nothing of the user's.

    Raises
    ------
    StorageError
        If it is a kept file, be it as a link, or lies in a project or in one of the kept folders.
    """
    folder = _refuse_project(path, path.parent)
    if path.is_dir():
        raise StorageError(f"{path} is a folder.", "Give the name of a file.")
    chain = _chain(folder)
    own = _identity(path)
    absolute = folder / path.name
    for group in kept:
        for one in group.files:
            if one == absolute or (own is not None and _identity(one) == own):
                raise StorageError(
                    f"{path} is one of the {group.what}: {one}; it would be replaced.", "Choose another name."
                )
        for one in group.folders:
            _refuse_inside(path, chain, one, group.what)


def check_label_files(paths: Iterable[Path], classes: int) -> None:
    """See that nothing but labels lies where labels are to be written.

    Labels that lie there, as of an earlier call, may be replaced.

    Parameters
    ----------
    paths : iterable of Path
        Needn't exist.
    classes : int
        How many there are. Grey pictures of 8 bits look like labels but for their values.

    Raises
    ------
    StorageError
        It names the first picture, or file of another kind.
    """
    for path in paths:
        if (found := _other_than_labels(path, classes)) is not None:
            raise StorageError(
                f"{path} is {found}, no map of labels; it would be replaced.", "Move it, or write elsewhere."
            )


def _other_than_labels(path: Path, classes: int) -> str | None:
    """What a file is if it isn't a map of labels; None as well if there is none, or nothing can be read of it."""
    head = b""
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            head = file.read(_PNG_HEAD)
    if not head:
        return None
    if head[:8] == _PNG:
        return "a picture" if _is_picture_png(path, head, classes) else None
    if head[:4] in _TIFF:
        return "a picture" if _is_picture_tiff(path, classes) else None
    from PIL import Image

    with contextlib.suppress(Exception), Image.open(path):
        return "a picture"
    return "a file of another kind"


def _is_picture_png(path: Path, head: bytes, classes: int) -> bool:
    depth, color_type = head[24:25], head[25:26]
    if color_type == _PALETTE or len(head) < _PNG_HEAD:
        return False
    if color_type != _GREY or depth == b"\x10":
        return True
    with path.open("rb") as file:
        if _OUR_CHUNK in file.read(_PNG_START):
            return False
    from spml_core.io.index_png import read_png_values

    with contextlib.suppress(MarkError):  # damaged ones are no loss
        return _has_other_values(read_png_values(path), classes)
    return False


def _is_picture_tiff(path: Path, classes: int) -> bool:
    import tifffile

    with contextlib.suppress(Exception), tifffile.TiffFile(path) as tiff:  # damaged ones are no loss
        page = tiff.pages.first
        if (page.samplesperpixel, page.bitspersample) != (1, 8):
            return True
        # Ours name the classes.
        is_small = page.imagewidth * page.imagelength <= MOST_PIXELS
        return '"classes"' not in page.description and is_small and _has_other_values(page.asarray(), classes)
    return False


def _has_other_values(values: NDArray[np.uint8], classes: int) -> bool:
    """Whether there are any but codes of classes, "unlabeled" and "void"."""
    return bool(((values > classes) & (values != IGNORE)).any())


def project_around(path: Path) -> Path | None:
    """The project that a path, which needn't exist, lies in or is."""
    resolved = _resolved(path)
    for folder in (resolved, *resolved.parents):
        with contextlib.suppress(OSError):
            if (folder / PROJECT_DATABASE).is_file():
                return folder
    return None


def _refuse_project(given: Path, folder: Path) -> Path:
    """The folder without links, unless it lies in a project."""
    project = project_around(folder)
    if project is not None:
        raise StorageError(f"{given} lies in the project {project}.", "Choose a folder outside of it.")
    return _resolved(folder)


def _refuse_inside(given: Path, chain: dict[Path, Identity], kept: Path, what: str) -> None:
    identity = _identity(kept)
    if kept in chain or (identity is not None and identity in chain.values()):
        raise StorageError(f"{given} lies in the {what} {kept}.", _ELSEWHERE)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # links that go round in circles
        raise StorageError(f"{path} can't be written: {error}.", _ELSEWHERE) from error


def _chain(folder: Path) -> dict[Path, Identity]:
    """A folder and those around it, as far as they are there."""
    return {each: identity for each in (folder, *folder.parents) if (identity := _identity(each)) is not None}


def _linked(folder: Path) -> dict[Identity, Path]:
    """Files and folders that aren't only in this folder: links to what is elsewhere."""
    return dict(_links(folder))


def _links(folder: Path) -> Iterator[tuple[Identity, Path]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_symlink() or Path(entry.path).stat().st_nlink > 1:
                    identity = _identity(Path(entry.path))
                    if identity is not None:
                        yield identity, Path(entry.path)


def _identity(path: Path) -> Identity | None:
    """What is the same for all paths of a file; None if there is none."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return (about.st_dev, about.st_ino) if about.st_ino else os.path.normcase(path.resolve())
