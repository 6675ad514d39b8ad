"""Features of pictures for suggestions: the last used in memory, the others in the project's cache folder."""

from __future__ import annotations

import contextlib
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from spml_core.devices import find_device
from spml_core.engine.background.answer_cache import SizedCache
from spml_core.errors import StorageError
from spml_core.io import write_atomic
from spml_core.io.own_files import own_folder
from spml_core.io.temporary import clear_leftovers
from spml_core.models import DEFAULT_BACKBONE, Backbone, build_backbone
from spml_core.project import PictureRecord, Project
from spml_core.segments import Hierarchy
from spml_core.suggesting.network_features import level_weights, network_features
from spml_core.suggesting.picture_features import (
    PictureFeatures,
    assemble,
    at_working_size,
    picture_features,
    working_size,
)

MEMORY_BYTES = 2**30
DISK_BYTES = 2**32
_FOLDER = "suggest"
_FORMAT = 1


class FeatureStore:
    """Features of a project's pictures, each computed once.

    A file that is missing or damaged, or a folder that can't be written, only costs time.

    Parameters
    ----------
    project : Project
        Read only; its ``cache/suggest`` is written.
    device : str
        Where the backbone computes.
    memory_bytes, disk_bytes : int
        What is kept at the most; the longest unused go first.
    """

    def __init__(
        self,
        project: Project,
        device: str = "auto",
        *,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        self._project = project
        self._device = device
        self._memory = SizedCache[PictureFeatures](memory_bytes)
        self._disk_bytes = disk_bytes
        self._backbone: Backbone | None = None

    def key(self, record: PictureRecord) -> str:
        """A word that differs with the picture's content, its size, the backbone and the way of computing."""
        try:
            about = record.path.stat()
            stamp = f"{about.st_mtime_ns}-{about.st_size}"
        except OSError:
            stamp = "gone"
        words = (record.content_hash, stamp, record.height, record.width, DEFAULT_BACKBONE, _FORMAT)
        return blake2b("|".join(map(str, words)).encode(), digest_size=16).hexdigest()

    def is_ready(self, record: PictureRecord) -> bool:
        """Whether the features needn't be computed."""
        key = self.key(record)
        return self._memory.get(key) is not None or self._file(key).is_file()

    def get(self, record: PictureRecord) -> PictureFeatures:
        """Features of a picture.

        Raises
        ------
        SpmlError
            If the picture can't be read.
        """
        key = self.key(record)
        found = self._memory.get(key)
        if found is None:
            found = self._read(key, record) or self._compute(key, record)
            self._memory.put(key, found, found.nbytes)
        return found

    def _compute(self, key: str, record: PictureRecord) -> PictureFeatures:
        rgb = at_working_size(self._project.open_picture(record).rgb())
        found = picture_features(
            rgb, network_features(self._network(), rgb), self._weights(), (record.height, record.width)
        )
        self._write(key, found)
        return found

    def _network(self) -> Backbone:
        if self._backbone is None:
            self._backbone = build_backbone().to(find_device(self._device))
        return self._backbone

    def _weights(self) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return level_weights(self._network())

    def _file(self, key: str) -> Path:
        return self._project.cache_folder / _FOLDER / f"{key}.npz"

    def _read(self, key: str, record: PictureRecord) -> PictureFeatures | None:
        path = self._file(key)
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                hierarchy = Hierarchy(stored["basins"], stored["merges"], stored["levels"])
                rgb = stored["rgb"]
                if rgb.shape[:2] != working_size(record.height, record.width):
                    return None
                found = assemble(
                    rgb, hierarchy, stored["descriptors"], self._weights(), (record.height, record.width)
                )
            path.touch()  # used last
        except Exception:  # np.load raises anything from KeyError to BadZipFile on a damaged file
            return None
        return found

    def _write(self, key: str, features: PictureFeatures) -> None:
        path = self._file(key)
        parts: dict[str, Any] = {
            "rgb": features.rgb,
            "basins": features.hierarchy.basins,
            "merges": features.hierarchy.merges,
            "levels": features.hierarchy.levels,
            "descriptors": features.descriptors,
        }
        with contextlib.suppress(StorageError, OSError):
            own_folder(path.parent)
            write_atomic(path, lambda file: np.savez(file, **parts))
            self._make_room(path.parent)

    def _make_room(self, folder: Path) -> None:
        clear_leftovers(folder)
        files = [(path, path.stat()) for path in folder.glob("*.npz")]
        files.sort(key=lambda entry: entry[1].st_mtime_ns)
        total = sum(about.st_size for _, about in files)
        for path, about in files[:-1]:
            if total <= self._disk_bytes:
                return
            path.unlink(missing_ok=True)
            total -= about.st_size
