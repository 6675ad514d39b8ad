"""How good and how steady the segmentation of a film is (METHODS.md 1.18 and 6.6).

Flow needs torch, which is loaded when something is evaluated: the window does that in a child process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE, ClassTable
from spml_core.engine.film_results import FilmResults
from spml_core.errors import ConfigError, MarkError, ProjectError
from spml_core.films import Film, is_film, open_film
from spml_core.io import ImportWarnings, find_index_pngs, index_png_size, mask_reader, write_atomic
from spml_core.io.outputs import Kept, check_output_file
from spml_core.metrics import ConfusionMatrix, Scores
from spml_core.project import FilmRecord, Project
from spml_core.spelling import composed
from spml_core.wording import counted

Labels: TypeAlias = NDArray[np.uint8]
LabelsAt: TypeAlias = Callable[[int], Labels | None]
"""Given a frame's index, its labels (H, W), or None if there are none."""
Progress: TypeAlias = Callable[[int, int], object]
"""Called with (done, total) after each frame; may raise to cancel."""

_UNKNOWN = (96, 96, 96)

_NUMBER = re.compile(r"(?:(.*)_)?([0-9]{1,18})", re.DOTALL)


@dataclass(frozen=True, eq=False)
class FilmScores:
    """What a film's labels are worth.

    Attributes
    ----------
    frames : int
        Frames with a prediction.
    scored : int
        Of these, frames with a truth.
    scores : Scores or None
        Of all pixels of these frames together; None without a truth.
    pairs : int
        Pairs of consecutive frames that both have a prediction.
    literature, corrected : float
        Temporal consistency, 0..1, as published and without its two flaws: see
        :class:`spml_core.video.consistency.TemporalConsistency`. NaN without a pair.
    flicker : ndarray, (H, W) float32
        Share 0..1 of the pairs in which a pixel's label changes although it is the same thing that moved; NaN where
        that could never be told.
    """

    frames: int
    scored: int
    scores: Scores | None
    pairs: int
    literature: float
    corrected: float
    flicker: NDArray[np.float32]


def evaluate_film(
    film: Film,
    prediction_at: LabelsAt,
    truth_at: LabelsAt,
    num_classes: int,
    *,
    flow: str = "dis",
    device: str = "auto",
    progress: Progress | None = None,
    name_of: Callable[[int], str] = "Frame {}".format,
    flow_folder: Path | None = None,
    film_key: str = "",
) -> FilmScores:
    """Score a film's labels. Two frames are in memory at a time.

    Parameters
    ----------
    film : Film
    prediction_at : callable
        Codes 0..K-1 are classes; others agree with nothing from frame to frame.
    truth_at : callable
        Asked of frames with a prediction; pixels that are UNLABELED (K) or IGNORE (255) there don't count.
    num_classes : int
        K.
    flow : str
        One of ``spml_core.video.flow.FLOWS``.
    device : str
        Where a learned flow computes.
    progress : callable, optional
    name_of : callable
        What errors call the labels of a frame.
    flow_folder, film_key
        Where flow is kept, and as whose, see :class:`spml_core.video.film_flow.FilmFlow`.

    Raises
    ------
    ConfigError
        If there is no such flow.
    FilmError
        If a frame can't be read.
    MarkError
        If labels have another size than the film, or hold codes that are no classes where the truth counts.
    """
    from spml_core.video.consistency import FlickerMap, TemporalConsistency
    from spml_core.video.film_flow import FilmFlow
    from spml_core.video.flow import build_flow
    from spml_core.video.validity import forward_backward_valid

    flows = FilmFlow(build_flow(flow, device=device), flow_folder, film_key)
    literature = TemporalConsistency(num_classes, "literature")
    corrected = TemporalConsistency(num_classes, "corrected")
    flicker = FlickerMap(film.size)
    matrix = ConfusionMatrix(num_classes)
    frames = scored = pairs = 0
    before: tuple[NDArray[np.uint8], Labels] | None = None
    for index in range(film.count):
        labels = prediction_at(index)
        if labels is None:
            before = None
        else:
            frames += 1
            truth = truth_at(index)
            for found, what in ((labels, "prediction"), (truth, "truth")):
                if found is not None:
                    _check_size(name_of(index), what, (found.shape[0], found.shape[1]), film)
            if truth is not None:
                try:
                    matrix.update(truth, labels)
                except MarkError as error:
                    raise MarkError(f"{name_of(index)}: {error.problem}", error.remedy) from error
                scored += 1
            rgb = film.frame(index)
            if before is not None:
                forward = flows.between(index - 1, index, before[0], rgb)
                backward = flows.between(index, index - 1, rgb, before[0])
                valid = forward_backward_valid(forward, backward)
                for measure in (literature, corrected, flicker):
                    measure.add(before[1], labels, forward, valid)
                pairs += 1
            before = rgb, labels
        if progress is not None:
            progress(index + 1, film.count)
    return FilmScores(
        frames,
        scored,
        matrix.scores() if scored else None,
        pairs,
        literature.value,
        corrected.value,
        flicker.value,
    )


def evaluate_project_film(
    project: Project,
    film: FilmRecord,
    *,
    flow: str = "dis",
    device: str = "auto",
    progress: Progress | None = None,
) -> FilmScores:
    """Score what was propagated through a project's film: against people's marks, and for steadiness.

    Parameters
    ----------
    project : Project
        Opened, for reading at least, in the thread that evaluates.
    film : FilmRecord
    flow, device, progress
        As for :func:`evaluate_film`.

    Raises
    ------
    ProjectError
        If nothing was propagated yet, or the film was moved or replaced.
    SpmlError
        As for :func:`evaluate_film`.
    """
    num_classes = len(project.classes)
    marked = frozenset(project.marked_frames(film))
    with FilmResults.of(project, film) as results:

        def truth_at(index: int) -> Labels | None:
            labels = results.labels(index) if index in marked else None
            if labels is None:
                return None
            truth = project.weak_labels(project.frame(film, index))
            told = np.where(
                labels < num_classes, truth, IGNORE
            )  # of a class that was deleted nothing is left
            return told if (told < num_classes).any() else None

        with project.reading_film(film) as opened:
            scores = evaluate_film(
                opened,
                results.labels,
                truth_at,
                num_classes,
                flow=flow,
                device=device,
                progress=progress,
                flow_folder=project.cache_folder / "flow",
                film_key=film.content_hash,
            )
    if not scores.frames:
        raise ProjectError(
            f"Nothing was propagated through the film {film.name!r} yet.",
            "Mark some frames and propagate first.",
        )
    return scores


def evaluate_film_files(
    film: Path | str,
    predictions: Path | str,
    masks: Path | str | None,
    classes: ClassTable,
    *,
    flow: str = "dis",
    device: str = "auto",
    progress: Progress | None = None,
    warnings: ImportWarnings | None = None,
) -> FilmScores:
    """Score index PNGs of a film's frames; see :func:`match_frames` for their names.

    Parameters
    ----------
    film : path
        A film's file, or the folder of its frames.
    predictions : path
        Folder.
    masks : path or None
        Folder with the truth of some or all frames; 255 is void. None: only steadiness is measured.
    classes : ClassTable
    flow, device, progress
        As for :func:`evaluate_film`.
    warnings : ImportWarnings, optional
        Is told of masks and predictions in black and white. See ``mask_reader``.

    Raises
    ------
    MarkError
        If a file fits no frame, a mask has no prediction, or labels can't be read or don't fit; files are named.
    FilmError
        If the film can't be read.
    ConfigError
        If there is no such flow.
    """
    with open_film(Path(film)) as opened:
        guesses = match_frames(find_index_pngs(predictions, "predictions"), opened)
        truths = {} if masks is None else match_frames(find_index_pngs(masks, "masks"), opened)
        lonely = next((path for index, path in truths.items() if index not in guesses), None)
        if lonely is not None:
            raise MarkError(
                f"The mask {lonely} has no prediction in {predictions}.",
                "Predict that frame, or take its mask out.",
            )

        told = warnings or ImportWarnings()

        def name_of(index: int) -> str:
            return f"{guesses[index]} against {truths[index]}" if index in truths else str(guesses[index])

        def read(files: Mapping[int, Path], what: str, kind: str) -> LabelsAt:
            for index, path in files.items():  # by their headers, before one is unpacked
                _check_size(name_of(index), what, index_png_size(path), opened)
            of_file = mask_reader(list(files.values()), classes, kind, told)
            return lambda index: of_file(files[index]) if index in files else None

        told = warnings or ImportWarnings()
        return evaluate_film(
            opened,
            read(guesses, "prediction", "predictions"),
            read(truths, "truth", "masks"),
            len(classes),
            flow=flow,
            device=device,
            progress=progress,
            name_of=name_of,
        )


def _check_size(name: str, what: str, size: tuple[int, int], film: Film) -> None:
    if size != film.size:
        raise MarkError(
            f"{name}: the {what} is {size[0]} x {size[1]} pixels, the film {film.size[0]} x {film.size[1]}.",
            "Give labels at the film's full size.",
        )


def match_frames(files: Mapping[str, Path], film: Film) -> dict[int, Path]:
    """Find out which frame of a film each file belongs to.

    The first of these that fits all files: their stems are those of a sequence's frames, alone or after the film's name
    and ``_``; they are numbers from 0, alone or after one name and ``_``; there are as many as frames, and the order of
    their names is the frames' order.

    Parameters
    ----------
    files : mapping
        Path by stem.
    film : Film

    Returns
    -------
    dict
        Path by the frame's index, ascending.

    Raises
    ------
    MarkError
        If none fits; a file that stands in the way is named.
    """
    for index_of in (_by_stem(film), _by_number(files, film.count)):
        indices = {stem: index_of(stem) for stem in files}
        found = {index: files[stem] for stem, index in indices.items() if index is not None}
        if len(found) == len(files):
            return dict(sorted(found.items()))
    if len(files) == film.count:
        return dict(enumerate(files[stem] for stem in sorted(files)))
    by_stem, by_number = _by_stem(film), _by_number(files, film.count)
    odd = next(
        (path for stem, path in files.items() if by_stem(stem) is None and by_number(stem) is None), None
    )
    what = (
        f"{odd} fits no frame"
        if odd is not None
        else f"{next(iter(files.values()))} and others fit one frame"
    )
    raise MarkError(
        f"{what} of {film.label}; there are {counted(len(files), 'file')} and {counted(film.count, 'frame')}.",
        "Name each file after its frame, as export does: its stem, or NAME_000012, from 0 on.",
    )


def _by_stem(film: Film) -> Callable[[str], int | None]:
    known = (film.stem(index) for index in range(film.count if film.kind == "sequence" else 0))
    stems = {composed(stem or ""): index for index, stem in enumerate(known)}
    prefix = composed(f"{film.path.name}_") if film.path is not None else ""
    return lambda stem: stems.get(composed(stem), stems.get(composed(stem).removeprefix(prefix)))


def _by_number(files: Mapping[str, Path], count: int) -> Callable[[str], int | None]:
    parts = {stem: match.groups() for stem in files if (match := _NUMBER.fullmatch(stem)) is not None}
    if len({name for name, _ in parts.values()}) > 1:
        return lambda stem: None
    numbers = {stem: int(number) for stem, (_, number) in parts.items() if int(number) < count}
    return numbers.get


def check_flicker_path(path: Path, read: Iterable[Path | None] = ()) -> None:
    """See that a flicker map can be written there, before it is computed.

    Parameters
    ----------
    path : Path
    read : iterable of Path
        Files and folders that are read: the map may be none of these files, nor of those in the folders.

    Raises
    ------
    ConfigError
        If the name doesn't end in .png, or its folder isn't there.
    StorageError
        If it would replace what is read, or lies in a project.
    """
    if path.suffix.lower() != ".png":
        raise ConfigError(f"The flicker map {path} has another ending than .png.", "Give FILE.png.")
    if not path.parent.is_dir():
        raise ConfigError(f"The folder of the flicker map {path} isn't there.", "Make it first.")
    given = [each for each in read if each is not None]
    folders = [each for each in given if each.is_dir()]
    inside = [file for folder in folders for file in folder.rglob("*.*")]
    zarrs = [each for each in folders if is_film(each)]
    check_output_file(path, [Kept("files that are read", [*given, *inside]), Kept("film", folders=zarrs)])


def write_flicker_map(path: Path, flicker: NDArray[np.float32]) -> float:
    """Write a flicker map as a heat map: black where nothing changes, over red and yellow to white at the most.

    Parameters
    ----------
    path : Path
        A PNG; replaced if it exists.
    flicker : ndarray, (H, W) float32
        0..1, NaN (shown in grey) where nothing is known.

    Returns
    -------
    float
        The share that white stands for.

    Raises
    ------
    StorageError
        If the file can't be written.
    """
    import cv2

    known = np.isfinite(flicker)
    most = float(flicker[known].max(initial=0.0))
    levels = np.rint(np.where(known, flicker, 0) * (255 / most if most else 0)).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_HOT)
    colors[~known] = _UNKNOWN
    _, png = cv2.imencode(".png", colors)
    write_atomic(path, png.tobytes())
    return most
