"""Segment pictures with a project's current model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.devices import find_device
from spml_core.engine.kept_files import given_files, kept_files
from spml_core.engine.pictures_to_predict import pictures_to_predict
from spml_core.errors import ProjectError
from spml_core.io import storage_errors, write_atomic, write_index_png
from spml_core.io.outputs import check_label_files, check_output_folder
from spml_core.io.temporary import clear_leftovers
from spml_core.labeling.class_codes import regroup
from spml_core.labeling.inference import DEFAULT, label_picture
from spml_core.labeling.scoring import Inference
from spml_core.labeling.trained_model import TrainedModel
from spml_core.project import FilmRecord, Project, Run


@dataclass(frozen=True)
class Predicted:
    """One picture was segmented.

    Attributes
    ----------
    name : str
        Stem of the picture.
    done, total : int
        Pictures so far, this one included, and in all.
    path : Path
        The index PNG.
    seconds : float
    """

    name: str
    done: int
    total: int
    path: Path
    seconds: float


def current_model(project: Project, device: str = "auto") -> TrainedModel:
    """The model of the project's current run.

    Raises
    ------
    ProjectError
        If nothing was trained yet, the model can't be read, or none of its classes is left.
    """
    return _current_model(project, device)[0]


def _current_model(project: Project, device: str) -> tuple[TrainedModel, NDArray[np.uint8]]:
    run = project.current_run()
    if run is None:
        raise ProjectError(f"Nothing was trained yet in {project.path}.", "Run spml train first.")
    model = TrainedModel.load(run.folder, find_device(device))
    return model, todays_codes(project, run, model)


def todays_codes(project: Project, run: Run, model: TrainedModel) -> NDArray[np.uint8]:
    """Today's code of each of a run's label codes, (256,) uint8, see :meth:`Project.codes_of_run`.

    Raises
    ------
    ProjectError
        If none of the run's classes is left.
    """
    codes = project.codes_of_run(run)
    if (codes[: len(model.class_names)] >= len(project.classes)).all():
        raise ProjectError(
            f"{run.id} was trained with the classes {', '.join(model.class_names)}; none of them is left.",
            "Train again.",
        )
    return codes


def predict_project(
    project: Project,
    out: Path,
    *,
    images: Path | None = None,
    film: FilmRecord | None = None,
    probabilities: bool = False,
    colored: bool = False,
    inference: Inference = DEFAULT,
    device: str = "auto",
    warn: Callable[[str], object] = lambda line: None,
) -> Iterator[Predicted]:
    """Segment the project's pictures and the marked frames of its films, or other pictures, into index PNGs.

    Classes may have been added, merged, moved or deleted since the model was trained: the codes are those of today, and
    UNLABELED stands where a pixel's class is gone.

    Parameters
    ----------
    project : Project
    out : Path
        Folder for the PNGs; made if need be.
    images : Path, optional
        Folder with other pictures, or another film.
    film : FilmRecord, optional
        One of the project's films, all frames of it; each is labelled by itself.
    probabilities : bool
        Whether to write ``NAME.npy`` too, (K, H, W) float16, of today's classes.
    colored : bool
        Whether the PNGs' palette colours the pixels (:func:`spml_core.io.write_index_png`).
    inference : Inference
        How the probabilities are made.
    device : str
    warn : callable
        Called, before the first picture, with each line on what was left out of ``images`` or isn't shown of them.

    Yields
    ------
    Predicted

    Raises
    ------
    SpmlError
        If nothing was trained yet, a picture can't be read or could be replaced, or the disk is full.
    """
    check_output_folder(
        out, (*kept_files(project, beside_films=True), *(() if images is None else given_files(images)))
    )
    wanted = pictures_to_predict(project, images, film)
    for line in wanted.warnings:
        warn(line)
    check_label_files((out / f"{name}.png" for name in wanted.names), len(project.classes))
    model, codes = _current_model(project, device)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    clear_leftovers(out)
    for done, (name, picture) in enumerate(wanted.pictures, 1):
        start = time.monotonic()
        labels, dense = label_picture(model, picture, inference, probabilities=probabilities)
        path = out / f"{name}.png"
        beside = out / f"{name}.npy"
        if dense is not None:
            with storage_errors(
                beside
            ):  # no kill leaves the labels of one model beside the probabilities of another
                beside.unlink(missing_ok=True)
        write_index_png(path, codes[labels], project.classes, colored=colored)
        if dense is not None:
            today = regroup(dense, codes, len(project.classes))
            write_atomic(beside, _npy(today.astype(np.float16)))
        yield Predicted(name, done, len(wanted.names), path, time.monotonic() - start)


def _npy(array: NDArray[np.float16]) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
