"""Index PNGs of one folder, read together: what 255 means is told by all of them, not by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from spml_core.classes import IGNORE, ClassTable
from spml_core.io.index_png import are_black_and_white, read_index_png

Size: TypeAlias = tuple[int, int]
MaskReader: TypeAlias = Callable[[Path], npt.NDArray[np.uint8]]


class Told(Protocol):
    """Who is told of what was taken for something else; ``ImportWarnings``, mostly."""

    def add(self, what: str, case: str) -> None:
        """Note a case of what happened."""


def mask_reader(
    paths: Sequence[Path],
    classes: ClassTable,
    what: str,
    warnings: Told,
    sizes: Mapping[Path, Size] | None = None,
) -> MaskReader:
    """Return the function that reads the codes (H, W) of one of these files, masks or predictions.

    255 is void. But where all files together hold 0 and 255 and nothing else they are black and white: with two classes
    255 is then the second one, as programs for two classes save them; with more it stays void. Either is told.

    Parameters
    ----------
    paths : sequence of Path
    classes : ClassTable
    what : str
        What they are, for the warning: masks, predictions.
    warnings : Told
    sizes : mapping, optional
        Height and width that each file must have.

    Raises
    ------
    MarkError
        Here and from the function, as ``read_index_png`` does.
    """

    def read(path: Path) -> npt.NDArray[np.uint8]:
        return read_index_png(path, None if sizes is None else sizes[path])

    if not are_black_and_white(map(read, paths)):
        return read
    case = f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}"
    if len(classes) != 2:
        warnings.add(
            f"The {what} hold only 0 and 255; 255 is void, so no pixel is of a class other than"
            f" {classes.names[0]!r}, and classes are numbered from 0 to {len(classes) - 1}",
            case,
        )
        return read
    warnings.add(
        f"The {what} hold only 0 and 255; 255 was taken for {classes.names[1]!r}, not for void", case
    )
    return lambda path: np.where(read(path) == IGNORE, np.uint8(1), np.uint8(0))


def warn_of_black_and_white_scribbles(
    paths: Sequence[Path], classes: ClassTable, warnings: Told, sizes: Mapping[Path, Size]
) -> None:
    """Tell if scribbles hold 0 and 255 alone: nothing but the first class is drawn then."""
    if are_black_and_white(read_index_png(path, sizes[path]) for path in paths):
        warnings.add(
            f"The scribbles hold only 0 and 255; 255 is not drawn, so nothing but {classes.names[0]!r} is: if 255 is"
            " what was drawn, save it as the number of its class, and the rest as 255",
            f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}",
        )
