"""The sample sets: for napari's File menu, and as projects with marks, ready to train or to propagate. No Qt."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

from sample_data import sample_path
from spml_core.engine.imports import import_marks
from spml_core.engine.state_folder import state_folder
from spml_core.errors import ProjectError
from spml_core.images import PROJECT_DATABASE, Picture
from spml_core.io import read_classes, read_index_png, storage_errors
from spml_core.io.temporary import clear_leftovers, temporary_folder
from spml_core.project import Project

SAMPLES = {
    "nuclei": "Nuclei: 12 micrographs, 2 classes",
    "people": "People: 10 photos, 5 classes",
    "film": "Film of nuclei: 60 frames, 3 classes",
}
"""Names of the sample sets, and what to call them."""

_PIXELS = ("images", "film.mp4")
_TRUTH = ("masks", "labels")
_SHOWN = {"nuclei": "histology_a5fe0b74", "people": "0113"}

LayerData = tuple[Any, dict[str, Any], str]


def samples_folder() -> Path:
    """Where sample projects are made if nobody says where: in the program's own folder, never in the package."""
    return state_folder() / "samples"


def make_sample_project(name: str, folder: Path) -> Path:
    """Copy a sample and make a project of it, its scribbles and points as marks; one that is there stays as it is.

    Parameters
    ----------
    name : str
        A key of ``SAMPLES``.
    folder : Path
        Made if it isn't there. The sample goes into ``folder/name``, the project into ``folder/name/name.spml``.

    Returns
    -------
    Path
        The project.

    Raises
    ------
    PictureError
        If there is no such sample.
    ProjectError
        If ``folder/name`` is there, but no sample of ours.
    StorageError
        If the folder can't be written to.
    """
    source = sample_path(name)
    home = folder.resolve() / name
    project = home / f"{name}.spml"
    if (project / PROJECT_DATABASE).is_file():
        return project
    if home.exists():
        raise ProjectError(
            f"{home} exists already, without a project.", "Choose another folder, or remove it."
        )
    with storage_errors(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        # Built under another name: killed half way, it must not look like a sample.
        clear_leftovers(home.parent)
        building = temporary_folder(home)
        try:
            _build(source, building, project.name)
            building.rename(home)
        except BaseException:
            with contextlib.suppress(OSError):
                shutil.rmtree(building)
            raise
    return project


def _build(source: Path, building: Path, project_name: str) -> None:
    for part in (*_PIXELS, *_TRUTH):
        if (source / part).is_dir():
            shutil.copytree(source / part, building / part)
        elif (source / part).is_file():
            shutil.copy(source / part, building)
    for license_file in (source.parent / "LICENSES.md", *source.glob("LICENSE*")):
        shutil.copy(license_file, building)
    classes = read_classes(source / "classes.json")
    pixels = next(building / part for part in _PIXELS if (building / part).exists())
    points = source / "points.csv"
    with Project.create(building / project_name, pixels, classes) as project:
        import_marks(project, scribbles=source / "scribbles", points=points if points.is_file() else None)


def nuclei_layers() -> list[LayerData]:
    """Return a micrograph and its mask, as napari's layer data."""
    return _layers("nuclei")


def people_layers() -> list[LayerData]:
    """Return a photo and its mask, as napari's layer data."""
    return _layers("people")


def _layers(name: str) -> list[LayerData]:
    from napari.utils.colormaps import DirectLabelColormap

    folder = sample_path(name)
    classes = read_classes(folder / "classes.json")
    picture = next((folder / "images").glob(f"{_SHOWN[name]}.*"))
    colors: dict[int | None, Any] = {
        code: (*(channel / 255 for channel in info.color), 1.0) for code, info in enumerate(classes)
    }
    # The background is seen through; so are void and all that is no class.
    colors |= {0: (0, 0, 0, 0), None: (0, 0, 0, 0)}
    return [
        (Picture(picture).rgb(), {"name": picture.stem, "rgb": True}, "image"),
        (
            read_index_png(folder / "masks" / f"{picture.stem}.png"),
            {
                "name": f"{picture.stem} mask",
                "opacity": 0.5,
                "colormap": DirectLabelColormap(color_dict=colors),
                "metadata": {"classes": list(classes.names)},
            },
            "labels",
        ),
    ]
