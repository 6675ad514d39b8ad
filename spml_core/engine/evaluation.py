"""Predictions in a folder against masks in another (METHODS.md 1.18)."""

from __future__ import annotations

from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.images import Folders
from spml_core.images.folders import CONTRADICTION, agreement
from spml_core.io import ImportWarnings, index_png_size, mask_reader
from spml_core.io.imports.files import find_files
from spml_core.metrics import ConfusionMatrix, Scores
from spml_core.spelling import composed


def evaluate_folder(
    predictions: Path | str, masks: Path | str, classes: ClassTable, warnings: ImportWarnings | None = None
) -> tuple[Scores, int]:
    """Score index PNGs against the masks of the same stems, whose folders don't speak of other pictures.

    Parameters
    ----------
    predictions : path
        Folder. What has no mask isn't looked at.
    masks : path
        Folder; 255 is void and doesn't count.
    classes : ClassTable
    warnings : ImportWarnings, optional
        Is told of masks and predictions in black and white. See ``mask_reader``.

    Returns
    -------
    scores : Scores
        Of all pixels of all masks together.
    pictures : int
        Number of masks.

    Raises
    ------
    MarkError
        If a mask has no prediction, or the two differ in size, or hold a code that is no class. Both files
        are named.
    """
    pairs = _pairs(Path(predictions), Path(masks))
    for truth_path, guess_path in pairs:
        truth, guess = index_png_size(truth_path), index_png_size(guess_path)
        if truth != guess:
            raise MarkError(
                f"The prediction {guess_path} is {guess[0]} x {guess[1]} pixels,"
                f" its mask {truth_path} {truth[0]} x {truth[1]}.",
                "Predict the picture at its full size.",
            )
    warnings = warnings or ImportWarnings()
    read_truth = mask_reader([truth for truth, _ in pairs], classes, "masks", warnings)
    read_guess = mask_reader([guess for _, guess in pairs], classes, "predictions", warnings)
    matrix = ConfusionMatrix(len(classes))
    for truth_path, guess_path in pairs:
        try:
            matrix.update(read_truth(truth_path), read_guess(guess_path))
        except MarkError as error:
            raise MarkError(f"{guess_path} against {truth_path}: {error.problem}", error.remedy) from error
    return matrix.scores(), len(pairs)


def _pairs(predictions: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Each mask with its prediction: of the same stem, and in no folder that speaks of another picture (ADR 0016)."""
    guesses = _index_pngs(predictions, "predictions")
    by_stem: dict[str, list[Path]] = {}
    for path in guesses:
        by_stem.setdefault(composed(path.stem), []).append(path)
    known = {word for folders in guesses.values() for word in folders.words}
    mask_of: dict[Path, Path] = {}
    for truth, said in _index_pngs(masks, "masks").items():
        same = by_stem.get(composed(truth.stem), [])
        by_agreement: dict[int, list[Path]] = {}
        for path in same:
            by_agreement.setdefault(agreement(said, guesses[path], known), []).append(path)
        best = max(by_agreement, default=CONTRADICTION)
        if best == CONTRADICTION:
            other = f"; {same[0]} lies in another folder" if same else ""
            raise MarkError(
                f"The mask {truth} has no prediction {truth.stem}.png in {predictions}{other}.",
                "Predict that picture, or take its mask out.",
            )
        first, *more = by_agreement[best]
        if more:
            raise MarkError(
                f"Two files belong to the mask {truth}: {first} and {more[0]}.", "Keep one of them."
            )
        if mask_of.setdefault(first, truth) != truth:
            raise MarkError(
                f"Two masks belong to the prediction {first}: {mask_of[first]} and {truth}.",
                "Keep one of them.",
            )
    return [(truth, guess) for guess, truth in mask_of.items()]


def _index_pngs(folder: Path, what: str) -> dict[Path, Folders]:
    found = find_files(folder, (".png",), what)
    if not found:
        raise MarkError(f"There is no PNG in {folder}.", f"Give the folder that holds the {what}.")
    return {path: Folders.of_file(path, folder) for path in found}
