"""A picture on disk, read when asked, always as 8-bit RGB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spml_core.errors import PictureError, SpmlError
from spml_core.images.scaling import Range, as_stored, needs_survey, survey, to_rgb
from spml_core.images.sources import JpegSource, PngSource, Source, is_jpeg, is_png, is_tiff
from spml_core.images.tiff import open_tiff

MIN_SIDE = 16
"""Smallest height and width, in pixels, that the backbones can see anything in."""

_ROWS = 256


class Picture:
    """A PNG, JPEG or TIFF file as 8-bit RGB. Nothing is read before it is asked for.

    8-bit samples are never rescaled. All others are scaled between the 0.1 and 99.9 percentiles of the whole
    picture, so a window shows what the whole shows. JPEG is turned upright; alpha is dropped.

    Parameters
    ----------
    path : path
        The file. Its first bytes, not its suffix, tell the format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

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
        return self._source.shape[:2]

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
        return self._convert(self._source, top, left, height, width)

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
    def _source(self) -> Source:
        return self._open()

    def _open(self) -> Source:
        with _reading(self.path):
            with self.path.open("rb") as file:
                start = file.read(32)
            source: Source
            if is_png(start):
                source = PngSource(self.path, start)
            elif is_jpeg(start):
                source = JpegSource(self.path)
            elif is_tiff(start):
                source = open_tiff(self.path)
            else:
                raise ValueError("it is no PNG, JPEG or TIFF file" if start else "the file is empty")
            if source.dtype.kind not in "uif":
                raise ValueError(f"it holds {source.dtype} samples")
        height, width = source.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise PictureError(
                f"{self.path} is {height} x {width} pixels; {MIN_SIDE} x {MIN_SIDE} is the least.",
                "Leave it out, or enlarge it.",
            )
        return source

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
    except MemoryError as error:
        raise PictureError(f"{path} doesn't fit into memory.", "Cut it into smaller pictures.") from error
    # Damaged files make Pillow, tifffile and imagecodecs raise anything from KeyError to RuntimeError.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise PictureError(
            f"{path} can't be read: {reason.rstrip('.')}.",
            "The file may be truncated or damaged: save it anew.",
        ) from error
