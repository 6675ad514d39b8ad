"""A picture on disk, read when asked, always as 8-bit RGB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spml_core.errors import PictureError, SpmlError
from spml_core.images.pillow_sources import open_other
from spml_core.images.png_jpeg import is_jpeg, is_png, open_jpeg, open_png
from spml_core.images.scaling import Range, as_stored, channels_note, needs_survey, survey, to_rgb
from spml_core.images.sources import Source
from spml_core.images.tiff import is_tiff, open_tiff

MIN_SIDE = 16
"""Smallest height and width, in pixels, that the backbones can see anything in."""

MOST_PIXELS = 1 << 30
"""Pixels of the largest picture: 3 GB as RGB."""

_MOST_AT_ONCE = 3 * MOST_PIXELS
"""Bytes that may be decoded at once, beside the picture itself."""

_ROWS = 256

_FOREIGN = (
    (4, (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1"), "a HEIC picture"),
    (4, (b"ftypavif", b"ftypavis"), "an AVIF picture"),
    (0, (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), "a JPEG 2000 picture"),
    (0, (b"\xff\x0a", b"\0\0\0\x0cJXL "), "a JPEG XL picture"),
    (0, (b"8BPS",), "a Photoshop file"),
    (0, (b"%PDF",), "a PDF"),
)


class Picture:
    """A PNG, JPEG, TIFF, BMP, GIF or WebP file as 8-bit RGB. Nothing is read before it is asked for.

    8-bit samples are never rescaled. All others are scaled between the 0.1 and 99.9 percentiles of the whole
    picture, so a window shows what the whole shows; a wider range is taken where these are equal or nearly so. Of
    more than three channels that aren't colours the three brightest are shown. Pictures are turned upright as Exif
    and TIFF say; alpha is dropped.

    Parameters
    ----------
    path : path
        The file. Its first bytes, not its suffix, tell the format.
    as_stored : bool
        Leave PNG and TIFF as they lie in the file: projects that took them in before they were turned go on so.
    """

    def __init__(self, path: Path | str, *, as_stored: bool = False) -> None:
        self.path = Path(path)
        self._as_stored = as_stored

    def __repr__(self) -> str:
        return f"Picture({str(self.path)!r})"

    @property
    def name(self) -> str:
        """The file's stem."""
        return self.path.stem

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, from the header alone.

        Raises
        ------
        PictureError
            If the file can't be read, is no picture, is a stack, or is smaller than 16 x 16.
        """
        return self.source.shape[:2]

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the file isn't shown, from the header alone: each the end of a sentence about the file.

        Raises
        ------
        PictureError
            As for ``size``.
        """
        source = self.source
        note = channels_note(source.shape[2])
        return source.notes if note is None else (note, *source.notes)

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Return the whole picture, (H, W, 3), uint8.

        Raises
        ------
        PictureError
            If the file is unreadable or truncated, or holds NaN or infinite samples.
        """
        # A source of its own: what it has to decode whole is let go on return.
        source = self._open()
        height, width, channels = source.shape
        if source.dtype == np.uint8 and channels == 3:
            with _reading(self.path):
                # Already as wanted: no copy, unless it is a view of the file or turned.
                return np.require(source.window(0, 0, height, width), np.uint8, ["C", "W", "E"])
        return self._convert(source, 0, 0, height, width)

    def rgb_window(self, top: int, left: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Return the part of ``rgb()`` from row ``top``, column ``left`` on: (height, width, 3), uint8.

        Only TIFF is read in part; other formats are decoded once and kept as long as this object lives.

        Raises
        ------
        PictureError
            As for ``rgb``, and if the window doesn't lie inside the picture.
        """
        self._check_window(top, left, height, width)
        return self._convert(self.source, top, left, height, width)

    def _check_window(self, top: int, left: int, height: int, width: int) -> None:
        rows, columns = self.size
        inside = min(top, left) >= 0 and top + height <= rows and left + width <= columns
        if not inside or height < 1 or width < 1:
            raise PictureError(
                f"The window at ({top}, {left}) of {height} x {width} pixels doesn't lie in {self.path},"
                f" {rows} x {columns}.",
                "Ask for a part of the picture.",
            )

    @cached_property
    def source(self) -> Source:
        """The samples as the file stores them, upright."""
        return self._open()

    def _open(self) -> Source:
        with _reading(self.path):
            with self.path.open("rb") as file:
                start = file.read(32)
            source = self._opened(start)
            if source.dtype.kind not in "uif":
                raise ValueError(f"it holds {source.dtype} samples")
        height, width = source.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise PictureError(
                f"{self.path} is {height} x {width} pixels; {MIN_SIDE} x {MIN_SIDE} is the least.",
                "Leave it out, or enlarge it.",
            )
        if height * width > MOST_PIXELS or source.piece > _MOST_AT_ONCE:
            raise PictureError(
                f"{self.path} is {height} x {width} pixels of {source.shape[2]} x {source.dtype.itemsize} bytes;"
                f" more than {MOST_PIXELS / 1e9:.1f} billion pixels, or {_MOST_AT_ONCE / 1e9:.1f} GB at once,"
                " aren't read.",
                "Cut it into smaller pictures.",
            )
        return source

    def _opened(self, start: bytes) -> Source:
        if is_png(start):
            return open_png(self.path, start, as_stored=self._as_stored)
        if is_jpeg(start):
            return open_jpeg(self.path)
        if is_tiff(start):
            return open_tiff(self.path, as_stored=self._as_stored)
        source = open_other(self.path, start)
        if source is not None:
            return source
        for at, words, kind in _FOREIGN:
            if start[at:].startswith(words):
                raise PictureError(
                    f"{self.path} is {kind}, which can't be read.", "Convert it to PNG, JPEG or TIFF."
                )
        raise ValueError(
            "it is no PNG, JPEG or TIFF file, nor BMP, GIF or WebP" if start else "the file is empty"
        )

    def _convert(self, source: Source, top: int, left: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        shown = self._shown(source)
        out = np.empty((height, width, 3), np.uint8)
        with _reading(self.path):
            # Piece by piece, so that no second array of the picture's size is made on the way.
            for start in range(0, height, source.band):
                samples = source.window(top + start, left, min(source.band, height - start), width)
                for row in range(0, len(samples), _ROWS):
                    part = to_rgb(samples[row : row + _ROWS], shown)
                    out[start + row : start + row + len(part)] = part
        return out

    def _shown(self, source: Source) -> Range:
        if not needs_survey(source.dtype, source.shape[2]):
            return as_stored(source.shape[2])
        if "_surveyed" not in self.__dict__:
            with _reading(self.path):
                self._surveyed = survey(source)
        shown, broken = self._surveyed
        if broken:
            raise PictureError(
                f"{self.path} holds {broken} NaN or infinite samples.",
                "Replace them by real values and try again.",
            )
        return shown


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a PictureError that names the file."""
    try:
        yield
    except SpmlError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"There is no picture {path}.", "Check the path.") from error
    except PermissionError as error:
        raise PictureError(f"{path} may not be read.", "Change the file's permissions.") from error
    except IsADirectoryError as error:
        raise PictureError(f"{path} is a folder, not a picture.", "Give a file.") from error
    except MemoryError as error:
        raise PictureError(f"{path} doesn't fit into memory.", "Cut it into smaller pictures.") from error
    # Damaged files make Pillow, tifffile and imagecodecs raise anything from KeyError to RuntimeError.
    except Exception as error:
        reason = " ".join((str(error) or type(error).__name__).split())[:300]
        raise PictureError(
            f"{path} can't be read: {reason.rstrip('.')}.",
            "The file may be truncated or damaged: save it anew.",
        ) from error
