"""Predictions in a folder against masks in another (METHODS.md 1.18)."""

from __future__ import annotations

from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io import find_index_pngs, read_index_png
from spml_core.metrics import ConfusionMatrix, Scores


def evaluate_folder(predictions: Path | str, masks: Path | str, classes: ClassTable) -> tuple[Scores, int]:
    """Score index PNGs against the masks of the same stems.

    Parameters
    ----------
    predictions : path
        Folder. What has no mask isn't looked at.
    masks : path
        Folder; 255 is void and doesn't count.
    classes : ClassTable

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
    truths = find_index_pngs(masks, "masks")
    guesses = find_index_pngs(predictions, "predictions")
    matrix = ConfusionMatrix(len(classes))
    for stem, truth_path in truths.items():
        if stem not in guesses:
            raise MarkError(
                f"The mask {truth_path} has no prediction {stem}.png in {predictions}.",
                "Predict that picture, or take its mask out.",
            )
        truth, guess = read_index_png(truth_path), read_index_png(guesses[stem])
        if truth.shape != guess.shape:
            raise MarkError(
                f"The prediction {guesses[stem]} is {guess.shape[0]} x {guess.shape[1]} pixels,"
                f" its mask {truth_path} {truth.shape[0]} x {truth.shape[1]}.",
                "Predict the picture at its full size.",
            )
        try:
            matrix.update(truth, guess)
        except MarkError as error:
            raise MarkError(f"{guesses[stem]} against {truth_path}: {error.problem}", error.remedy) from error
    return matrix.scores(), len(truths)
