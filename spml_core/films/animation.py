"""An animated WebP as a film: Pillow decodes it, PyAV doesn't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import GifImagePlugin, Image, WebPImagePlugin

from spml_core.errors import FilmError
from spml_core.films.film import Film, Rgb, check_count, check_size
from spml_core.images.pillow_sources import reader_of

KEPT_BYTES = 64 << 20
"""Frames kept for stepping backward take at most this much memory."""

_DAMAGED = "The file may be cut off or damaged: copy it again, or convert it to mp4 with a video converter."


def is_animation(path: Path) -> bool:
    """Whether a file is a GIF or WebP of more than one frame; what can't be read is none."""
    # Damaged files make Pillow raise anything.
    try:
        with path.open("rb") as file:
            start = file.read(16)
            file.seek(0)
            reader = reader_of(start)
            if reader not in (GifImagePlugin.GifImageFile, WebPImagePlugin.WebPImageFile):
                return False
            with reader(file) as image:
                return bool(image.is_animated)
    except Exception:
        return False


class WebpFilm(Film):
    """The frames of an animated WebP. Each builds on those before it: going back starts anew.

    Parameters
    ----------
    path : Path
        The file, held open until ``close``.

    Raises
    ------
    FilmError
        If it can't be opened or decoded.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FilmError(f"There is no film {path}.", "If it was moved or renamed, say where it is now.")
        self._file = path.open("rb")
        try:
            self._image: Image.Image = WebPImagePlugin.WebPImageFile(self._file)
            size = (self._image.height, self._image.width)
            count = int(getattr(self._image, "n_frames", 1))
            check_count(str(path), count)
            check_size(str(path), size)
            ends = []
            for index in range(count):
                self._image.seek(index)
                self._image.load()
                ends.append(int(self._image.info.get("timestamp", 0)))
                ends[-1] += int(self._image.info.get("duration", 0))
        except FilmError:
            self._file.close()
            raise
        # Damaged files make Pillow raise anything.
        except Exception as error:
            self._file.close()
            reason = (str(error) or type(error).__name__).rstrip(".")
            raise FilmError(f"{path} is no film that can be read: {reason}.", _DAMAGED) from error
        times = np.array([0, *ends[:-1]], np.float64) / 1000
        if count > 1 and not (np.diff(times) > 0).all():
            times = np.arange(count, dtype=np.float64)
        gaps = np.diff(times)
        rate = float(1 / gaps.mean()) if count > 1 and ends[-1] > 0 else None
        variable = count > 1 and float(np.ptp(gaps)) > 1e-3
        super().__init__(path, "video", size, times, frame_rate=rate, variable_rate=variable)
        self._kept: dict[int, Rgb] = {}
        self._at = count - 1

    def close(self) -> None:
        """Close the file and let go of kept frames."""
        if not self._closed:
            self._kept.clear()
            self._image.close()
            self._file.close()
        super().close()

    def _read(self, index: int) -> Rgb:
        if index not in self._kept:
            self._decode_to(index)
        return self._kept[index].copy()

    def _decode_to(self, index: int) -> None:
        """Decode on to a frame, or from the start; keep it and, going back, those before it that there is room for."""
        goes_back = index <= self._at
        room = max(1, KEPT_BYTES // (3 * self.size[0] * self.size[1])) if goes_back else 1
        self._kept.clear()
        try:
            for number in range(max(0, index - room + 1), index + 1):
                self._image.seek(number)
                self._kept[number] = np.array(self._image.convert("RGB"))
        # Damaged files make Pillow raise anything.
        except Exception as error:
            self._kept.clear()
            raise FilmError(f"Frame {index} of {self.path} can't be decoded.", _DAMAGED) from error
        self._at = index
