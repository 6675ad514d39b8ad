"""Whether the folders in a file's name speak of a picture, or of another one of the same name (ADR 0016).

Folders are compared from the inside out. Those that every data set has (``images``, ``labels``) say nothing; ``train``
and ``train2017`` are one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spml_core.spelling import loosely

CONTRADICTION = -1
"""Agreement of folders that speak of different pictures."""

_SAYS_NOTHING = frozenset(
    """
    annotation annotations annots bmp boxes coco content data dataset datasets desktop documents downloads
    export exports file files frame frames gt gtfine groundtruth ground_truth home image images img imgs input inputs
    jpeg jpegimages jpg label labelled labels labelme leftimg8bit mask masks media mnt obj_train_data output outputs
    photo photos pic pics picture pictures png points pred predictions preds raw rgb scribbles segmentationclass
    segmentationclassaug segmentationobject tif tiff tmp truth upload uploads user users voc vocdevkit yolo
    """.split()  # noqa: SIM905
)

_SPLIT = re.compile(
    r"(?:(?:images?|imgs?|labels?|masks?|annotations?|instances|data|coco)[-_ ])?"
    r"(train|training|val|valid|validation|dev|test|testing)"
    r"(?:[-_ ]?(?:set|images?|imgs?|labels?|masks?|annotations?|data))?(?:[-_ ]?(?:19|20)\d\d)?"
)
_SPLITS = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}


@dataclass(frozen=True)
class Folders:
    """The folders that a file lies in, or is said to lie in.

    Parameters
    ----------
    inside : tuple of str
        Those inside its data set, outermost first.
    above : tuple of str
        The folder that holds the data set, and others above it.
    loose : bool
        Whether the data set may begin at any of those inside: the path is another machine's.
    """

    inside: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    loose: bool = False

    @classmethod
    def of_file(cls, path: Path, root: Path) -> Folders:
        """Folders of a file that was found in ``root``, a folder or the file itself."""
        inside = path.parent.relative_to(root).parts if path.is_relative_to(root) and path != root else ()
        top = root.parent if path == root else root
        return cls(inside, (Path.cwd() / top).parts[-2:])

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Those inside that say something, in one spelling."""
        return _telling(self.inside)

    @cached_property
    def words_above(self) -> tuple[str, ...]:
        """The folder above, if it says something, or else ``train`` or ``val`` above that, in one spelling.

        Other names are those of any place to work at, ``test`` among them.
        """
        nearest = _telling(self.above[-1:])
        return nearest or tuple(word for word in _telling(self.above[:-1])[-1:] if word in ("train", "val"))

    @property
    def key(self) -> tuple[str, ...]:
        """The same for places that can't be told apart."""
        return tuple(word for word in self.words if not self.loose or word in _SPLIT_WORDS)


def agreement(said: Folders, own: Folders, known: Collection[str] = ()) -> int:
    """How many folders, from the inside out, are said as they are.

    Parameters
    ----------
    said : Folders
        Those in a name, or of a file of marks.
    own : Folders
        Those of the picture.
    known : collection of str
        Words of the folders of all pictures.

    Returns
    -------
    int
        ``CONTRADICTION`` if they speak of another picture.
    """
    these, those = [*said.words_above, *said.words], [*own.words_above, *own.words]
    same = 0
    while these and those and these[-1] == those[-1]:
        these.pop()
        those.pop()
        same += 1
    if not these or not those:
        return same
    this, that = these[-1], those[-1]
    said_inside, own_inside = same < len(said.words), same < len(own.words)
    strict = not said.loose and (same == 0 or len(said.words) == len(own.words))
    if _split(this) and _split(that):
        other = True
    elif own_inside:
        other = (said_inside and strict) or this in known or _numberless(this) == _numberless(that)
    else:
        other = False
    return CONTRADICTION if other else same


def common_folder(paths: Iterable[Path]) -> Path | None:
    """The innermost folder that holds all of some files; None without a file, or on several drives."""
    parents = {path.parent for path in paths}
    try:
        return Path(os.path.commonpath(parents)) if parents else None
    except ValueError:
        return None


def _telling(names: tuple[str, ...]) -> tuple[str, ...]:
    words = (loosely(name) for name in names)
    return tuple(
        _split(word) or word
        for word in words
        if word not in _SAYS_NOTHING
        and word not in ("", ".", "/", "\\")
        and not re.fullmatch(r"voc\d+|.:\\?", word)
    )


def _split(word: str) -> str:
    """``train``, ``val`` or ``test`` if the word is a way to write it, else nothing."""
    match = _SPLIT.fullmatch(word)
    return _SPLITS.get(match[1], match[1]) if match is not None else ""


def _numberless(word: str) -> str:
    return re.sub(r"\d+", "#", word)


_SPLIT_WORDS = frozenset({"train", "val", "test"})
