"""The same from Python: fit on a training set, predict a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.config import TrainConfig
from spml_core.devices import find_device
from spml_core.errors import TrainingError
from spml_core.generators import run_to_end
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.trained_model import TrainedModel
from spml_core.paper.training_run import train_paper
from spml_core.training import Event, TrainingSet, train


class Segmenter:
    """Learns a segmentation and applies it.

    Parameters
    ----------
    config : TrainConfig, optional

    Attributes
    ----------
    model_ : TrainedModel
        What :meth:`fit` learned.

    Examples
    --------
    >>> segmenter = Segmenter(TrainConfig(max_seconds=30)).fit(training_set)  # doctest: +SKIP
    >>> labels, probabilities = segmenter.predict(picture)  # doctest: +SKIP
    """

    model_: TrainedModel

    def __init__(self, config: TrainConfig | None = None) -> None:
        self.config = config or TrainConfig()

    def fit(
        self, training_set: TrainingSet, *, on_event: Callable[[Event], None] = lambda event: None
    ) -> Segmenter:
        """Train from the start; returns itself.

        Parameters
        ----------
        training_set : TrainingSet
        on_event : callable
            Hears every event of the training loop.

        Raises
        ------
        TrainingError
            If there is nothing to learn from.
        """
        learn = train_paper if self.config.is_published else train
        self.model_ = run_to_end(learn(training_set, self.config), on_event)
        return self

    def predict(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Segment a picture.

        Parameters
        ----------
        image : ndarray, (H, W, 3) or (H, W) uint8

        Returns
        -------
        labels : ndarray, (H, W) uint8
            In 0..K-1.
        probabilities : ndarray, (K, H, W) float32
            Sum to 1 over the classes.

        Raises
        ------
        TrainingError
            If nothing was learned yet, or the picture isn't 8-bit grey or RGB.
        """
        if not hasattr(self, "model_"):
            raise TrainingError("This segmenter has learned nothing yet.", "Call fit or load first.")
        rgb = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise TrainingError(
                f"A picture of shape {image.shape} and type {image.dtype} can't be segmented.",
                "Give (H, W, 3) or (H, W) of type uint8.",
            )
        labels, probabilities = label_picture(self.model_, ArrayPixels(rgb), probabilities=True)
        if probabilities is None:
            raise TrainingError("The model gave no probabilities.", "Report this as a bug.")
        return labels, probabilities

    def save(self, folder: Path) -> None:
        """Write the model to a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model_.save(folder)

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> Segmenter:
        """Segmenter from a folder that :meth:`save`, or a project's run, wrote."""
        model = TrainedModel.load(folder, find_device(device))
        segmenter = cls(model.config)
        segmenter.model_ = model
        return segmenter
