"""What a run has finished: a folder of stages, each with its files and a marker that says it is whole.

    OUT/run.json             the settings; a run goes on only with the same
    OUT/STAGE/done.json      there when the stage is finished, with its figures
    OUT/STAGE/NAME.png       what it made of each picture
    OUT/STAGE/*.safetensors  networks and checkpoints

Every file is written under another name first, so one that is there is whole.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spml_core.errors import StorageError, TrainingError
from spml_core.io import read_index_png, storage_errors, write_atomic
from spml_core.io.own_files import own_folder, refuse_link
from spml_core.training.events import StageProgress

SETTINGS_FILE = "run.json"
_DONE = "done.json"
_LOCK = "lock"
_HALF_WRITTEN = ".*.tmp"  # what a killed process leaves of a file


@dataclass(frozen=True)
class StageFolder:
    """Files of one stage.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.path.name

    @property
    def done(self) -> bool:
        """Whether the stage is finished."""
        return (self.path / _DONE).is_file()

    def finish(self, figures: Mapping[str, Any] | None = None) -> None:
        """Mark the stage as finished, with figures to remember."""
        write_json(self.path / _DONE, figures or {})

    def figures(self) -> dict[str, Any]:
        """What :meth:`finish` was given."""
        return read_json(self.path / _DONE)

    def file(self, name: str, suffix: str) -> Path:
        """Where the stage keeps what it made of a picture."""
        return self.path / f"{name}{suffix}"

    def write_labels(self, name: str, labels: NDArray[np.uint8]) -> None:
        """Keep a label map (H, W) of a picture."""
        buffer = BytesIO()
        Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint8)).save(buffer, format="PNG")
        write_atomic(self.file(name, ".png"), buffer.getvalue())

    def read_labels(self, name: str) -> NDArray[np.uint8]:
        """The label map (H, W) of a picture.

        Raises
        ------
        MarkError
            If it is missing or damaged.
        """
        return read_index_png(self.file(name, ".png"))

    def each_missing(
        self, names: Sequence[str], suffix: str, make: Callable[[int], None]
    ) -> Iterator[StageProgress]:
        """Call ``make(index)`` for every picture whose file isn't there, telling how far the stage is."""
        missing = [i for i, name in enumerate(names) if not self.file(name, suffix).exists()]
        before = len(names) - len(missing)
        began = time.monotonic()
        for count, index in enumerate(missing, 1):
            make(index)
            left = (time.monotonic() - began) / count * (len(missing) - count)
            yield StageProgress(self.name, before + count, len(names), left)


class RunFolder:
    """A run's folder, locked for this process.

    Parameters
    ----------
    path : Path
        Made if it isn't there.
    settings : mapping
        All that the run's results depend on, as JSON values.

    Raises
    ------
    TrainingError
        If the folder belongs to a run with other settings, or another process works in it.
    StorageError
        If it can't be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        own_folder(path)
        refuse_link(path / _LOCK)
        self._lock = filelock.FileLock(path / _LOCK, timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise TrainingError(
                f"Another program is working in {path}.", "Wait for it, or choose another folder with --out."
            ) from error
        except OSError as error:
            raise StorageError(
                f"{path} can't be written to: {error.strerror or error}.", "Choose another folder with --out."
            ) from error
        try:
            for half in path.glob(_HALF_WRITTEN):
                half.unlink()
            self._take_settings(json.loads(json.dumps(settings)))
        except BaseException:
            self.close()
            raise

    def _take_settings(self, settings: dict[str, Any]) -> None:
        file = self.path / SETTINGS_FILE
        if not file.exists():
            write_json(file, settings)
            return
        before = read_json(file)
        differing = sorted(
            key for key in settings.keys() | before.keys() if settings.get(key) != before.get(key)
        )
        if differing:
            listed = "; ".join(
                f"{key} was {_short(before.get(key))}, now {_short(settings.get(key))}" for key in differing
            )
            raise TrainingError(
                f"{self.path} holds a run with other settings: {listed}.",
                "Run with the same ones to go on, or choose another folder with --out.",
            )

    def close(self) -> None:
        """Let others work in the folder."""
        self._lock.release()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()

    def stage(self, name: str) -> StageFolder:
        """Folder of a stage, made if it isn't there."""
        path = self.path / name
        own_folder(path)
        with storage_errors(path):
            for half in path.glob(_HALF_WRITTEN):
                half.unlink()
        return StageFolder(path)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object, whole or not at all."""
    write_atomic(path, (json.dumps(values, indent=1) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    TrainingError
        If the file can't be read or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} can't be read: {error}.", "Delete its folder and run again.") from error
    if not isinstance(values, dict):
        raise TrainingError(f"{path} holds no JSON object.", "Delete its folder and run again.")
    return values


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
