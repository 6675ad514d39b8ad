"""Messages between the window and its child processes: one trains, one answers questions about pictures.

Those of suggestions, which a third one makes, are in ``suggest_messages``.

All are frozen and hold plain values and numpy arrays only, so they cross a pipe. This file imports no torch: the window
starts without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# To the training process --------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainingOrder:
    """What to train; the first thing the training process is given.

    Attributes
    ----------
    project : str
        The project's folder. The child opens it for reading only; the window holds the writer's lock.
    run_id : str
        A run that the window made; its config.json holds the settings.
    resume : bool
        Whether to go on from the run's checkpoint.
    continue_from : str or None
        A run whose model is the start; None begins from scratch.
    shown : int or None
        Id of the picture whose preview is wanted.
    shrink : int
        Previews are this many times smaller than the picture.
    preview_seconds : float
        Least time from one preview to the next, unless another picture is wanted.
    """

    project: str
    run_id: str
    resume: bool = False
    continue_from: str | None = None
    shown: int | None = None
    shrink: int = 1
    preview_seconds: float = 1.25


@dataclass(frozen=True)
class Stop:
    """Stop after this step; the model is kept."""


@dataclass(frozen=True)
class Pause:
    """Take no further step until told; paused time isn't counted."""


@dataclass(frozen=True)
class Continue:
    """Go on after a pause."""


@dataclass(frozen=True)
class ShowPicture:
    """Previews shall be of this picture from now on (None: of none), ``shrink`` times smaller than it is."""

    picture_id: int | None
    shrink: int = 1


@dataclass(frozen=True)
class MarksChanged:
    """Marks of these pictures changed and are on the disk; without an id classes did, or pictures came."""

    picture_ids: tuple[int, ...]


# From the training process ------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """The training process is about to end, all its files written.

    Attributes
    ----------
    stopped : bool
        Whether it was stopped before its planned end.
    held_back_score : float or None
        Mean IoU (0..1) on marks that were kept out.
    """

    stopped: bool
    held_back_score: float | None


@dataclass(frozen=True)
class Preview:
    """How the model, as it is now, labels the shown picture.

    Attributes
    ----------
    picture_id : int
    shrink : int
    labels : ndarray, (ceil(H / shrink), ceil(W / shrink)) uint8
        Today's label codes.
    step : int
        Steps taken so far; 0 before the first.
    """

    picture_id: int
    shrink: int
    labels: NDArray[np.uint8]
    step: int


@dataclass(frozen=True)
class Failed:
    """Something went wrong: ``error`` says what, ``remedy`` what to do; ``request`` is the question, if any."""

    error: str
    remedy: str
    request: int | None = None


# To the answering process -------------------------------------------------------------------------


@dataclass(frozen=True)
class Predict:
    """Label a picture with a run's model; answered by :class:`Prediction`.

    Attributes
    ----------
    request : int
        Number of the question; the answer carries it.
    picture_id : int
    run_id : str
    shrink : int
        The answer is this many times smaller than the picture.
    """

    request: int
    picture_id: int
    run_id: str
    shrink: int = 1


@dataclass(frozen=True)
class PredictAll:
    """Label every picture that the run hasn't labelled yet, in the background, and store the predictions.

    Answered by a :class:`Stored` for each. Other questions are answered in between. A new one replaces it.
    """

    request: int
    run_id: str
    first: int | None = None


@dataclass(frozen=True)
class FindRegions:
    """Cut a picture into about ``count`` regions of one look; answered by :class:`Regions`."""

    request: int
    picture_id: int
    count: int
    shrink: int = 1


@dataclass(frozen=True)
class AskWhy:
    """Which labelled segments decided the pixel (y, x)? Answered by :class:`Reasons`."""

    request: int
    picture_id: int
    run_id: str
    y: float
    x: float
    neighbors: int = 6


@dataclass(frozen=True)
class AskSeeds:
    """What would training take a picture's marks for? Answered by :class:`SeedsAnswer`.

    Attributes
    ----------
    request, picture_id : int
    run_id : str or None
        The run whose model's activation is used; None if there is no model yet.
    shrink : int
        The answer is this many times smaller than the picture.
    """

    request: int
    picture_id: int
    run_id: str | None = None
    shrink: int = 1


@dataclass(frozen=True)
class Cancel:
    """Forget the question with this number if it isn't answered yet."""

    request: int


# From the answering process -----------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """The answering process has started; ``devices`` it could compute on, best first."""

    devices: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """Answer to :class:`Predict`.

    Attributes
    ----------
    request, picture_id : int
    run_id : str
    shrink : int
    labels : ndarray, (h, w) uint8
        Today's label codes; UNLABELED where the model's class was deleted since.
    probabilities : ndarray, (K, h, w) uint8
        Of today's classes, 255 for certain.
    uncertainty : ndarray, (h, w) uint8
        Entropy of the probabilities, 255 for all classes alike.
    """

    request: int
    picture_id: int
    run_id: str
    shrink: int
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]


@dataclass(frozen=True)
class Stored:
    """A picture's prediction is on the disk: part of the answer to :class:`PredictAll`."""

    request: int
    run_id: str
    picture_id: int
    done: int
    total: int


@dataclass(frozen=True)
class Regions:
    """Answer to :class:`FindRegions`: regions (h, w) int32 numbered from 0."""

    request: int
    picture_id: int
    shrink: int
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class SeedsAnswer:
    """Answer to :class:`AskSeeds`.

    Attributes
    ----------
    request, picture_id : int
    shrink : int
    labels : ndarray, (h, w) uint8
        The weak label map: a class of today, K where nothing is known, 255 for void.
    painted : ndarray, (h, w) bool
        Where the label was painted or accepted by a person; elsewhere it was made of boxes, tags or key points.
    """

    request: int
    picture_id: int
    shrink: int
    labels: NDArray[np.uint8]
    painted: NDArray[np.bool_]


@dataclass(frozen=True)
class Reason:
    """A labelled segment near to the asked-for one.

    Attributes
    ----------
    picture : str
        Name of its picture.
    y, x : float
        A pixel inside it.
    class_index : int
        Its class today.
    similarity : float
        Cosine of the two embeddings, -1..1.
    """

    picture: str
    y: float
    x: float
    class_index: int
    similarity: float


@dataclass(frozen=True)
class Reasons:
    """Answer to :class:`AskWhy`, most similar first."""

    request: int
    picture_id: int
    y: float
    x: float
    reasons: tuple[Reason, ...] = field(default=())
