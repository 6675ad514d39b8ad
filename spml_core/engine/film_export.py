"""Finished labels of a film's frames, written for other programs. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spml_core.engine.export import Exported, ExportOptions, check_folder, exported_codes
from spml_core.engine.film_results import FilmResults
from spml_core.errors import ProjectError
from spml_core.films import Film
from spml_core.io.exports.films import (
    FILM_FORMATS,
    FilmHead,
    LabelledFrame,
    check_film_format,
    open_film_exporter,
)
from spml_core.io.outputs import check_label_files
from spml_core.project import FilmRecord, PictureRecord, Project
from spml_core.wording import counted

__all__ = ["FILM_FORMATS", "ExportOptions", "Exported", "FinishedFrames", "export_film"]

FrameLabels: TypeAlias = Callable[[int], NDArray[np.uint8] | None]

_WITHOUT_FILM = ("index-png", "tiff")
"""Formats that need neither the film's pixels nor the time of each frame."""


@dataclass(frozen=True)
class FinishedFrames:
    """Labels of a film's frames, as good as there are.

    Attributes
    ----------
    frames : frozenset of int
        Frames that have labels.
    labels_of : callable
        Given a frame's index, its labels (H, W) uint8 in today's codes; None if it has none.
    """

    frames: frozenset[int]
    labels_of: FrameLabels

    @classmethod
    def of(
        cls, project: Project, film: FilmRecord, results: FilmResults, *, only_reviewed: bool = False
    ) -> FinishedFrames:
        """Of reviewed frames the accepted mask, of others what was propagated to them.

        On reviewed frames people's own marks lie over the accepted mask; what they erased since is as propagated, or
        nothing.

        Parameters
        ----------
        project : Project
        film : FilmRecord
        results : FilmResults
            The film's.
        only_reviewed : bool
            Whether to leave out frames that nobody accepted.
        """
        reviewed = frozenset(index for index, state in project.frame_states(film).items() if state.reviewed)
        propagated: frozenset[int] = frozenset()
        if not only_reviewed:
            propagated = frozenset(np.flatnonzero(~np.isnan(results.confidences())).tolist())

        def labels_of(index: int) -> NDArray[np.uint8] | None:
            if index not in reviewed:
                return results.labels(index) if index in propagated else None
            labels = project.weak_labels(project.frame(film, index))
            erased = labels == project.classes.unlabeled
            rest = results.labels(index) if erased.any() else None
            return labels if rest is None else np.where(erased, rest, labels)

        return cls(reviewed | propagated, labels_of)


def export_film(
    project: Project,
    film: FilmRecord,
    out: Path,
    format: str,
    *,
    only_reviewed: bool = False,
    options: ExportOptions | None = None,
) -> Generator[Exported, None, None]:
    """Write the labels of a film's frames: those accepted as reviewed, and what was propagated to the others.

    ``index-png`` and ``coco`` leave out frames without labels; in the other formats, which hold the whole film, such
    frames are 255 (IGNORE) throughout, or shown as they are. Every file is there whole or not at all. What speaks of
    all frames comes last, after the last :class:`~spml_core.engine.export.Exported`: closing the generator before its
    end cancels.

    Parameters
    ----------
    project : Project
        Opened, for reading at least, in the thread that exports.
    film : FilmRecord
    out : Path
        Folder; made if need be. Files of an earlier export are replaced.
    format : str
        One of ``FILM_FORMATS``.
    only_reviewed : bool
        Whether to take only frames that were accepted.
    options : ExportOptions, optional

    Yields
    ------
    Exported
        Of each frame; its ``path`` is None if the frame has no labels.

    Raises
    ------
    ConfigError
        If there is no such format.
    StorageError
        If the folder can't be written, the disk is full, or the export could replace a picture, a film or a file of
        the project.
    ProjectError
        If no frame has labels, or the film was moved or replaced and the format needs it.
    FilmError
        If a frame can't be read and the format needs it.
    """
    check_film_format(format)
    options = options or ExportOptions()
    options.object_classes(project.classes)
    names_are_its_own = format == "coco"
    check_folder(project, out, beside_pictures=names_are_its_own, beside_films=names_are_its_own)
    if format == "coco" and options.copy_images:
        check_folder(project, out / "images")
    with ExitStack() as stack:
        results = stack.enter_context(FilmResults.of(project, film))
        finished = FinishedFrames.of(project, film, results, only_reviewed=only_reviewed)
        if not finished.frames:
            raise _nothing(project, film, only_reviewed)
        if format == "tiff":
            check_label_files([out / f"{film.name}.tif"], len(project.classes))
        if format == "index-png":
            names = (_file_stem(film, project.frame(film, index)) for index in finished.frames)
            check_label_files((out / f"{name}.png" for name in names), len(project.classes))
        opened = None if format in _WITHOUT_FILM else project.open_film(film)
        exporter = stack.enter_context(
            open_film_exporter(format, out, project.classes, options, _head(film, opened))
        )
        frames = (
            range(film.count) if exporter.takes_all_frames or not only_reviewed else sorted(finished.frames)
        )
        written = 0
        for done, index in enumerate(frames, 1):
            record = project.frame(film, index)
            labels = finished.labels_of(index)
            path = None
            if labels is not None or exporter.takes_all_frames:
                path = exporter.add(_labelled(project, film, record, labels))
            written += labels is not None
            yield Exported(record.name, done, len(frames), None if labels is None else path)
        if not written:
            raise _nothing(project, film, only_reviewed)
        exporter.finish()


def _nothing(project: Project, film: FilmRecord, only_reviewed: bool) -> ProjectError:
    if only_reviewed:
        return ProjectError(
            f"No frame of the film {film.name!r} was reviewed yet.",
            "Accept frames as reviewed, or export all of them.",
        )
    return ProjectError(
        f"None of the {counted(film.count, 'frame')} of the film {film.name!r} is segmented.",
        f"Mark some of them and run spml propagate {project.path} {film.name} first.",
    )


def _labelled(
    project: Project, film: FilmRecord, record: PictureRecord, labels: NDArray[np.uint8] | None
) -> LabelledFrame:
    assert record.frame is not None
    name = _file_stem(film, record)
    codes = None if labels is None else exported_codes(record, labels, project.classes)
    file_name = record.path.name if film.kind == "sequence" else f"{name}.png"
    return LabelledFrame(record.frame, name, file_name, codes, partial(_read, project, film, record.frame))


def _file_stem(film: FilmRecord, record: PictureRecord) -> str:
    return record.name.removeprefix(f"{film.name}_") if film.kind == "sequence" else record.name


def _read(project: Project, film: FilmRecord, index: int) -> NDArray[np.uint8]:
    with project.reading_film(film) as opened:
        return opened.frame(index)


def _head(film: FilmRecord, opened: Film | None) -> FilmHead:
    size = film.height, film.width
    if opened is None:
        times = np.arange(film.count) / (film.frame_rate or 1.0)
        return FilmHead(film.name, size, times, film.frame_rate)
    return FilmHead(film.name, size, opened.times, opened.frame_rate, opened.variable_rate)
