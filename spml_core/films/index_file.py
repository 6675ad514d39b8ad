"""A video's index kept as a small file, so that a long film opens at once the second time."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from spml_core.errors import StorageError
from spml_core.films.orientation import Orientation
from spml_core.films.packet_table import PacketTable
from spml_core.films.video_index import VideoIndex, build_index
from spml_core.io.atomic import write_atomic
from spml_core.io.own_files import own_folder

_VERSION = 1
_HEAD_BYTES = 1 << 16
_TABLE_COLUMNS = ("pts", "dts", "position", "size", "key", "shown")


def stored_index(path: Path, folder: Path | None) -> VideoIndex:
    """Return a video's index, from its file if the film is still the same, else made anew and kept.

    Parameters
    ----------
    path : Path
        The video file.
    folder : Path or None
        Where indices are kept; made if it isn't there. None keeps nothing. An index file that is damaged, or
        can't be written, is no error: everything in it can be read from the film.

    Raises
    ------
    FilmError
        If the film can't be opened or decoded.
    """
    if folder is None or not path.is_file():
        return build_index(path)
    stamp = _stamp(path)
    file = folder / f"{stamp['head']}_{stamp['size']}.npz"
    # Whatever is wrong with the file, the film itself is there.
    with contextlib.suppress(Exception):
        return _read(file, path, stamp)
    index = build_index(path)
    with contextlib.suppress(StorageError):
        own_folder(folder)
        write_index(file, index, stamp)
    return index


def write_index(file: Path, index: VideoIndex, stamp: dict[str, Any]) -> None:
    """Write an index with the stamp of its film.

    Raises
    ------
    StorageError
        If the file can't be written.
    """
    table = index.table
    facts = {
        "stamp": stamp,
        "time_base": table.time_base,
        "stored_size": index.stored_size,
        "orientation": asdict(index.orientation),
        "frame_rate": index.frame_rate,
        "variable_rate": index.variable_rate,
        "warnings": index.warnings,
    }
    arrays: dict[str, Any] = {name: getattr(table, name) for name in _TABLE_COLUMNS}
    arrays |= {"order": index.order, "starts": index.starts, "times": index.times}
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    write_atomic(file, lambda out: np.savez_compressed(out, **arrays))


def _read(file: Path, path: Path, stamp: dict[str, Any]) -> VideoIndex:
    """Read an index; raises anything if it is damaged or of another film."""
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        facts = json.loads(arrays["facts"].tobytes())
        if facts["stamp"] != stamp:
            raise ValueError("another film")
        table = PacketTable(**{name: arrays[name] for name in _TABLE_COLUMNS}, time_base=facts["time_base"])
        height, width = facts["stored_size"]
        return VideoIndex(
            table,
            arrays["order"],
            arrays["starts"],
            arrays["times"],
            (height, width),
            Orientation(**facts["orientation"]),
            facts["frame_rate"],
            facts["variable_rate"],
            tuple(facts["warnings"]),
        )


def _stamp(path: Path) -> dict[str, Any]:
    """What tells whether a film is still the same: size, time of change, hash of its first bytes."""
    facts = path.stat()
    with path.open("rb") as file:
        head = hashlib.blake2b(file.read(_HEAD_BYTES), digest_size=12).hexdigest()
    return {"version": _VERSION, "size": facts.st_size, "changed": facts.st_mtime_ns, "head": head}
