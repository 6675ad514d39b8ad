"""Region maps and ultrametric contour maps made elsewhere, and writing our own.

=======================  ==========================================================================================
file                     regions
=======================  ==========================================================================================
PNG, TIFF, one channel   one value, one region: 8 or 16 bit, palette, or 32 bit (TIFF)
PNG, TIFF, colours       one colour, one region
npy                      whole numbers as above
mat                      the first of ``ucm2``, ``ucm``, ``segs``, ``seg``, ``labels``, ``regions``; of other names
                         the only matrix
=======================  ==========================================================================================

A map of twice the picture's size plus one is a contour map in the layout of ``ucm2``; it is cut at a threshold.
Of that size, 8 and 16 bit stand for 0..1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spml_core.errors import ConfigError, PictureError
from spml_core.images.picture import MOST_PIXELS
from spml_core.io.atomic import write_atomic
from spml_core.spelling import composed

UCM_THRESHOLD = 0.1
"""Level at which a contour map is cut unless told otherwise: that of the maps published for DensePose (1.9)."""

RegionsAt = Callable[[float], NDArray[np.int32]]
"""The regions that borders of at least a level leave."""

_MAT_NAMES = ("ucm2", "ucm", "segs", "seg", "labels", "regions")
_UCM_NAMES = ("ucm", "ucm2")
_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".mat")
_REMEDY = "Give a region map (PNG, TIFF, npy) or a contour map (.mat) of this very picture."


def read_regions(
    path: Path | str,
    shape: tuple[int, int],
    *,
    threshold: float = UCM_THRESHOLD,
    max_regions: int | None = None,
) -> NDArray[np.int32]:
    """Regions of a picture from a file.

    Parameters
    ----------
    path : path
        A file as in the table above; its suffix tells the format.
    shape : (int, int)
        Height and width of the picture.
    threshold : float
        Of a contour map: borders of at least this level stay. Region maps have none.
    max_regions : int, optional
        Of a contour map: the threshold is raised until there are no more regions than this.

    Returns
    -------
    ndarray, (H, W) int32
        Compact labels ``0..R-1``, numbered by first appearance. Those of a contour map are 4-connected; a region map's
        are whatever has one value.

    Raises
    ------
    PictureError
        If the file can't be read, isn't of the picture's size, or holds values that are neither regions nor levels.
    ConfigError
        If the threshold is no number or ``max_regions`` is below 1.
    """
    path = Path(path)
    if np.isnan(threshold) or (max_regions is not None and max_regions < 1):
        raise ConfigError(
            f"A threshold of {threshold} with at most {max_regions} regions makes no sense.",
            "Give a level from 0 on, and 1 region or more.",
        )
    values, is_ucm = _read(path)
    height, width = shape
    if values.shape == (2 * height + 1, 2 * width + 1):
        levels = _levels(path, values)
        return _raised(levels, threshold, max_regions, _between_cracks(levels))
    if values.shape != (height, width):
        raise PictureError(
            f"{path} is {values.shape[0]} x {values.shape[1]}, its picture {height} x {width}.", _REMEDY
        )
    if is_ucm:
        levels = _levels(path, values)
        return _raised(levels, threshold, max_regions, _between_lines(levels))
    if values.dtype.kind == "f" and not np.array_equal(values, np.floor(values)):
        raise PictureError(f"{path} holds {values.dtype} values that aren't whole.", _REMEDY)
    return _compact(values)


def find_region_maps(folder: Path | str) -> dict[str, Path]:
    """Files of a folder that :func:`read_regions` may read, by stem, composed (NFC): the name of their picture.

    Raises
    ------
    PictureError
        If the folder isn't there, has no such file, or two of one stem.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PictureError(
            f"There is no folder {folder} with region maps.", "Give the folder that holds them."
        )
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."):
            twin = found.setdefault(composed(path.stem), path)
            if twin is not path:
                raise PictureError(f"{twin} and {path} are both for {path.stem!r}.", "Keep one of them.")
    if not found:
        raise PictureError(f"There is no region map in {folder}.", f"Known are {', '.join(_SUFFIXES)}.")
    return found


def write_regions(path: Path | str, regions: NDArray[np.integer[Any]]) -> None:
    """Write a region map as a grey PNG of 16 bit, which :func:`read_regions` reads back.

    Raises
    ------
    PictureError
        If a label is below 0 or above 65,535.
    StorageError
        If the file can't be written.
    """
    if regions.size and (int(regions.min()) < 0 or int(regions.max()) > 0xFFFF):
        raise PictureError(
            f"The {int(regions.max()) + 1} regions for {path} don't fit in 16 bit.",
            "Ask for 65,536 or fewer.",
        )
    _write_16_bit(path, regions.astype(np.uint16))


def write_strength(path: Path | str, strength: NDArray[np.floating[Any]]) -> None:
    """Write an edge or contour map of 0..1 as a grey PNG of 16 bit (value times 65,535).

    Raises
    ------
    StorageError
        If the file can't be written.
    """
    _write_16_bit(path, np.rint(np.clip(strength, 0, 1) * 65535).astype(np.uint16))


def _write_16_bit(path: Path | str, values: NDArray[np.uint16]) -> None:
    image = Image.fromarray(np.ascontiguousarray(values))
    write_atomic(path, lambda file: image.save(file, format="PNG"))


def _read(path: Path) -> tuple[NDArray[Any], bool]:
    """The matrix of a file, and whether its name says that it is a contour map."""
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise PictureError(f"{path} is of an unknown kind.", f"Known are {', '.join(_SUFFIXES)}.")
    is_ucm = False
    try:
        if suffix == ".mat":
            values, name = _read_mat(path)
            is_ucm = name in _UCM_NAMES
        elif suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        elif suffix == ".png":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # By its class, past Image.open's limit on the number of pixels: ours is that of pictures.
                with path.open("rb") as file, PngImagePlugin.PngImageFile(file) as image:
                    if image.height * image.width > MOST_PIXELS:
                        raise PictureError(
                            f"{path} has {image.height} x {image.width} pixels, more than"
                            f" {MOST_PIXELS / 1e9:.1f} billion.",
                            "Cut it into smaller ones.",
                        )
                    values = np.asarray(image.convert("RGB") if image.mode == "RGBA" else image)
        else:
            import tifffile

            values = tifffile.imread(path)
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"There is no region map {path}.", "Check the path.") from error
    # Damaged files make these readers raise anything from SyntaxError to RuntimeError.
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise PictureError(f"{path} can't be read: {reason.rstrip('.')}.", "Save it anew.") from error
    if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype.kind == "u":
        channels = [values[..., i].astype(np.int64) for i in range(3)]
        values = channels[0] + (channels[1] << 16) + (channels[2] << 32)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "buif":
        raise PictureError(f"{path} holds {values.dtype} of shape {values.shape}, no map.", _REMEDY)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise PictureError(f"{path} holds NaN or infinity.", _REMEDY)
    return values, is_ucm


def _read_mat(path: Path) -> tuple[NDArray[Any], str]:
    """The matrix of a MATLAB file, and its name."""
    from scipy.io import loadmat

    try:
        variables = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    except NotImplementedError:  # version 7.3 is HDF5
        variables = _read_mat_73(path)
    matrices = {key: value for key, value in variables.items() if _is_matrix(value)}
    name = next((name for name in _MAT_NAMES if name in matrices), None)
    if name is None and len(matrices) == 1:
        name = next(iter(matrices))
    if name is None:
        raise PictureError(
            f"{path} has the variables {', '.join(variables) or 'none'}.",
            f"Save one matrix named {', '.join(_MAT_NAMES[:-1])} or {_MAT_NAMES[-1]}.",
        )
    return matrices[name], name


def _is_matrix(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2 and value.size > 1 and value.dtype.kind in "buif"


def _read_mat_73(path: Path) -> dict[str, NDArray[Any]]:
    try:
        import h5py
    except ImportError as error:
        raise PictureError(
            f"{path} is a MATLAB 7.3 file, which needs the package h5py; it isn't installed.",
            "Install it (pip install h5py), or save the file with -v7.",
        ) from error
    with h5py.File(path, "r") as file:
        # MATLAB stores columns first.
        return {key: np.asarray(item[()]).T for key, item in file.items() if isinstance(item, h5py.Dataset)}


def _levels(path: Path, values: NDArray[Any]) -> NDArray[np.float64]:
    """Levels of a contour map; 8 and 16 bit stand for 0..1."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        top = 1.0
    elif values.dtype == np.uint8:
        top = 255.0
    else:  # Pillow gives 16-bit PNGs as 32-bit numbers on some platforms
        top = 1.0 if values.dtype == bool else 65535.0
        if high > top:
            low = -1
    if low < 0:
        raise PictureError(f"{path} holds contour levels from {values.min()} to {high}.", _REMEDY)
    return values.astype(np.float64) / top


def _raised(
    levels: NDArray[np.float64], threshold: float, max_regions: int | None, regions_at: RegionsAt
) -> NDArray[np.int32]:
    """Regions at the threshold, or at the lowest level above it that leaves few enough."""
    regions = regions_at(threshold)
    if max_regions is None or regions.max() < max_regions:
        return regions
    # The higher the level the fewer the regions, so the one wanted is found by halving; at infinity there is one.
    higher = np.append(np.unique(levels[levels > threshold]), np.inf)
    first, last = 0, len(higher) - 1
    while first < last:
        middle = (first + last) // 2
        if regions_at(float(higher[middle])).max() < max_regions:
            last = middle
        else:
            first = middle + 1
    return regions_at(float(higher[first]))


def _between_cracks(levels: NDArray[np.float64]) -> RegionsAt:
    """Regions of a contour map of twice the size plus one."""
    right, below = levels[1::2, 2:-1:2], levels[2:-1:2, 1::2]
    shape = right.shape[0], below.shape[1]
    return lambda level: _compact(_joined(right < level, below < level, shape))


def _between_lines(levels: NDArray[np.float64]) -> RegionsAt:
    """Regions of a contour map whose lines cover pixels: those go to a neighbouring region, faint ones first."""
    right, below = np.maximum(levels[:, 1:], levels[:, :-1]), np.maximum(levels[1:], levels[:-1])

    def regions_at(level: float) -> NDArray[np.int32]:
        from skimage.segmentation import watershed

        inside = levels < level
        if not inside.any():
            return np.zeros(levels.shape, np.int32)
        seeds = np.where(inside, _joined(right < level, below < level, levels.shape) + 1, 0)
        return _compact(
            watershed(levels, seeds, connectivity=1)  # type: ignore[no-untyped-call]
        )

    return regions_at


def _joined(right: NDArray[np.bool_], below: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Components of the pixels that the given cracks join."""
    number = np.arange(shape[0] * shape[1]).reshape(shape)
    one = np.concatenate([number[:, :-1][right], number[:-1][below]])
    two = np.concatenate([number[:, 1:][right], number[1:][below]])
    graph = coo_array((np.ones(len(one), np.uint8), (one, two)), shape=(number.size, number.size))
    _, component = connected_components(graph, directed=False)
    joined: NDArray[np.int32] = component.reshape(shape)
    return joined


def _compact(values: NDArray[Any]) -> NDArray[np.int32]:
    """Labels ``0..R-1`` by first appearance."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    compact: NDArray[np.int32] = rank[inverse.reshape(values.shape)]
    return compact
