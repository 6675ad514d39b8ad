"""Labels layers to index PNGs, with the colours they are shown in. No Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spml_core.classes import IGNORE, MAX_CLASSES, ClassInfo, ClassTable
from spml_core.errors import MarkError
from spml_core.io import write_index_png
from spml_core.io.outputs import check_label_files, check_output_file


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the values of a Labels layer as an index PNG whose palette has the layer's colours.

    Parameters
    ----------
    path : str
    data : array, (H, W) of int
        0..253, and 255 for void; of a multiscale layer the finest.
    meta : dict
        The layer's state. The names ``metadata["classes"]``, if given, are in order of the values.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    MarkError
        If the layer isn't flat, or has values that no class can have.
    StorageError
        If the file can't be written, lies in a project, or would replace a picture.
    """
    labels = np.asarray(data[0] if isinstance(data, list | tuple) or hasattr(data, "level_shapes") else data)
    if labels.ndim != 2:
        raise MarkError(
            f"The labels have shape {labels.shape}; {path} holds one picture.", "Save a layer of one picture."
        )
    classes = labels[labels != IGNORE]
    low, high = (int(classes.min()), int(classes.max())) if classes.size else (0, 0)
    if low < 0 or high >= MAX_CLASSES:
        raise MarkError(
            f"The labels go from {low} to {high}; the class indexes in {path} go from 0 to {MAX_CLASSES - 1}.",
            "Save class indexes, not numbers of objects; or save as TIFF.",
        )
    check_output_file(Path(path))
    check_label_files([Path(path)], high + 1)
    write_index_png(path, labels, _class_table(meta, high + 1))
    return [path]


def _class_table(meta: dict[str, Any], count: int) -> ClassTable:
    given = [str(name) for name in meta.get("metadata", {}).get("classes", [])][:count]
    names = given if len(set(given)) == count else [f"class {code}" for code in range(count)]
    colors = _colors(meta.get("colormap"), count)
    return ClassTable(
        tuple(
            ClassInfo(name, (int(red), int(green), int(blue)))
            for name, (red, green, blue) in zip(names, colors, strict=True)
        )
    )


def _colors(colormap: Any, count: int) -> npt.NDArray[np.uint8]:
    """Return the colours, (count, 3), that a colormap of napari's shows the values 0..count-1 in."""
    if colormap is None:
        return np.array(
            [info.color for info in ClassTable.from_names([str(i) for i in range(count)])], np.uint8
        )
    shown = np.asarray(colormap.map(np.arange(count)), float).reshape(count, -1)
    return np.asarray(np.rint(shown[:, :3] * 255).clip(0, 255), np.uint8)
