"""Opening any film by its path, telling films from other files, and a fingerprint of each."""

from __future__ import annotations

import hashlib
from pathlib import Path

from spml_core.errors import FilmError, PictureError
from spml_core.films.animation import WebpFilm, is_animation
from spml_core.films.film import Film, checked_rate
from spml_core.films.sequence import SequenceFilm, sequence_files
from spml_core.films.stack import open_stack, stack_pages
from spml_core.films.video import VideoFilm
from spml_core.films.zarr_store import is_zarr, open_zarr
from spml_core.images import Picture, content_hash

COMMON_VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg"})

_OTHER_VIDEO_SUFFIXES = frozenset(
    {".qt", ".3gp", ".3g2", ".mj2", ".f4v", ".divx", ".mpe", ".m1v", ".m2v", ".vob", ".ts", ".mts", ".m2ts"}
    | {".m2t", ".wmv", ".asf", ".flv", ".ogv", ".ogm", ".mxf", ".h264", ".264", ".hevc", ".h265", ".265"}
)

VIDEO_SUFFIXES = COMMON_VIDEO_SUFFIXES | _OTHER_VIDEO_SUFFIXES
STACK_SUFFIXES = frozenset({".tif", ".tiff"})
ANIMATION_SUFFIXES = frozenset({".gif", ".webp"})

_SYNC = 0x47  # each packet of a transport stream begins so, after a time code of four bytes in some

_CHECK = "Check that it is there and readable."


def open_film(
    path: Path | str,
    *,
    frame_rate: float | None = None,
    index_folder: Path | None = None,
    as_stored: bool = False,
) -> Film:
    """Open a video file, TIFF stack, zarr folder or folder of pictures.

    Parameters
    ----------
    path : path
        The film.
    frame_rate : float, optional
        Frames a second of films that carry no times of their own; of stacks and arrays it comes before theirs.
    index_folder : Path, optional
        Where the frame index of a video file may be kept, so that it opens at once the next time.
    as_stored : bool
        Leave PNG and TIFF as they lie in the file, not upright as they say. Videos are always turned.

    Raises
    ------
    FilmError
        If there is no film, or it can't be read; the message says why and what to do.
    """
    path = Path(path)
    frame_rate = checked_rate(frame_rate)
    try:
        if path.is_dir():
            if is_zarr(path):
                return open_zarr(path, frame_rate)
            return SequenceFilm(path, frame_rate, as_stored=as_stored)
        if path.suffix.lower() in STACK_SUFFIXES:
            return open_stack(path, frame_rate, as_stored=as_stored)
        if path.suffix.lower() == ".webp":
            return WebpFilm(path)
        return VideoFilm(path, frame_rate, index_folder)
    except OSError as error:
        raise FilmError(f"{path} can't be read: {error.strerror or error}.", _CHECK) from error


def is_film(path: Path | str, *, sequences: bool = False) -> bool:
    """Whether something is a film, by its name and a quick look.

    A file with a video's suffix counts, even if it turns out damaged: ``open_film`` then says what is wrong.

    Parameters
    ----------
    path : path
        File or folder.
    sequences : bool
        Whether a folder with at least two pictures, the first and last of one size, counts too.
    """
    path = Path(path)
    if path.is_dir():
        return is_zarr(path) or (sequences and _is_sequence(path))
    if not path.is_file():
        return False
    suffix = path.suffix.lower()
    if suffix == ".ts":  # TypeScript is called so, too
        return _is_transport_stream(path)
    if suffix in ANIMATION_SUFFIXES:
        return is_animation(path)
    return suffix in VIDEO_SUFFIXES or (suffix in STACK_SUFFIXES and stack_pages(path) > 1)


def film_hash(path: Path | str) -> str:
    """BLAKE2b fingerprint (40 hex digits) of a film's content, wherever it lies.

    Of a file it is that of the bytes; of a zarr folder that of all files with their names inside it; of a folder
    of pictures that of the pictures with their names.

    Raises
    ------
    FilmError
        If something can't be read, or a folder holds no picture.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return content_hash(path)
        files = sorted(path.rglob("*")) if is_zarr(path) else sequence_files(path)
        files = [file for file in files if file.is_file()]
        if not files:
            raise FilmError(
                f"There is no picture in {path}.", "Choose a folder with PNG, JPEG or TIFF files."
            )
        whole = hashlib.blake2b(digest_size=20)
        for file in files:
            # A zero byte, which no name holds, keeps name and content apart.
            whole.update(file.relative_to(path).as_posix().encode("utf-8", "surrogateescape") + b"\0")
            whole.update(content_hash(file).encode())
        return whole.hexdigest()
    except PictureError as error:
        raise FilmError(error.problem, error.remedy) from error
    except OSError as error:
        raise FilmError(f"{path} can't be read: {error.strerror or error}.", _CHECK) from error


def _is_transport_stream(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(5)
    except OSError:
        return True  # opening it tells why
    return len(start) < 5 or _SYNC in (start[0], start[4])


def _is_sequence(folder: Path) -> bool:
    try:
        files = sequence_files(folder)
        return len(files) > 1 and Picture(files[0]).size == Picture(files[-1]).size
    except (PictureError, OSError):
        return False
