"""OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5/): picture and classes together, in several sizes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE
from spml_core.io.atomic import storage_errors
from spml_core.io.exports.exporter import Exporter, LabelledPicture

if TYPE_CHECKING:
    import zarr

Image: TypeAlias = NDArray[np.uint8]

_VERSION = "0.5"
_CHUNK = 512
_LABELS = "classes"


class OmeZarrExporter(Exporter):
    """``NAME.ome.zarr``: a folder with the picture and, under ``labels/classes``, its class codes.

    The picture is 8-bit, as the program sees it: red, green and blue, or one channel if it is grey. Labels are the
    class codes, 255 where there is no class; names and colours stand in the label's metadata, the background
    transparent. Each size is half the one before; labels are thinned, not mixed.
    """

    def add(self, item: LabelledPicture) -> Path:  # noqa: D102
        path = self.out / f"{item.name}.ome.zarr"
        with storage_errors(path):
            temporary = Path(tempfile.mkdtemp(dir=self.out, prefix=f".{item.name[:64]}.", suffix=".tmp"))
            try:
                temporary.chmod(0o755)
                self._write(temporary / "new", item)
                _replace_folder(temporary / "new", path, aside=temporary / "old")
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return path

    def _write(self, folder: Path, item: LabelledPicture) -> None:
        import zarr

        name = item.name
        root = zarr.create_group(folder, zarr_format=3)
        channels = _channels(item.read_rgb())
        datasets = _write_sizes(root, _sizes(channels, _halved_by_mean), ("c", "y", "x"), between=True)
        root.attrs["ome"] = {
            "version": _VERSION,
            "multiscales": [_multiscale(name, ("c", "y", "x"), datasets)],
            "omero": {"channels": _display(len(channels))},
        }
        labels = root.create_group("labels")
        labels.attrs["ome"] = {"version": _VERSION, "labels": [_LABELS]}
        group = labels.create_group(_LABELS)
        datasets = _write_sizes(group, _sizes(item.labels, _thinned), ("y", "x"), between=False)
        group.attrs["ome"] = {
            "version": _VERSION,
            "multiscales": [_multiscale(_LABELS, ("y", "x"), datasets)],
            "image-label": self._about_labels(),
        }

    def _about_labels(self) -> dict[str, Any]:
        shown = self.options.object_classes(self.classes)
        colors = [
            {"label-value": code, "rgba": [*info.color, 255 if code in shown else 0]}
            for code, info in enumerate(self.classes)
        ]
        names = [{"label-value": code, "class": name} for code, name in enumerate(self.classes.names)]
        return {
            "colors": [*colors, {"label-value": IGNORE, "rgba": [0, 0, 0, 0]}],
            "properties": [*names, {"label-value": IGNORE, "class": "void"}],
            "source": {"image": "../../"},
        }


def _replace_folder(new: Path, path: Path, aside: Path) -> None:
    """Put a folder in another's place; if that fails, the old one is back."""
    if not path.exists():
        new.rename(path)
        return
    path.rename(aside)
    try:
        new.rename(path)
    except OSError:
        aside.rename(path)
        raise


def _channels(rgb: Image) -> Image:
    """(H, W, 3) to (C, H, W), one channel if all are alike."""
    is_grey = np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 0], rgb[..., 2])
    return np.moveaxis(rgb[..., :1] if is_grey else rgb, -1, 0)


def _halved_by_mean(image: Image) -> Image:
    """(C, H, W) to (C, ceil(H / 2), ceil(W / 2)): each pixel the mean of four; the last row and column count twice."""
    height, width = image.shape[1:]
    even = np.pad(image, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    fours = even.reshape(len(even), even.shape[1] // 2, 2, even.shape[2] // 2, 2)
    mean: Image = ((fours.sum(axis=(2, 4), dtype=np.uint16) + 2) // 4).astype(np.uint8)
    return mean


def _thinned(labels: Image) -> Image:
    return labels[::2, ::2]


def _sizes(image: Image, halve: Callable[[Image], Image]) -> Iterator[Image]:
    """The image, its half, and so on, until it fits into a chunk."""
    yield image
    while max(image.shape[-2:]) > _CHUNK:
        image = halve(image)
        yield image


def _write_sizes(
    group: zarr.Group, sizes: Iterator[Image], axes: tuple[str, ...], *, between: bool
) -> list[dict[str, Any]]:
    """Write arrays ``0``, ``1``, ...; what the metadata say of each.

    ``between``: whether a small pixel's centre lies between those it was made from, or on the first of them.
    """
    from zarr.codecs import BloscCodec

    datasets = []
    for level, image in enumerate(sizes):
        chunks = (*[1] * (image.ndim - 2), min(_CHUNK, image.shape[-2]), min(_CHUNK, image.shape[-1]))
        array = group.create_array(
            str(level),
            shape=image.shape,
            dtype=image.dtype,
            chunks=chunks,
            compressors=BloscCodec(cname="zstd", clevel=5, shuffle="noshuffle"),
            dimension_names=axes,
        )
        array[:] = image
        factor = float(2**level)
        lead = [1.0] * (image.ndim - 2)
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": [*lead, factor, factor]}]
        if between and level:
            shift = (factor - 1) / 2
            steps.append({"type": "translation", "translation": [*[0.0] * len(lead), shift, shift]})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    return datasets


def _multiscale(name: str, axes: tuple[str, ...], datasets: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {"c": "channel", "y": "space", "x": "space"}
    return {
        "name": name,
        "axes": [{"name": axis, "type": kinds[axis]} for axis in axes],
        "datasets": datasets,
    }


def _display(count: int) -> list[dict[str, Any]]:
    names = {1: [("grey", "FFFFFF")]}.get(count, [("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF")])
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    return [{"label": name, "color": color, "active": True, "window": window} for name, color in names]
