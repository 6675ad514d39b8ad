"""OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5/): picture and classes together, in several sizes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE, ClassTable
from spml_core.io.atomic import storage_errors
from spml_core.io.exports.exporter import Exporter, ExportOptions, LabelledPicture
from spml_core.io.temporary import ASIDE, temporary_folder

if TYPE_CHECKING:
    import zarr

Image: TypeAlias = NDArray[np.uint8]

VERSION = "0.5"
_CHUNK = 512
LABELS = "classes"


class OmeZarrExporter(Exporter):
    """``NAME.ome.zarr``: a folder with the picture and, under ``labels/classes``, its class codes.

    The picture is 8-bit, as the program sees it: red, green and blue, or one channel if it is grey. Labels are the
    class codes, 255 where there is no class; names and colours stand in the label's metadata, the background
    transparent. Each size is half the one before; labels are thinned, not mixed.
    """

    def add(self, item: LabelledPicture) -> Path:  # noqa: D102
        path = self.out / f"{item.name}.ome.zarr"
        with storage_errors(path):
            temporary = temporary_folder(path)
            try:
                self._write(temporary / "new", item)
                replace_folder(temporary / "new", path, aside=temporary / ASIDE)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return path

    def _write(self, folder: Path, item: LabelledPicture) -> None:
        import zarr

        name = item.name
        root = zarr.create_group(folder, zarr_format=3)
        channels = _channels(item.read_rgb())
        datasets = _write_sizes(root, sizes(channels, halved_by_mean), ("c", "y", "x"), between=True)
        root.attrs["ome"] = {
            "version": VERSION,
            "multiscales": [multiscale(name, ("c", "y", "x"), datasets)],
            "omero": {"channels": display(len(channels))},
        }
        labels = root.create_group("labels")
        labels.attrs["ome"] = {"version": VERSION, "labels": [LABELS]}
        group = labels.create_group(LABELS)
        datasets = _write_sizes(group, sizes(item.labels, thinned), ("y", "x"), between=False)
        group.attrs["ome"] = {
            "version": VERSION,
            "multiscales": [multiscale(LABELS, ("y", "x"), datasets)],
            "image-label": about_labels(self.classes, self.options),
        }


def about_labels(classes: ClassTable, options: ExportOptions) -> dict[str, Any]:
    """Names and colours of the label codes, as ``image-label`` says them; the background is transparent."""
    shown = options.object_classes(classes)
    colors = [
        {"label-value": code, "rgba": [*info.color, 255 if code in shown else 0]}
        for code, info in enumerate(classes)
    ]
    names = [{"label-value": code, "class": name} for code, name in enumerate(classes.names)]
    return {
        "colors": [*colors, {"label-value": IGNORE, "rgba": [0, 0, 0, 0]}],
        "properties": [*names, {"label-value": IGNORE, "class": "void"}],
        "source": {"image": "../../"},
    }


def replace_folder(new: Path, path: Path, aside: Path) -> None:
    """Put a folder in another's place; if that fails, the old one is back.

    ``aside`` is a folder for the old one; killed half way, the next export puts it back from there.
    """
    if not path.exists():
        new.rename(path)
        return
    aside.mkdir()
    old = aside / path.name
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise


def _channels(rgb: Image) -> Image:
    """(H, W, 3) to (C, H, W), one channel if all are alike."""
    is_grey = np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 0], rgb[..., 2])
    return np.moveaxis(rgb[..., :1] if is_grey else rgb, -1, 0)


def halved_by_mean(image: Image) -> Image:
    """(C, H, W) to (C, ceil(H / 2), ceil(W / 2)): each pixel the mean of four; the last row and column count twice."""
    height, width = image.shape[1:]
    even = np.pad(image, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    fours = even.reshape(len(even), even.shape[1] // 2, 2, even.shape[2] // 2, 2)
    mean: Image = ((fours.sum(axis=(2, 4), dtype=np.uint16) + 2) // 4).astype(np.uint8)
    return mean


def thinned(labels: Image) -> Image:
    """(H, W) to (ceil(H / 2), ceil(W / 2)): every second pixel."""
    return labels[::2, ::2]


def sizes(image: Image, halve: Callable[[Image], Image]) -> Iterator[Image]:
    """The image, its half, and so on, until it fits into a chunk."""
    yield image
    while max(image.shape[-2:]) > _CHUNK:
        image = halve(image)
        yield image


def _write_sizes(
    group: zarr.Group, images: Iterator[Image], axes: tuple[str, ...], *, between: bool
) -> list[dict[str, Any]]:
    """Write arrays ``0``, ``1``, ...; what the metadata say of each. ``between`` as for :func:`dataset`."""
    datasets = []
    for level, image in enumerate(images):
        lead = image.ndim - 2
        create_level(group, level, image.shape, (1,) * lead, axes)[:] = image
        datasets.append(dataset(level, (1.0,) * lead, between=between))
    return datasets


def create_level(
    group: zarr.Group, level: int, shape: tuple[int, ...], chunk: tuple[int, ...], axes: tuple[str, ...]
) -> Any:
    """Make the array of a size, of 8 bits, in chunks of at most 512 x 512 pixels; ``chunk`` is that of other axes."""
    from zarr.codecs import BloscCodec

    return group.create_array(
        str(level),
        shape=shape,
        dtype=np.uint8,
        chunks=(*chunk, min(_CHUNK, shape[-2]), min(_CHUNK, shape[-1])),
        compressors=BloscCodec(cname="zstd", clevel=5, shuffle="noshuffle"),
        dimension_names=axes,
    )


def dataset(level: int, lead: tuple[float, ...], *, between: bool) -> dict[str, Any]:
    """What the metadata say of a size.

    Parameters
    ----------
    level : int
    lead : tuple of float
        Scale of the axes before y and x.
    between : bool
        Whether a small pixel's centre lies between those it was made from, or on the first of them.
    """
    factor = float(2**level)
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": [*lead, factor, factor]}]
    if between and level:
        shift = (factor - 1) / 2
        steps.append({"type": "translation", "translation": [*[0.0] * len(lead), shift, shift]})
    return {"path": str(level), "coordinateTransformations": steps}


def multiscale(name: str, axes: tuple[str, ...], datasets: list[dict[str, Any]]) -> dict[str, Any]:
    """What the metadata say of the sizes together."""
    kinds = {"t": "time", "c": "channel", "y": "space", "x": "space"}
    return {
        "name": name,
        "axes": [{"name": axis, "type": kinds[axis]} for axis in axes],
        "datasets": datasets,
    }


def display(count: int) -> list[dict[str, Any]]:
    """How viewers show the channels: one grey, or red, green and blue."""
    names = {1: [("grey", "FFFFFF")]}.get(count, [("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF")])
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    return [{"label": name, "color": color, "active": True, "window": window} for name, color in names]
