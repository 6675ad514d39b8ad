"""Predictions kept with the project: ``predictions/RUN/NAME.png`` and a line a picture in ``summary.jsonl``.

Needs no torch, so the window reads here what the answering process wrote. One process at a time may write the
predictions of a run.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import ClassTable
from spml_core.errors import ProjectError
from spml_core.io import (
    index_png_size,
    json_line,
    read_index_png,
    storage_errors,
    write_atomic,
    write_index_png,
)
from spml_core.io.own_files import open_to_append, own_folder, read_own
from spml_core.io.temporary import clear_leftovers
from spml_core.project import PictureRecord, Project, Run

SUMMARY_FILE = "summary.jsonl"
MODEL_FILE = "model.txt"
_MOST_SUMMARIES = 1 << 30
"""Bytes; a summary has about one thousand."""


@dataclass(frozen=True)
class PictureSummary:
    """What a prediction comes to.

    Attributes
    ----------
    uncertainty : float
        Mean entropy of the pixels, 0 (certain) to 1 (all classes alike).
    descriptor : tuple of float
        What the picture is like, at most 64 numbers; comparable between pictures of one run.
    shares : tuple of float
        Share of the pixels of each class, 0..1.
    """

    uncertainty: float
    descriptor: tuple[float, ...]
    shares: tuple[float, ...]


class PredictionStore:
    """The stored predictions of a project's runs.

    On the disk are the label codes that the run was trained with; what is read has those of today, so nothing has to be
    predicted anew when classes are added, merged, moved or deleted.

    Parameters
    ----------
    project : Project
        Reading needs it open; writing only needs its folder.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    # Reading --------------------------------------------------------------------------------------

    def names(self, run: Run) -> frozenset[str]:
        """Names of the pictures whose predictions are there."""
        return self._pngs(run).intersection(self._lines(run))

    def load(self, run: Run, picture: PictureRecord) -> NDArray[np.uint8] | None:
        """Labels of a picture in today's codes, or None if there is no prediction of it.

        Returns
        -------
        ndarray, (H, W) uint8, or None
            UNLABELED (the number of classes) where the predicted class was deleted since.

        Raises
        ------
        MarkError
            If the file is damaged.
        ProjectError
            If it has another size than the picture.
        """
        path = self._path(run, picture.name)
        if not path.is_file():
            return None
        size = index_png_size(path)
        if size != (picture.height, picture.width):
            raise ProjectError(
                f"The prediction {path} is {size[0]} x {size[1]} pixels, its picture "
                f"{picture.height} x {picture.width}.",
                "Delete the file; the picture is predicted anew.",
            )
        labels = read_index_png(path)
        today: NDArray[np.uint8] = self._project.codes_of_run(run)[labels]
        return today

    def summaries(self, run: Run) -> dict[str, PictureSummary]:
        """Summaries by picture; the shares are those of today's classes and sum to less than 1 if one is gone."""
        codes = self._project.codes_of_run(run)
        count = len(self._project.classes)
        there = self._pngs(run)
        found = {}
        for name, line in self._lines(run).items():
            if name in there:
                shares = np.zeros(256)
                np.add.at(shares, codes[: len(line["shares"])], line["shares"])
                found[name] = PictureSummary(
                    line["uncertainty"], tuple(line["descriptor"]), tuple(shares[:count].tolist())
                )
        return found

    # Writing --------------------------------------------------------------------------------------

    def begin(self, run: Run, model: str) -> None:
        """Make a run's folder ready for predictions of a model; those of an earlier model of the run are removed.

        Parameters
        ----------
        run : Run
        model : str
            A word that differs when the model does.

        Raises
        ------
        StorageError
            If the folder can't be written.
        """
        folder = self._folder(run)
        own_folder(folder)
        clear_leftovers(folder)
        with storage_errors(folder):
            about = folder / MODEL_FILE
            with contextlib.suppress(FileNotFoundError, ValueError):
                if read_own(about) == model.encode():
                    return
            # The summary first: without it no prediction is there, whenever a kill comes.
            (folder / SUMMARY_FILE).unlink(missing_ok=True)
            for name in self._pngs(run):
                self._path(run, name).unlink(missing_ok=True)
        write_atomic(about, model.encode())

    def store(
        self,
        run: Run,
        picture: str,
        labels: NDArray[np.uint8],
        summary: PictureSummary,
        class_names: tuple[str, ...],
    ) -> Path:
        """Keep a prediction; a reader sees all of it or nothing.

        Parameters
        ----------
        run : Run
            Its folder was made by :meth:`begin`.
        picture : str
            Name of the picture.
        labels : ndarray, (H, W) uint8
            Codes that the run was trained with, 0..K-1.
        summary : PictureSummary
            Its shares in the order of these codes.
        class_names : tuple of str
            Of the run, K.

        Returns
        -------
        Path
            The index PNG.

        Raises
        ------
        StorageError
            If the disk is full or the folder can't be written.
        """
        path = self._path(run, picture)
        write_index_png(path, labels, ClassTable.from_names(class_names))
        line = {
            "picture": picture,
            "uncertainty": _rounded(summary.uncertainty),
            "descriptor": [_rounded(value) for value in summary.descriptor],
            "shares": [_rounded(value) for value in summary.shares],
        }
        target = self._folder(run) / SUMMARY_FILE
        with open_to_append(target) as file:
            _end_torn_line(file)
            file.write(json_line(line).encode() + b"\n")
        return path

    # Files ----------------------------------------------------------------------------------------

    def _folder(self, run: Run) -> Path:
        return self._project.predictions_folder / run.id

    def _path(self, run: Run, name: str) -> Path:
        # Names come from the database, and a project may come from anyone.
        if name in ("", ".", "..") or "\0" in name or Path(name).name != name:
            raise ProjectError(f"{name!r} is no name of a picture.", "Rename the picture.")
        return self._folder(run) / f"{name}.png"

    def _pngs(self, run: Run) -> frozenset[str]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder(run)) as entries:
            return frozenset(
                entry.name[: -len(".png")]
                for entry in entries
                if entry.name.endswith(".png") and not entry.name.startswith(".")
            )
        return frozenset()

    def _lines(self, run: Run) -> dict[str, dict[str, Any]]:
        """Readable lines of the summary by picture; of several the last. What a kill left of a line is skipped."""
        lines: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(FileNotFoundError):
            for text in read_own(self._folder(run) / SUMMARY_FILE, _MOST_SUMMARIES, end=True).splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError, OverflowError):
                    line = json.loads(text)
                    lines[str(line["picture"])] = {
                        "uncertainty": float(line["uncertainty"]),
                        "descriptor": [float(value) for value in line["descriptor"]],
                        "shares": [float(value) for value in line["shares"]][:255],
                    }
        return lines


def _end_torn_line(file: IO[bytes]) -> None:
    """Give what a kill left of the last line an end, so that the next one is a line of its own."""
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
