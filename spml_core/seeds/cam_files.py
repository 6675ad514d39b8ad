"""Files of class activation maps: published ones (.npy with a dictionary inside) and our own (.npz).

A published file holds a pickle, and a pickle may be any program. So it is read with a reader of its own, which knows
nothing but arrays and numbers (array_pickle.py).
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import MarkError
from spml_core.io import write_atomic
from spml_core.seeds.array_pickle import RefusedPickleError, load_arrays

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

_MOST_BYTES = 1 << 33
"""Of the maps of one picture: 100 classes on 20 million pixels."""

_AGAIN = "Export it anew: a dictionary from class number to a (height, width) map, saved with numpy.save."


class ActivationMaps(NamedTuple):
    """Activation maps of one picture.

    Attributes
    ----------
    maps : ndarray (K-1, h, w), float32
        Map ``c - 1`` is that of class ``c``; 0 for a class without one.
    present : ndarray (K,) bool
        Classes with a map.
    """

    maps: NDArray[np.float32]
    present: NDArray[np.bool_]


def read_activation_maps(path: Path | str, num_classes: int, *, first_class: int = 1) -> ActivationMaps:
    """Read the activation maps of a picture, .npz of our own or a published .npy dictionary.

    Parameters
    ----------
    path : path
    num_classes : int
        K.
    first_class : int
        The class that number 0 in a published dictionary stands for: 1 where the background isn't counted, as
        in the files of PSA and SEAM, 0 where it is. Our own files carry class indexes.

    Raises
    ------
    MarkError
        If the file can't be read, isn't what it should be, holds more than arrays and numbers, or speaks of
        classes that aren't among the K.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MarkError(f"{path} can't be read: {error.strerror or error}.", "Check the path.") from error
    if content.startswith(b"PK"):
        numbered = _from_npz(path, content)
    else:
        numbered = {number + first_class: m for number, m in _from_dictionary(path, content).items()}
    return _stacked(path, numbered, num_classes)


def write_activation_maps(path: Path | str, activation: ActivationMaps) -> None:
    """Write the maps of the classes that are present, without loss, as a compressed .npz.

    The file is written whole or not at all. It holds ``classes`` (n,) uint8 and ``maps`` (n, h, w) float32.

    Raises
    ------
    StorageError
        If it can't be written.
    """
    classes = np.flatnonzero(activation.present[1:]) + 1
    maps = activation.maps[classes - 1]
    write_atomic(path, lambda file: np.savez_compressed(file, classes=classes.astype(np.uint8), maps=maps))


def _from_npz(path: Path, content: bytes) -> dict[int, NDArray[np.generic]]:
    try:
        _check_sizes(path, content)
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            classes, maps = stored["classes"], stored["maps"]
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise MarkError(f"{path} holds no readable activation maps: {error}.", "Write it anew.") from error
    if classes.ndim != 1 or classes.dtype.kind not in "iu" or len(maps) != len(classes):
        raise MarkError(
            f"{path} has maps of shape {maps.shape} for classes of shape {classes.shape}.", "Write it anew."
        )
    return {int(number): m for number, m in zip(classes, maps, strict=True)}


def _check_sizes(path: Path, content: bytes) -> None:
    """Refuse arrays of absurd shape by their headers: a zip of a few bytes may stand for terabytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in ("classes.npy", "maps.npy"):
            with archive.open(name) as file:
                version = np.lib.format.read_magic(file)
                if version not in _HEADERS:
                    raise ValueError(f"version {version} of the format")
                shape, _, dtype = _HEADERS[version](file)
            if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize > _MOST_BYTES:
                raise MarkError(
                    f"{path} says that {name} is of shape {_short(shape)}, more than {_MOST_BYTES >> 30} GiB.",
                    "Write it anew.",
                )


def _short(shape: tuple[int, ...]) -> str:
    text = str(shape)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _from_dictionary(path: Path, content: bytes) -> dict[int, NDArray[np.generic]]:
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        shape, _, dtype = _HEADERS[version](file)
        stored = load_arrays(file) if dtype.hasobject else None
    except RefusedPickleError as refusal:
        raise MarkError(
            f"{path} wants to run {refusal}, which no file of activation maps needs: it wasn't opened.",
            "Don't open this file with other programs unless you trust its source.",
        ) from refusal
    # What the parsers of headers and pickles raise on damaged bytes: nearly anything.
    except Exception as error:
        raise MarkError(f"{path} is no readable .npy file: {error}.", _AGAIN) from error
    if not isinstance(stored, dict):
        raise MarkError(f"{path} holds no dictionary but an array {shape} of type {dtype}.", _AGAIN)
    for number, values in stored.items():
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise MarkError(f"{path} has an entry {number!r}; class numbers are whole.", _AGAIN)
        if not isinstance(values, np.ndarray):
            raise MarkError(f"{path} has no map for number {number}, but {type(values).__name__}.", _AGAIN)
    return {int(number): values for number, values in stored.items()}


def _stacked(path: Path, numbered: Mapping[int, NDArray[Any]], num_classes: int) -> ActivationMaps:
    sizes = {m.shape for m in numbered.values()}
    if len(sizes) != 1 or len(next(iter(sizes))) != 2 or 0 in next(iter(sizes)):
        raise MarkError(f"{path} has maps of the shapes {sorted(sizes)}.", "Give one size (height, width).")
    height, width = next(iter(sizes))
    if (num_classes - 1) * height * width * 4 > _MOST_BYTES:
        raise MarkError(
            f"{path} has maps of {height} x {width}, for {num_classes} classes more than {_MOST_BYTES >> 30} GiB.",
            "Write smaller ones: they are stretched over the picture.",
        )
    maps = np.zeros((num_classes - 1, *next(iter(sizes))), np.float32)
    present = np.zeros(num_classes, bool)
    for index, values in numbered.items():
        if not 0 < index < num_classes:
            raise MarkError(
                f"{path} has a map for class {index}; there are {num_classes}, and the background has none.",
                "Check whether its numbers count the background.",
            )
        if values.dtype.kind not in "fiu":
            raise MarkError(f"{path} has a map of type {values.dtype} for class {index}.", _AGAIN)
        if not np.isfinite(values).all():
            raise MarkError(f"{path} has a map for class {index} that isn't finite.", "Compute it anew.")
        maps[index - 1] = values
        present[index] = True
    return ActivationMaps(maps, present)
