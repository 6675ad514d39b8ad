"""The parts of a data set's folder, looked for before anything is read: one error lists all that is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import MarkError
from spml_core.images import Picture
from spml_core.io import read_png_values


class Parts:
    """Looks for the parts of a folder and remembers what isn't there.

    Parameters
    ----------
    root : Path
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._missing: list[str] = []

    def files(
        self,
        folders: Sequence[str],
        suffixes: Collection[str],
        *,
        optional: bool = False,
        instead: Sequence[str] = (),
    ) -> dict[str, Path]:
        """Files by stem in the first of some folders that is there; none if none is.

        Parameters
        ----------
        folders : sequence of str
            Other names of the same part.
        suffixes : collection of str
            In lower case; where two files have one stem, the later suffix wins.
        optional : bool
            Whether the part may be missing.
        instead : sequence of str
            Files that would do as well, for the error.
        """
        found = next((self.root / name for name in folders if (self.root / name).is_dir()), None)
        if found is None:
            if not optional:
                names = [f"{name}/" for name in folders] + list(instead)
                self._missing.append(" or ".join(names))
            return {}
        order = {suffix: number for number, suffix in enumerate(suffixes)}
        paths = [path for path in found.iterdir() if path.suffix.lower() in order and path.name[0] != "."]
        if not paths and not optional:
            self._missing.append(f"any {' or '.join(order)} in {found.relative_to(self.root)}/")
        return {path.stem: path for path in sorted(paths, key=lambda path: order[path.suffix.lower()])}

    def file(self, *names: str, optional: bool = False) -> Path | None:
        """The first of some files that is there."""
        found = next((self.root / name for name in names if (self.root / name).is_file()), None)
        if found is None and not optional:
            self._missing.append(" or ".join(names))
        return found

    def names(self, *lists: str) -> list[str]:
        """Names of pictures in the first of some list files that is there.

        A line holds a name, or paths of a picture and its mask; each name counts once.

        Raises
        ------
        MarkError
            If the list can't be read.
        """
        path = self.file(*lists)
        if path is None:
            return []
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise MarkError(f"{path} can't be read: {error}.", "Save it anew, one name a line.") from error
        names = list(dict.fromkeys(Path(line.split()[0]).stem for line in lines if line.strip()))
        if not names:
            self._missing.append(f"a name in {path.relative_to(self.root)}")
        return names

    def need(self, what: str, names: Sequence[str], files: Mapping[str, Path]) -> None:
        """Note those names that have no file, unless there is none at all: then that was noted before."""
        lacking = [name for name in names if name not in files]
        if lacking and files:
            listed = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
            self._missing.append(f"{len(lacking)} of {len(names)} {what} ({listed})")

    def complain(self) -> None:
        """Complain if anything is missing.

        Raises
        ------
        MarkError
            It lists everything.
        """
        if not self.root.is_dir():
            raise MarkError(f"There is no folder {self.root}.", "Give the folder of the data set.")
        if self._missing:
            raise MarkError(
                f"{self.root} lacks: {'; '.join(self._missing)}.", "Put them there; nothing was started."
            )


class Sizes(Mapping[str, tuple[int, int]]):
    """Height and width of pictures by name; a header is read when its picture is asked for.

    Parameters
    ----------
    paths : mapping
        File of each picture.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths
        self._known: dict[str, tuple[int, int]] = {}

    def __getitem__(self, name: str) -> tuple[int, int]:
        if name not in self._known:
            self._known[name] = Picture(self._paths[name]).size
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def read_instances(path: Path) -> NDArray[np.int32]:
    """Instance numbers (H, W) of a palette, grey or 16-bit PNG.

    Raises
    ------
    MarkError
        If it can't be read or holds colours.
    """
    return read_png_values(path).astype(np.int32)
