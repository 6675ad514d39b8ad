"""Which device computes, and how its memory is handled."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

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


@lru_cache(maxsize=1)
def reuse_freed_memory() -> bool:
    """Let the C library keep freed feature maps for the next ones instead of handing them back to the system.

    A forward pass frees and takes hundreds of megabytes; having the system clear each page anew costs a third of its
    time. Only glibc's allocator is like that. Gives whether anything was set.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        trim_threshold, mmap_threshold = -1, -3  # from malloc.h
        return bool(libc.mallopt(mmap_threshold, 2**28) and libc.mallopt(trim_threshold, 2**29))
    except (OSError, AttributeError):
        return False
