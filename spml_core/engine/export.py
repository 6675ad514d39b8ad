"""Finished labels of a project's pictures, written for other programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE, ClassTable
from spml_core.engine.kept_files import kept_files
from spml_core.engine.predictions import PredictionStore
from spml_core.errors import MarkError, ProjectError
from spml_core.images import Picture
from spml_core.io.exports import (
    FORMATS,
    Exporter,
    ExportOptions,
    LabelledPicture,
    check_format,
    open_exporter,
)
from spml_core.io.outputs import check_label_files, check_output_folder
from spml_core.project import PictureRecord, Project
from spml_core.wording import counted

__all__ = [
    "FORMATS",
    "ExportOptions",
    "Exported",
    "LabelsOf",
    "check_folder",
    "export_project",
    "exported_codes",
    "finished_labels",
    "predicted_labels",
]

LabelsOf: TypeAlias = Callable[[PictureRecord], NDArray[np.uint8] | None]
"""Gives a picture's labels (H, W) in today's codes, or None if it has none."""

_BESIDE_PICTURES = ("coco", "yolo-seg", "ome-zarr")
"""Formats none of whose files could have a picture's name."""

LABEL_FILES = {"index-png": ".png", "tiff": ".tif"}
"""Formats of one map of labels a picture, and how their names end."""

_BESIDE_FILMS = ("coco", "yolo-seg")
"""The same for a film's name: a film may be an OME-Zarr."""


@dataclass(frozen=True)
class Exported:
    """One picture was dealt with.

    Attributes
    ----------
    name : str
    done, total : int
        Pictures so far, this one included, and in all.
    path : Path or None
        The file that holds its labels, or will at the end; None if the picture has no labels and was left out.
    """

    name: str
    done: int
    total: int
    path: Path | None


def export_project(
    project: Project,
    out: Path,
    format: str,
    *,
    labels_of: LabelsOf | None = None,
    only_reviewed: bool = False,
    options: ExportOptions | None = None,
) -> Generator[Exported, None, None]:
    """Write the labels of all still pictures, or the reviewed ones. Frames of films aren't among them.

    Every file is there whole or not at all. What speaks of all pictures (``annotations.json``, ``data.yaml``,
    ``classes.json``) comes last, after the last :class:`Exported`: closing the generator before its end cancels.

    Parameters
    ----------
    project : Project
        Opened, for reading at least, in the thread that exports.
    out : Path
        Folder; made if need be. Files of an earlier export are replaced.
    format : str
        One of ``FORMATS``.
    labels_of : callable, optional
        Where the labels come from; :func:`finished_labels` of the current run if not given.
    only_reviewed : bool
        Whether to leave out pictures that nobody accepted.
    options : ExportOptions, optional

    Yields
    ------
    Exported

    Raises
    ------
    ConfigError
        If there is no such format.
    StorageError
        If the folder can't be written, the disk is full, or the export could replace a picture or a file of the
        project.
    ProjectError
        If there is nothing to export, or a picture's file is gone and the format needs it.
    PictureError
        If a picture can't be read and the format needs it.
    """
    check_format(format)
    check_folder(
        project, out, beside_pictures=format in _BESIDE_PICTURES, beside_films=format in _BESIDE_FILMS
    )
    options = options or ExportOptions()
    options.object_classes(project.classes)
    records = project.pictures
    if only_reviewed:  # frames of films have exports of their own
        records = tuple(record for record in project.reviewed_pictures() if record.film is None)
    if not project.pictures:
        raise ProjectError(f"{project.path} holds films only.", "Export each film by itself.")
    if not records:
        raise ProjectError(
            f"No picture of {project.path} was reviewed yet.",
            "Accept pictures as reviewed, or export all of them.",
        )
    if format in LABEL_FILES:
        names = (f"{record.name}{LABEL_FILES[format]}" for record in records)
        check_label_files((out / name for name in names), len(project.classes))
    labels_of = labels_of or finished_labels(project)
    file_names = _file_names(project)
    exporter: Exporter | None = None
    with ExitStack() as stack:
        for done, record in enumerate(records, 1):
            labels = labels_of(record)
            path = None
            if labels is not None:
                if exporter is None:  # not before: without any labels there shall be no folder
                    exporter = stack.enter_context(open_exporter(format, out, project.classes, options))
                path = exporter.add(_labelled(project, record, labels, file_names[record.id]))
            yield Exported(record.name, done, len(records), path)
        if exporter is None:
            raise ProjectError(
                f"None of the {counted(len(records), 'picture')} of {project.path} has a prediction.",
                "Train first.",
            )
        exporter.finish()


def finished_labels(
    project: Project, run_id: str | None = None, *, predict: LabelsOf | None = None
) -> LabelsOf:
    """Labels as good as there are: of reviewed pictures the accepted mask, of others the stored prediction.

    On reviewed pictures people's own marks lie over the accepted mask; what they erased since is as predicted, or
    nothing.

    Parameters
    ----------
    project : Project
    run_id : str, optional
        Whose predictions; the current run's if not given.
    predict : callable, optional
        Asked where no prediction is stored.

    Raises
    ------
    ProjectError
        If there is no such run.
    """
    run = project.current_run() if run_id is None else project.run(run_id)
    store = PredictionStore(project)
    stored = frozenset[str]() if run is None else store.names(run)
    reviewed = {record.id for record in project.reviewed_pictures()}

    def prediction(record: PictureRecord) -> NDArray[np.uint8] | None:
        labels = store.load(run, record) if run is not None and record.name in stored else None
        return predict(record) if labels is None and predict is not None else labels

    def labels_of(record: PictureRecord) -> NDArray[np.uint8] | None:
        if record.id not in reviewed:
            return prediction(record)
        labels = project.weak_labels(record)
        erased = labels == project.classes.unlabeled
        rest = prediction(record) if erased.any() else None
        return labels if rest is None else np.where(erased, rest, labels)

    return labels_of


def predicted_labels(project: Project, run_id: str | None = None, device: str = "auto") -> LabelsOf:
    """Labels that a run's model gives now. The model, and torch with it, is loaded when first asked.

    Parameters
    ----------
    project : Project
    run_id : str, optional
        The current run if not given.
    device : str

    Raises
    ------
    ProjectError
        If there is no such run. Later: if nothing was trained yet, or the model can't be read or used.
    """
    run = project.current_run() if run_id is None else project.run(run_id)

    @cache
    def model() -> tuple[Callable[[Picture], NDArray[np.uint8]], NDArray[np.uint8]]:
        from spml_core.devices import find_device
        from spml_core.engine.predict_project import todays_codes
        from spml_core.labeling.inference import label_picture
        from spml_core.labeling.trained_model import TrainedModel

        if run is None:
            raise ProjectError(f"Nothing was trained yet in {project.path}.", "Run spml train first.")
        loaded = TrainedModel.load(run.folder, find_device(device))
        return lambda picture: label_picture(loaded, picture)[0], todays_codes(project, run, loaded)

    def labels_of(record: PictureRecord) -> NDArray[np.uint8]:
        label, codes = model()
        labels: NDArray[np.uint8] = codes[label(project.open_picture(record))]
        return labels

    return labels_of


def exported_codes(
    record: PictureRecord, labels: NDArray[np.uint8], classes: ClassTable
) -> NDArray[np.uint8]:
    """Labels of a picture or frame as they are written: 255 (IGNORE) for all that is no class.

    Raises
    ------
    MarkError
        If they have another size than the picture.
    """
    if labels.shape != (record.height, record.width):
        raise MarkError(
            f"The labels of {record.name!r} have the shape {labels.shape};"
            f" the picture is {record.height} x {record.width}.",
            "Predict the picture anew.",
        )
    return np.where(labels < len(classes), labels, IGNORE).astype(np.uint8)


def _labelled(
    project: Project, record: PictureRecord, labels: NDArray[np.uint8], file_name: str
) -> LabelledPicture:
    codes = exported_codes(record, labels, project.classes)
    return LabelledPicture(
        record.name, record.path, file_name, codes, read_rgb=lambda: project.open_picture(record).rgb()
    )


def check_folder(
    project: Project, out: Path, *, beside_pictures: bool = False, beside_films: bool = False
) -> None:
    """See that an export can't replace what the project is made of.

    Parameters
    ----------
    project : Project
    out : Path
        Folder that the export would write to.
    beside_pictures, beside_films : bool
        Whether it may lie where pictures or films are: no file of the export could have the name of one.

    Raises
    ------
    StorageError
        If it could.
    """
    check_output_folder(out, kept_files(project, beside_pictures=beside_pictures, beside_films=beside_films))


def _file_names(project: Project) -> dict[int, str]:
    """Path of each picture below the folder that holds all, by id; just its name if there is no such folder."""
    try:
        base = os.path.commonpath([record.path.parent for record in project.pictures])
    except ValueError:  # on different drives
        return {record.id: record.path.name for record in project.pictures}
    return {record.id: record.path.relative_to(base).as_posix() for record in project.pictures}
