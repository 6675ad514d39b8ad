"""Weights from files: what a user has on disk, and what torchvision publishes."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import pickle
import re
import urllib.request
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from spml_core.errors import ConfigError, StorageError
from spml_core.io.temporary import clear_leftovers, temporary_file
from spml_core.models.finite import not_finite

Progress = Callable[[int, int | None], object]
"""Told the bytes that have come and, where known, how many there will be."""

# Under which published files put the dictionary of tensors, and what they prepend to every name.
_CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "network")
_WRAPPERS = ("module.", "model.")
_BACKBONE = "backbone."
_CHUNK = 2**20
_TIMEOUT = 30  # seconds without a byte
_LISTED = 3  # mismatches of each kind that an error names


def read_weights(file: Path | str) -> dict[str, Tensor]:
    """Read the named tensors of a ``.safetensors`` file or of a torch file, whatever its suffix; no code is run.

    Raises
    ------
    ConfigError
        If the file is missing, truncated or holds no named tensors.
    """
    path = Path(file)
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load(path.read_bytes())  # as read_safetensors
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wonders aloud at old files
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConfigError(f"There is no weights file {path}.", "Check the path.") from error
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"The weights file {path} is damaged, or holds more than tensors.",
            "Get it anew, or save its state dict alone.",
        ) from error
    except Exception as error:  # torch's reader stumbles over damaged files in any way there is
        reason = str(error).split("\n")[0][:120]
        raise ConfigError(
            f"The weights file {path} can't be read: truncated or not a weights file ({reason}).",
            "Get it anew.",
        ) from error
    for name in _CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    tensors = (
        {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise ConfigError(
            f"The weights file {path} holds no named tensors.", "Save a model's state dict in it."
        )
    return tensors


def load_weights(
    module: nn.Module,
    file: Path | str,
    *,
    rename: Callable[[str], str] | None = None,
    ignore: Sequence[str] = (),
) -> None:
    """Load a user's weights into a module, all of them or none.

    Prefixes that wrappers put before names (``module.``, ``model.``) are taken off. Of a file with a whole network only
    what is below ``backbone.`` is taken, where the module has nothing of that name.

    Parameters
    ----------
    module : nn.Module
    file : path
        See :func:`read_weights`.
    rename : callable, optional
        From a published name to the module's.
    ignore : sequence of str
        Beginnings of published names that aren't needed, a classifier's for instance.

    Raises
    ------
    ConfigError
        If the file can't be read or doesn't fit; the first mismatches are listed and the module is left as it was.
    """
    wanted = module.state_dict()
    found = fitting_names(read_weights(file), wanted)
    found = {name: tensor for name, tensor in found.items() if not name.startswith(tuple(ignore))}
    if rename is not None:
        found = {rename(name): tensor for name, tensor in found.items()}
    check_fit(found, wanted, f"The weights in {file} don't fit {type(module).__name__}")
    module.load_state_dict(found, strict=False)


def fitting_names(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with the prefixes that ``wanted`` doesn't have taken off; see :func:`load_weights`."""
    found = dict(tensors)
    for prefix in _WRAPPERS:
        if not any(name.startswith(prefix) for name in wanted):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    inside = {n.removeprefix(_BACKBONE): t for n, t in found.items() if n.startswith(_BACKBONE)}
    return inside if inside and not any(name.startswith(_BACKBONE) for name in wanted) else found


def check_fit(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], problem: str) -> None:
    """Compare names, shapes and values of tensors with those that are wanted.

    Counters of batches seen, which older files lack, may be missing.

    Raises
    ------
    ConfigError
        ``problem`` and the first mismatches of each kind.
    """
    missing = [n for n in wanted if n not in found and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in found if n not in wanted]
    shapes = [
        f"{n} {tuple(t.shape)} instead of {tuple(wanted[n].shape)}"
        for n, t in found.items()
        if n in wanted and t.shape != wanted[n].shape
    ]
    broken = not_finite(found)
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes, "not finite": broken}
    listed = [
        f"{len(names)} {kind} ({', '.join(names[:_LISTED])}{', ...' if len(names) > _LISTED else ''})"
        for kind, names in kinds.items()
        if names
    ]
    if listed:
        raise ConfigError(f"{problem}: {'; '.join(listed)}.", "Give a file made for this backbone.")


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file that this program wrote.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError, SafetensorError
        If it is damaged, or a tensor holds NaN or infinite numbers.
    """
    data = path.read_bytes()  # safetensors opens no path that isn't UTF-8
    tensors = safetensors.torch.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    if broken := not_finite(tensors):
        raise ValueError(f"{broken[0]} holds numbers that are NaN or infinite")
    return tensors, header.get("__metadata__", {})


def torchvision_weights(depth: int, progress: Progress | None = None) -> Path:
    """ImageNet weights of torchvision's residual network, downloaded on first use.

    Parameters
    ----------
    depth : {18, 34, 50, 101}
    progress : callable, optional
        See :data:`Progress`.

    Raises
    ------
    ConfigError
        If they aren't here and can't be fetched.
    StorageError
        If they can't be stored.
    """
    from torchvision.models import get_weight

    return download(get_weight(f"ResNet{depth}_Weights.IMAGENET1K_V1").url, progress=progress)


def download(url: str, folder: Path | None = None, progress: Progress | None = None) -> Path:
    """Fetch a weights file unless it is there already; it appears whole or not at all.

    Parameters
    ----------
    url : str
        If the file's name ends in a dash and hexadecimal digits, they must begin its SHA-256.
    folder : path, optional
        Where torch keeps downloaded weights, when not given.
    progress : callable, optional
        See :data:`Progress`.

    Raises
    ------
    ConfigError
        If the file can't be fetched or arrives damaged.
    StorageError
        If it can't be stored.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints" if folder is None else folder
    path = folder / url.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_leftovers(folder)
        descriptor, part = temporary_file(path)
        os.close(descriptor)
        try:
            digest = _fetch(url, part, progress)
            named = re.search(r"-([0-9a-f]{8,})\.", path.name)
            if named is not None and not digest.startswith(named[1]):
                raise ConfigError(f"The weights from {url} arrived damaged.", "Try again.")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"Can't store weights in {folder} ({error}).", "Free some space there.") from error
    return path


def _fetch(url: str, path: Path, progress: Progress | None) -> str:
    """Write what ``url`` gives to ``path``, and give its SHA-256."""
    digest, count = hashlib.sha256(), 0
    try:
        answer = urllib.request.urlopen(url, timeout=_TIMEOUT)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error
    with answer, path.open("wb") as file:
        length = answer.headers.get("Content-Length")
        total = int(length) if length else None
        while True:
            try:
                chunk = answer.read(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _unreachable(url, error) from error
            if not chunk:
                break
            file.write(chunk)
            digest.update(chunk)
            count += len(chunk)
            if progress is not None:
                progress(count, total)
    if total is not None and count < total:
        raise _unreachable(url, f"the connection broke after {count} of {total} bytes")
    return digest.hexdigest()


def _unreachable(url: str, error: object) -> ConfigError:
    return ConfigError(
        f"Can't download the weights {url} ({error}).",
        "Connect to the internet, or fetch the file elsewhere and give it by --weights FILE.",
    )
