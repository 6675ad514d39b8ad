"""A folder of pictures as a film."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from spml_core.errors import FilmError, PictureError
from spml_core.films.film import Film, Rgb, checked_rate, even_times
from spml_core.films.steady_scaling import Pixels, SteadyScaling
from spml_core.images import Picture
from spml_core.images.left_out import left_out
from spml_core.images.listing import MORE_SUFFIXES, SUFFIXES
from spml_core.images.scaling import needs_survey


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that takes digits for numbers: frame2 comes before frame10."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], name


def sequence_files(folder: Path) -> list[Path]:
    """Every PNG, JPEG and TIFF right inside a folder (not hidden, no subfolders), in natural order.

    Where there is none, every other picture.
    """
    shown = [file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file()]
    files = [file for file in shown if file.suffix.lower() in SUFFIXES] or [
        file for file in shown if file.suffix.lower() in MORE_SUFFIXES
    ]
    return sorted(files, key=lambda file: natural_key(file.name))


def left_out_beside(folder: Path, files: Collection[Path]) -> tuple[str, ...]:
    """Say what right inside a folder isn't among its frames."""
    entries = list(folder.iterdir())
    folders = [entry for entry in entries if entry.is_dir()]
    others = [
        entry
        for entry in entries
        if entry not in files and entry.suffix.lower() in MORE_SUFFIXES and not entry.name.startswith(".")
    ]
    lines = left_out(folder, {*files, *folders, *others})
    if others:
        words = "1 file was" if len(others) == 1 else f"{len(others)} files were"
        lines = (f"{words} left out of {folder}: its frames are PNG, JPEG and TIFF files.", *lines)
    return lines


class SequenceFilm(Film):
    """The pictures of a folder in natural order, each read when asked.

    Pictures that aren't 8-bit are scaled by one range for all.

    Parameters
    ----------
    path : Path
        The folder.
    frame_rate : float, optional
        Frames a second.
    as_stored : bool
        Leave PNG and TIFF as they lie in the file, not upright as they say.

    Raises
    ------
    FilmError
        If the folder holds no picture, a picture can't be read, two have one stem, or one differs in size.
    """

    def __init__(self, path: Path, frame_rate: float | None = None, *, as_stored: bool = False) -> None:
        self._as_stored = as_stored
        self.files = tuple(sequence_files(path))
        if not self.files:
            raise FilmError(
                f"There is no picture in {path}.", "Choose a folder with PNG, JPEG or TIFF files."
            )
        stems: dict[str, Path] = {}
        for file in self.files:
            twin = stems.setdefault(file.stem, file)
            if twin is not file:
                raise FilmError(
                    f"Two frames of {path} share a name: {twin.name} and {file.name}.", "Rename one."
                )
        first = self._picture(0)
        with _reading(self.files[0]):
            size, source, notes = first.size, first.source, first.notes
        for index, file in enumerate(self.files[1:], 1):
            with _reading(file):
                height, width = self._picture(index).size
            if (height, width) != size:
                raise FilmError(
                    f"{file} is {height} x {width} pixels, {self.files[0].name} is {size[0]} x {size[1]}.",
                    "Take it out of the folder, or give all frames one size.",
                )
        rate = checked_rate(frame_rate)
        warnings = (*(f"{self.files[0]} {note}." for note in notes), *left_out_beside(path, self.files))
        times = even_times(len(self.files), rate)
        super().__init__(path, "sequence", size, times, frame_rate=rate, warnings=warnings)
        self._stored_as = (source.shape[2], source.dtype)
        self._scaling: SteadyScaling | None = None
        if needs_survey(source.dtype, source.shape[2]):
            joint = source.joint_range
            self._scaling = SteadyScaling(str(path), self._samples, self.count, source.dtype, joint)

    def stem(self, index: int) -> str:
        """File stem of a frame."""
        return self.files[index].stem

    def _read(self, index: int) -> Rgb:
        if self._scaling is not None:
            return self._scaling.rgb(index)
        with _reading(self.files[index]):
            rgb = self._picture(index).rgb()
        self._check_size(index, rgb.shape[:2])
        return rgb

    def _samples(self, index: int) -> Pixels:
        file = self.files[index]
        with _reading(file):
            # Samples as stored: Picture's own scaling is by the single picture and would flicker.
            source = self._picture(index).source
        self._check_size(index, source.shape[:2])
        if (source.shape[2], source.dtype) != self._stored_as:
            channels, dtype = self._stored_as
            raise FilmError(
                f"{file} holds {source.shape[2]} channels of {source.dtype},"
                f" {self.files[0].name} {channels} of {dtype}.",
                "Save all frames alike.",
            )
        with _reading(file):
            return source.window(0, 0, *self.size)

    def _picture(self, index: int) -> Picture:
        return Picture(self.files[index], as_stored=self._as_stored)

    def _check_size(self, index: int, size: tuple[int, ...]) -> None:
        if size != self.size:
            raise FilmError(
                f"{self.files[index]} is {size[0]} x {size[1]} pixels now, the film"
                f" {self.size[0]} x {self.size[1]}.",
                "Put the former picture back, or open the film again.",
            )


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Turn what is wrong with a picture into what is wrong with the film; the message names the file."""
    try:
        yield
    except PictureError as error:
        raise FilmError(error.problem, error.remedy) from error
    # Damaged files make Pillow, tifffile and imagecodecs raise anything from KeyError to RuntimeError.
    except Exception as error:
        reason = (str(error) or type(error).__name__).rstrip(".")
        raise FilmError(f"{file} can't be read: {reason}.", "Save the picture anew.") from error
