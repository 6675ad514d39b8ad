"""Where propagation keeps the soft maps of the frames it has passed.

The pass in the other direction needs them, and so does going on after a kill as if there had been none.

Maps are quantised before they are put, and propagation goes on from what :meth:`SoftStore.get` gives, not from what it
put. So a pass that was interrupted and one that wasn't compute the same.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.io import storage_errors
from spml_core.io.own_files import own_folder

SoftMap = NDArray[np.uint8]
"""Class probabilities of a frame, (..., ) uint8 of any shape: 0 for none, 255 for certain."""

_MAGIC = b"SOFT1"
_LEVEL = 1  # of deflating: the maps are nearly flat, so more gains little
_NAME = re.compile(r"([0-9]+)\.map")
_MOST_BYTES = 2**32  # no damaged file may unpack into more
_MOST_AXES = 8


class SoftStore(ABC):
    """Soft maps by direction ("forward" or "backward") and frame."""

    @abstractmethod
    def put(self, direction: str, index: int, map: SoftMap) -> None:
        """Keep the map of a frame, in place of an earlier one; a reader sees all of it or nothing.

        Raises
        ------
        StorageError
            If there is no room.
        """

    @abstractmethod
    def get(self, direction: str, index: int) -> SoftMap | None:
        """Map of a frame as it was put; None if there is none, or it is damaged."""

    @abstractmethod
    def delete(self, direction: str, index: int) -> None:
        """Forget the map of a frame, if there is one."""

    @abstractmethod
    def indices(self, direction: str) -> tuple[int, ...]:
        """Frames whose maps are kept, ascending."""


class MemorySoftStore(SoftStore):
    """Keeps the maps in memory."""

    def __init__(self) -> None:
        self._maps: dict[tuple[str, int], SoftMap] = {}

    def put(self, direction: str, index: int, map: SoftMap) -> None:
        """As :meth:`SoftStore.put`."""
        self._maps[direction, index] = map.copy()

    def get(self, direction: str, index: int) -> SoftMap | None:
        """As :meth:`SoftStore.get`."""
        found = self._maps.get((direction, index))
        return None if found is None else found.copy()

    def delete(self, direction: str, index: int) -> None:
        """As :meth:`SoftStore.delete`."""
        self._maps.pop((direction, index), None)

    def indices(self, direction: str) -> tuple[int, ...]:
        """As :meth:`SoftStore.indices`."""
        return tuple(sorted(index for there, index in self._maps if there == direction))


class DiskSoftStore(SoftStore):
    """Keeps the maps in files, one each, which outlive any end of the process.

    They are handed to the system, not waited for: a power cut may damage the last ones, which then count as missing.

    Parameters
    ----------
    folders : mapping of str to Path
        A folder for each direction; made when something is put there.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)

    def put(self, direction: str, index: int, map: SoftMap) -> None:
        """As :meth:`SoftStore.put`."""
        path = self._path(direction, index)
        raw = np.asarray(map, np.uint8).tobytes()
        shape = struct.pack(f"<B{map.ndim}I", map.ndim, *map.shape)
        content = _MAGIC + struct.pack("<I", zlib.crc32(raw)) + shape + zlib.compress(raw, _LEVEL)
        # Not atomic.write_atomic: that waits for the disk itself, twice a frame.
        temporary = path.with_suffix(".tmp")
        with storage_errors(path):
            try:
                own_folder(path.parent)
                temporary.unlink(missing_ok=True)  # never through a link
                with temporary.open("xb") as file:
                    file.write(content)
                temporary.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise

    def get(self, direction: str, index: int) -> SoftMap | None:
        """As :meth:`SoftStore.get`."""
        try:
            return _unpacked(self._path(direction, index).read_bytes())
        except (OSError, ValueError, struct.error, zlib.error):
            return None

    def delete(self, direction: str, index: int) -> None:
        """As :meth:`SoftStore.delete`."""
        with contextlib.suppress(OSError):
            self._path(direction, index).unlink()

    def indices(self, direction: str) -> tuple[int, ...]:
        """As :meth:`SoftStore.indices`."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folders[direction]) as entries:
            names = (_NAME.fullmatch(entry.name) for entry in entries)
            return tuple(sorted(int(name[1]) for name in names if name))
        return ()

    def clear(self) -> None:
        """Forget all maps."""
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    def _path(self, direction: str, index: int) -> Path:
        return self._folders[direction] / f"{index:06d}.map"


def _unpacked(content: bytes) -> SoftMap:
    if not content.startswith(_MAGIC):
        raise ValueError("it is no soft map")
    check, axes = struct.unpack_from("<IB", content, len(_MAGIC))
    if axes > _MOST_AXES:
        raise ValueError(f"it has {axes} axes")
    start = len(_MAGIC) + 5
    shape = struct.unpack_from(f"<{axes}I", content, start)
    size = 1
    for length in shape:
        size *= length
    if size > _MOST_BYTES:
        raise ValueError(f"it claims {size} bytes")
    raw = zlib.decompressobj().decompress(content[start + 4 * axes :], size + 1)
    if len(raw) != size or zlib.crc32(raw) != check:
        raise ValueError("it is damaged")
    return np.frombuffer(raw, np.uint8).reshape(shape).copy()
