"""A napari layer with time as its first axis, taken into the project as a film."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.layers import Image, Layer
from napari.viewer import Viewer

from spml_core.errors import FilmError
from spml_core.films import is_film, open_film, write_zarr_film
from spml_core.io.own_files import own_folder
from spml_core.project import Project
from spml_napari.adding import Addition, add_to_project

_CHANNELS = (3, 4)


def segment_layer_as_film(viewer: Viewer) -> None:
    """Add the active layer to the open project as a film; a command of napari's menu for layers."""
    from spml_napari.workbench import Workbench

    Workbench.of(viewer).add_layer_as_film(viewer.layers.selection.active)


def film_data(layer: Layer | None) -> Any:
    """Return the frames of a layer, (T, Y, X) or (T, Y, X, C); lazy where the layer's are.

    Raises
    ------
    FilmError
        If it isn't an image layer with time as its first axis.
    """
    if not isinstance(layer, Image):
        what = "No layer" if layer is None else f"The layer {layer.name!r}"
        raise FilmError(f"{what} is no image.", "Select an image layer whose first axis is time.")
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(length) for length in data.shape)
    axes = len(shape) - (1 if layer.rgb else 0)
    if not (axes == 3 or (len(shape) == 4 and shape[-1] in _CHANNELS)):
        words = " x ".join(map(str, shape))
        raise FilmError(
            f"The layer {layer.name!r} has the shape {words}, which isn't that of a film.",
            "Select a layer of time, height and width, with red, green and blue last if it is in colour.",
        )
    return data


@dataclass(frozen=True, eq=False)
class FilmLayer:
    """What is taken of a layer.

    Attributes
    ----------
    name : str
    data : array (T, Y, X[, C])
        Perhaps lazy.
    source : Path or None
        The file or folder that it was read from.
    """

    name: str
    data: Any
    source: Path | None


def film_layer(layer: Layer | None) -> FilmLayer:
    """Return what is taken of a layer; errors as for :func:`film_data`."""
    data = film_data(layer)
    assert layer is not None
    source = layer.source.path
    return FilmLayer(layer.name, data, None if source is None else Path(source))


def add_layer(project: Project, layer: FilmLayer, tell: Callable[[int, int], None]) -> Addition:
    """Add the frames of a layer to a project; runs in any thread.

    If the layer was read from a film of as many frames, that is added. Else the frames are written, one after the
    other, to a zarr array in the project's folder ``films``.

    Parameters
    ----------
    project : Project
    layer : FilmLayer
    tell : callable
        Called with (done, total) as it goes.

    Returns
    -------
    project, number of stills, films
        As :func:`spml_napari.adding.add_to_project` gives them.

    Raises
    ------
    FilmError, ProjectError, StorageError
        If the frames make no film, the project has one of this name, or the disk is full.
    """
    source = layer.source
    if source is None or not _is_film_of(source, len(layer.data)):
        source = free_place(project.path / "films", layer.name)
        own_folder(source.parent)
        write_zarr_film(layer.data, source, progress=tell)
    return add_to_project(project, [], [source], lambda done, total: None)


def _is_film_of(path: Path, count: int) -> bool:
    if not is_film(path):
        return False
    try:
        with open_film(path) as film:
            return film.count == count
    except FilmError:
        return False


def free_place(folder: Path, name: str) -> Path:
    """Return a path for a zarr array that isn't taken yet, called as much like the layer as a folder can be."""
    stem = re.sub(r"[^\w\- ]+", "_", name).strip("_ ") or "layer"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(path for path in (folder / f"{each}.zarr" for each in names) if not path.exists())
