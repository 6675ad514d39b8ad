"""What others computed of the training pictures: activation maps and over-segmentations in folders of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import ClassTable
from spml_core.errors import PictureError
from spml_core.images import Picture
from spml_core.io.region_maps import find_region_maps, read_regions
from spml_core.paper.parts import Parts
from spml_core.seeds.activation import normalise_psa
from spml_core.seeds.cam_files import read_activation_maps
from spml_core.spelling import composed
from spml_core.training.training_set import TrainingPicture

_ACTIVATION = ("cam", "CAM", "cams")
_REGIONS = ("hed", "regions", "pmi")
_ROUNDING = 1e-4
_MOST_REGIONS = 256  # of a contour map that has to be cut first


def activation_folder(
    parts: Parts, names: Sequence[str], classes: ClassTable
) -> Callable[[str], NDArray[np.float32]] | None:
    """Reader of the activation maps (K - 1, h, w), 0 to 1, in ``cam/``; None without such a folder.

    Maps that go beyond 1 are normalised as PSA does (METHODS.md 1.10.1).
    """
    if not any((parts.root / folder).is_dir() for folder in _ACTIVATION):
        return None
    files = parts.files(_ACTIVATION, (".npy", ".npz"))
    parts.need("activation maps of training pictures", names, files)

    def read(name: str) -> NDArray[np.float32]:
        maps = read_activation_maps(files[name], len(classes)).maps
        if float(maps.max(initial=0)) > 1 + _ROUNDING:
            maps = normalise_psa(maps)
        return maps

    return read


def region_folder(
    parts: Parts, names: Sequence[str], pictures: Mapping[str, Path]
) -> Callable[[str], NDArray[np.integer]] | None:
    """Reader of the regions (H, W) in ``hed/``; None without such a folder."""
    if not any((parts.root / folder).is_dir() for folder in _REGIONS):
        return None
    files = parts.files(_REGIONS, (".mat", ".npy", ".png"))
    parts.need("region maps of training pictures", names, files)
    return lambda name: read_regions(files[name], Picture(pictures[name]).size, max_regions=_MOST_REGIONS)


def region_maps(folder: Path, pictures: Sequence[TrainingPicture]) -> Callable[[str], NDArray[np.integer]]:
    """Reader of the regions (H, W) of pictures in a folder, by their names.

    Raises
    ------
    PictureError
        If the folder or the map of a picture is missing.
    """
    files = find_region_maps(folder)
    by_name = {picture.name: picture for picture in pictures}
    missing = [name for name in by_name if composed(name) not in files]
    if missing:
        raise PictureError(
            f"{folder} lacks the regions of {len(missing)} of {len(by_name)} marked pictures"
            f" ({', '.join(missing[:3])}{', ...' if missing[3:] else ''}).",
            "Add a map named as each of them.",
        )

    def read(name: str) -> NDArray[np.integer]:
        height, width = by_name[name].rgb().shape[:2]
        return read_regions(files[composed(name)], (height, width), max_regions=_MOST_REGIONS)

    return read
