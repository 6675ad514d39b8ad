"""Which device computes."""

from __future__ import annotations

import torch

from spml_core.errors import DeviceError

DEVICES = ("auto", "cpu", "cuda", "mps")


def find_device(name: str = "auto") -> torch.device:
    """Device by name; ``"auto"`` takes a GPU if there is one.

    Raises
    ------
    DeviceError
        If the name is unknown or the device isn't there.
    """
    if name not in DEVICES:
        raise DeviceError(f"Unknown device {name!r}.", f"Use one of: {', '.join(DEVICES)}.")
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if not available[name]:
        raise DeviceError(
            f"The device {name!r} isn't available on this machine.", "Use --device auto or cpu."
        )
    return torch.device(name)
