"""Optical flow on disk, so that each pair of frames is computed once."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import time
import zlib
from hashlib import blake2b
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from spml_core.errors import StorageError
from spml_core.io.own_files import own_folder
from spml_core.video.flow import FlowEstimator
from spml_core.video.warp import Flow

_MAGIC = b"SPMLFLO1"
# Checksum of all that follows; height, width, steps a pixel.
_HEADER = struct.Struct("<8sI")
_SHAPE = struct.Struct("<IIf")
_STEPS = 64.0  # a pixel: finer than any estimator is right
_MOST = 32767
_SUFFIX = ".flow"
_ABANDONED = 3600  # seconds after which a file isn't being written any more
_KEPT = 7 / 8  # of the room, when some is made: not for every file anew


class FlowCache:
    """Optical flow between named frames: computed once, then read.

    Flow is kept in steps of 1/64 pixel (coarser beyond 512 pixels), and given so the first time too. A file that is
    missing or damaged, or a folder that can't be written, only costs time. Several processes may share a folder; each
    keeps its bound by itself.

    Parameters
    ----------
    folder : path
        Made when the first flow is kept. Anything in it may be deleted at any time.
    estimator : FlowEstimator
    most_bytes : int
        What the files may have together; the longest unused go first.
    """

    def __init__(self, folder: Path | str, estimator: FlowEstimator, most_bytes: int = 2**31) -> None:
        self.folder = Path(folder)
        self.estimator = estimator
        self.most_bytes = most_bytes
        self._bytes: int | None = None  # in the folder, as far as known

    def get(self, key_t: str, key_k: str, rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8]) -> Flow:
        """Flow from frame t to frame k.

        Parameters
        ----------
        key_t, key_k : str
            Names of the frames that differ with their content.
        rgb_t, rgb_k : ndarray, (H, W, 3) uint8
            Looked at only if the flow isn't here.

        Returns
        -------
        ndarray, (H, W, 2) float32

        Raises
        ------
        ConfigError
            If the frames aren't two RGB pictures of one size.
        """
        path = self._file(key_t, key_k, rgb_t.shape)
        found = _read(path)
        if found is not None and found.shape[:2] == rgb_t.shape[:2]:
            with contextlib.suppress(OSError):
                path.touch()  # used last
            return found
        flow = self.estimator(rgb_t, rgb_k)
        if not np.isfinite(flow).all():
            return flow
        content, kept = encode_flow(flow)
        with contextlib.suppress(OSError, StorageError):
            self._write(path, content)
        return kept

    def _file(self, key_t: str, key_k: str, shape: tuple[int, ...]) -> Path:
        about = repr((key_t, key_k, shape[:2], self.estimator.name, self.estimator.settings))
        return self.folder / f"{blake2b(about.encode(), digest_size=16).hexdigest()}{_SUFFIX}"

    def _write(self, path: Path, content: bytes) -> None:
        """Put a file in its place, whole. It isn't forced to the disk: after a power cut the checksum tells."""
        if len(content) > self.most_bytes:
            return
        own_folder(self.folder)
        if self._bytes is None or self._bytes + len(content) > self.most_bytes:
            self._make_room(len(content))
        descriptor, name = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._bytes = (self._bytes or 0) + len(content)

    def _make_room(self, needed: int) -> None:
        """Count what is there; if another file doesn't fit, delete the longest unused."""
        for path in self.folder.glob("*.tmp"):  # of a process that was killed, if it isn't a living one's
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()
        files = []
        for path in self.folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError):  # another process deleted it
                about = path.stat()
                files.append((about.st_mtime_ns, about.st_size, path))
        self._bytes = sum(size for _, size, _ in files)
        if self._bytes + needed <= self.most_bytes:
            return
        for _, size, path in sorted(files):
            if self._bytes + needed <= _KEPT * self.most_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                self._bytes -= size


def encode_flow(flow: Flow) -> tuple[bytes, Flow]:
    """A flow as bytes, and what they hold: the flow to the nearest 1/64 pixel, or a coarser step if it is long.

    Parameters
    ----------
    flow : ndarray, (H, W, 2) float32, finite
    """
    steps = _STEPS
    while float(np.abs(flow).max()) * steps > _MOST:
        steps /= 2
    whole = np.rint(flow * np.float32(steps)).astype(np.int16)
    # Neighbours move alike: differences along the rows, one component after the other, pack best. They may wrap round.
    planes = np.ascontiguousarray(whole.transpose(2, 0, 1))
    planes[..., 1:] -= planes[..., :-1].copy()
    body = _SHAPE.pack(*flow.shape[:2], steps) + imagecodecs.zstd_encode(
        planes.astype("<i2").tobytes(), level=1
    )
    return _HEADER.pack(_MAGIC, zlib.crc32(body)) + body, whole.astype(np.float32) / np.float32(steps)


def decode_flow(content: bytes) -> Flow:
    """The flow (H, W, 2) that :func:`encode_flow` packed.

    Raises
    ------
    ValueError
        If the bytes are damaged or something else.
    """
    if len(content) < _HEADER.size + _SHAPE.size:
        raise ValueError("truncated")
    magic, checksum = _HEADER.unpack_from(content)
    body = content[_HEADER.size :]
    if magic != _MAGIC or zlib.crc32(body) != checksum:
        raise ValueError("not a flow, or damaged")
    height, width, steps = _SHAPE.unpack_from(body)
    differences = np.frombuffer(imagecodecs.zstd_decode(body[_SHAPE.size :]), "<i2").reshape(2, height, width)
    whole = np.cumsum(differences, axis=2, dtype=np.int16)
    return np.ascontiguousarray(whole.transpose(1, 2, 0), np.float32) / np.float32(steps)


def _read(path: Path) -> Flow | None:
    try:
        return decode_flow(path.read_bytes())
    except (OSError, ValueError):
        return None
