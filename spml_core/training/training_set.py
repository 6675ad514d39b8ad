"""What training learns from: pictures, weak label maps and tags. It knows no project and no database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import CoarseMarks
from spml_core.annotations.sufficiency import BACKGROUND, known_classes, what_is_lacking
from spml_core.classes import IGNORE
from spml_core.errors import TrainingError


@dataclass(frozen=True)
class TrainingPicture:
    """One picture and what is known of it.

    Attributes
    ----------
    name : str
    rgb : callable
        Gives the pixels, (H, W, 3) uint8, each time it is called.
    labels : callable, or None
        Gives the weak label map (H, W) uint8 with the codes of METHODS.md 0.2; None if nobody marked the picture.
    tags : ndarray, (K,) bool
        Classes known to be in the picture.
    coarse : CoarseMarks
        Boxes, key points and tags, their classes as codes of the training set.
    carried : bool
        Whether the labels are marks of other frames of a film that were carried along the flow.
    """

    name: str
    rgb: Callable[[], NDArray[np.uint8]]
    labels: Callable[[], NDArray[np.uint8]] | None
    tags: NDArray[np.bool_]
    coarse: CoarseMarks = field(default_factory=CoarseMarks)
    carried: bool = False

    @property
    def marked(self) -> bool:
        """Whether there is a mark of any kind."""
        return self.labels is not None or bool(self.coarse)

    @classmethod
    def from_arrays(
        cls, name: str, rgb: NDArray[np.uint8], labels: NDArray[np.uint8] | None, num_classes: int
    ) -> TrainingPicture:
        """Picture in memory; its tags are the classes in ``labels``.

        Raises
        ------
        TrainingError
            If labels and picture differ in size, or a label is neither class, UNLABELED (K) nor IGNORE (255).
        """
        tags = np.zeros(num_classes, bool)
        if labels is None:
            return cls(name, lambda: rgb, None, tags)
        known = labels
        if known.shape != rgb.shape[:2]:
            raise TrainingError(
                f"{name}: labels of shape {known.shape} don't fit a picture of {rgb.shape[:2]}.",
                "Give one label per pixel.",
            )
        values = np.unique(known)
        odd = values[(values > num_classes) & (values != IGNORE)]
        if len(odd):
            raise TrainingError(
                f"{name}: label {int(odd[0])} is no class of {num_classes}.",
                f"Use 0..{num_classes - 1}, {num_classes} for unlabelled, {IGNORE} for ignored pixels.",
            )
        tags[values[values < num_classes]] = True
        return cls(name, lambda: rgb, lambda: known, tags)


@dataclass(frozen=True)
class Clip:
    """Frames of a film to learn from, in its order.

    Attributes
    ----------
    name : str
        Of the film.
    frames : tuple of TrainingPicture
    indices : tuple of int
        Their numbers in the film, ascending.

    Raises
    ------
    TrainingError
        If the numbers don't ascend, or there isn't one for each frame.
    """

    name: str
    frames: tuple[TrainingPicture, ...]
    indices: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.indices):
            raise TrainingError(
                f"The film {self.name}: {len(self.frames)} frames came with {len(self.indices)} numbers.",
                "Give one for each frame.",
            )
        if any(a >= b for a, b in pairwise(self.indices)):
            raise TrainingError(
                f"The film {self.name}: its frames aren't in order ({self.indices}).",
                "Give ascending numbers.",
            )


@dataclass(frozen=True)
class TrainingSet:
    """Pictures to learn from, marked and unmarked, and the names of the classes.

    Attributes
    ----------
    pictures : tuple of TrainingPicture
        Marked frames of films are among them.
    class_names : tuple of str
    clips : tuple of Clip
        Frames of films, marked and unmarked; only training on films looks at them.
    """

    pictures: tuple[TrainingPicture, ...]
    class_names: tuple[str, ...]
    clips: tuple[Clip, ...] = ()

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def marked(self) -> tuple[TrainingPicture, ...]:
        """Pictures with marks of any kind."""
        return tuple(p for p in self.pictures if p.marked)

    @property
    def unmarked(self) -> tuple[TrainingPicture, ...]:
        """Pictures without."""
        return tuple(p for p in self.pictures if not p.marked)

    @classmethod
    def from_arrays(
        cls,
        pictures: Sequence[NDArray[np.uint8]],
        labels: Sequence[NDArray[np.uint8] | None],
        class_names: Sequence[str],
    ) -> TrainingSet:
        """Set of pictures in memory, with labels or None for each.

        Examples
        --------
        >>> import numpy as np
        >>> picture = np.zeros((32, 32, 3), np.uint8)
        >>> marks = np.full((32, 32), 2, np.uint8)  # 2 classes, so 2 means "not marked"
        >>> marks[4, 4:9], marks[20, 4:9] = 0, 1
        >>> TrainingSet.from_arrays([picture], [marks], ["background", "cell"]).num_classes
        2
        """
        if len(pictures) != len(labels):
            raise TrainingError(
                f"{len(pictures)} pictures came with {len(labels)} label maps.",
                "Give one per picture, None for an unmarked one.",
            )
        count = len(class_names)
        made = [
            TrainingPicture.from_arrays(f"picture {i}", rgb, known, count)
            for i, (rgb, known) in enumerate(zip(pictures, labels, strict=True))
        ]
        return cls(tuple(made), tuple(class_names))


def check_training_set(training_set: TrainingSet) -> list[str]:
    """See whether there is something to learn from; gives warnings to show.

    Raises
    ------
    TrainingError
        If nothing is marked, or only one class is.
    """
    names = training_set.class_names
    painted = [_painted(p, len(names)) for p in training_set.marked]
    seen = {int(index) for there in painted for index in np.flatnonzero(there)}
    coarse = [p.coarse for p in training_set.pictures]
    lacking, remedy = what_is_lacking(seen, coarse, names)
    if lacking:
        raise TrainingError(lacking, remedy)
    known = known_classes(seen, coarse)
    tagged = {index for marks in coarse for index in marks.tags}
    told = [
        f"No complete list of tags leaves out {name!r}, so tags hardly tell where it is: mark it once or twice."
        if index in tagged
        else f"The class {name!r} is marked nowhere, so it will never be predicted."
        for index, name in enumerate(names)
        if index not in known
    ]
    return [*told, *_contradictions(training_set, painted)]


def check_clips(training_set: TrainingSet) -> None:
    """See whether there is a film to learn from.

    Raises
    ------
    TrainingError
        If there is no clip with a second frame.
    """
    if not any(len(clip.frames) > 1 for clip in training_set.clips):
        raise TrainingError(
            "Learning from films needs a film of two frames at least, and there is none.",
            "Add a film to the project, or train without --video.",
        )


def _contradictions(training_set: TrainingSet, painted: list[NDArray[np.bool_]]) -> Iterator[str]:
    for picture, there in zip(training_set.marked, painted, strict=True):
        if picture.coarse.complete:
            boxed = {box.class_index for box in picture.coarse.boxes}
            extra = (set(np.flatnonzero(there)) | boxed) - set(picture.coarse.tags) - {BACKGROUND}
            if extra:
                listed = ", ".join(training_set.class_names[index] for index in sorted(extra))
                yield (
                    f"{picture.name}: the tags leave out {listed}, but there are other marks of it; those count."
                )


def _painted(picture: TrainingPicture, num_classes: int) -> NDArray[np.bool_]:
    there = np.zeros(num_classes, bool)
    if picture.labels is not None:
        values = np.unique(picture.labels())
        there[values[values < num_classes]] = True
    return there
