"""In which precision a network's convolutions are computed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

from spml_core.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16"]


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Type of the numbers that convolutions multiply; ``"auto"`` takes bfloat16 where the device has units for it.

    Parameters are float32 either way (mixed precision).

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
    device : torch.device

    Raises
    ------
    ConfigError
        If the precision is unknown.
    """
    if precision not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"Unknown precision {precision!r}.", "Use auto, float32 or bfloat16.")
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            # Without matrix units (AMX) a CPU multiplies bfloat16 hardly faster than float32, or slower.
            fast = device.type == "cpu" and "amx" in _cpu_features()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def computing_in(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Context in which the convolutions on ``device`` are computed in a precision; see :func:`compute_dtype`."""
    dtype = compute_dtype(precision, device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def _cpu_features() -> set[str]:
    """What torch tells of the CPU's matrix units: ``"amx"`` or nothing."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return {"amx"} if supported is not None and supported() else set()
