"""Optical flow between two frames: one interface, classical and learned estimators (METHODS.md V.3)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from spml_core.devices import find_device
from spml_core.errors import ConfigError
from spml_core.models.weights import download, fitting_names, load_weights, read_weights
from spml_core.video.warp import Flow

FLOWS = ("dis", "deepflow", "raft", "identity")

_DIS_SIDE = 16  # OpenCV's DIS refuses smaller frames, or crashes: its coarsest level must hold a patch
_RAFT_SIDE = 128  # of which RAFT's pyramid of correlations needs so many pixels
_RAFT_STRIDE = 8
_RAFT_SIZES = ("small", "large")
_RAFT_STEM = "feature_encoder.convnormrelu.0.weight"


class FlowEstimator(Protocol):
    """Finds where each pixel of one frame is in another. An object serves one thread at a time.

    Attributes
    ----------
    name : str
        One of :data:`FLOWS`.
    settings : str
        All else that the result depends on: two estimators of equal name and settings give the same flow.
    """

    name: str
    settings: str

    def __call__(self, rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8]) -> Flow:
        """Flow from frame t to frame k.

        Parameters
        ----------
        rgb_t, rgb_k : ndarray, (H, W, 3) uint8

        Returns
        -------
        ndarray, (H, W, 2) float32
            (dx, dy) in pixels: what is at (y, x) in frame t is at (y + dy, x + dx) in frame k.

        Raises
        ------
        ConfigError
            If the frames aren't two RGB pictures of one size.
        """
        ...


def build_flow(name: str = "dis", weights: str = "", device: str = "auto") -> FlowEstimator:
    """The estimator of this name.

    Parameters
    ----------
    name : {"dis", "deepflow", "raft", "identity"}
        ``dis`` is quick and needs no weights; ``deepflow`` is slow and follows large motion better; ``raft`` is learned
        and wants a GPU; ``identity`` says that nothing moves.
    weights : str
        For ``raft``: ``"small"`` (also if empty) or ``"large"`` of torchvision, downloaded on first use, or a file with
        the weights of either.
    device : str
        Where ``raft`` computes; see :func:`spml_core.devices.find_device`.

    Raises
    ------
    ConfigError
        If the name is unknown, weights are given to an estimator without, or those of ``raft`` can't be had.
    """
    if name not in FLOWS:
        raise ConfigError(f"Unknown optical flow {name!r}.", f"Use one of: {', '.join(FLOWS)}.")
    if name == "raft":
        return RaftFlow(weights or "small", device)
    if weights:
        raise ConfigError(
            f"The optical flow {name!r} has no weights, but {weights!r} was given.", "Leave it out."
        )
    if name == "deepflow":
        return DeepFlow()
    return DisFlow() if name == "dis" else IdentityFlow()


class IdentityFlow:
    """Nothing moves."""

    name = "identity"
    settings = ""

    def __call__(self, rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8]) -> Flow:
        """Zeros; see :class:`FlowEstimator`."""
        _require_frames(rgb_t, rgb_k)
        return np.zeros((*rgb_t.shape[:2], 2), np.float32)


class DisFlow:
    """Dense inverse search with the medium preset (Kroeger et al., ECCV 2016), by OpenCV."""

    name = "dis"
    settings = "medium"

    def __call__(self, rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8]) -> Flow:
        """See :class:`FlowEstimator`."""
        _require_frames(rgb_t, rgb_k)
        height, width = rgb_t.shape[:2]
        pad = (0, 0), (0, max(0, _DIS_SIDE - height)), (0, max(0, _DIS_SIDE - width))
        pair = np.pad(np.stack([gray(rgb_t), gray(rgb_k)]), pad, "edge")
        # A new one each time: after a tiny frame it would search all later ones on a finer scale.
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        return np.ascontiguousarray(solved(search, *pair)[:height, :width])


class DeepFlow:
    """Variational flow on a fine pyramid (after Weinzaepfel et al., ICCV 2013, without its matching), by OpenCV.

    Raises
    ------
    ConfigError
        If this OpenCV was built without its extra modules.
    """

    name = "deepflow"
    settings = ""

    def __init__(self) -> None:
        if not hasattr(cv2, "optflow"):
            raise ConfigError(
                f"OpenCV {cv2.__version__} has no DeepFlow: it was built without the extra modules.",
                "Install opencv-contrib-python-headless alone, or use the optical flow dis.",
            )
        self._solver = cv2.optflow.createOptFlow_DeepFlow()

    def __call__(self, rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8]) -> Flow:
        """See :class:`FlowEstimator`."""
        _require_frames(rgb_t, rgb_k)
        return solved(self._solver, gray(rgb_t), gray(rgb_k))


class RaftFlow:
    """Recurrent all-pairs field transforms (Teed and Deng, ECCV 2020), torchvision's networks.

    Parameters
    ----------
    weights : str
        ``"small"``, ``"large"`` or a file; see :func:`build_flow`.
    device : str

    Raises
    ------
    ConfigError
        If the weights can't be had, or don't fit.
    """

    name = "raft"

    def __init__(self, weights: str = "small", device: str = "auto") -> None:
        from torchvision.models import optical_flow

        path = raft_weights(weights) if weights in _RAFT_SIZES else Path(weights)
        build = {"small": optical_flow.raft_small, "large": optical_flow.raft_large}[_raft_size(path)]
        network = build(weights=None)
        load_weights(network, path)
        self._device = find_device(device)
        self._network = network.eval().to(self._device)
        self.settings = hashlib.sha256(path.read_bytes()).hexdigest()[:16]

    def __call__(self, rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8]) -> Flow:
        """See :class:`FlowEstimator`."""
        _require_frames(rgb_t, rgb_k)
        height, width = rgb_t.shape[:2]
        pair = torch.from_numpy(np.stack([rgb_t, rgb_k])).to(self._device).permute(0, 3, 1, 2)
        below, right = (
            max(_RAFT_SIDE, -(-side // _RAFT_STRIDE) * _RAFT_STRIDE) - side for side in (height, width)
        )
        pair = F.pad(pair.float() / 127.5 - 1, (0, right, 0, below), mode="replicate")
        with torch.inference_mode():
            flow = self._network(pair[:1], pair[1:])[-1][0, :, :height, :width]
        found: Flow = np.ascontiguousarray(flow.permute(1, 2, 0).float().cpu().numpy())
        return found


def raft_weights(size: str) -> Path:
    """Weights of torchvision's ``"small"`` or ``"large"`` RAFT, downloaded on first use.

    Raises
    ------
    ConfigError
        If they aren't here and can't be fetched.
    StorageError
        If they can't be stored.
    """
    from torchvision.models import get_weight

    word = {"small": "Raft_Small_Weights.C_T_V2", "large": "Raft_Large_Weights.C_T_SKHT_V2"}[size]
    return download(get_weight(word).url)


def _raft_size(path: Path) -> str:
    """Which of both networks a file's weights are for, by the width of the first layer."""
    stem = fitting_names(read_weights(path), {_RAFT_STEM: torch.empty(0)}).get(_RAFT_STEM)
    if stem is None:
        raise ConfigError(
            f"The weights file {path} isn't one of RAFT.", "Give torchvision's raft_small or raft_large."
        )
    return "small" if len(stem) == 32 else "large"


def gray(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness (H, W) uint8 of a picture (H, W, 3) uint8."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), np.uint8)


def solved(solver: Any, gray_t: NDArray[np.uint8], gray_k: NDArray[np.uint8]) -> Flow:
    """What one of OpenCV's solvers finds between two frames (H, W): the flow (H, W, 2), from no guess."""
    flow: Flow = solver.calc(gray_t, gray_k, None)
    return flow


def _require_frames(rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8]) -> None:
    shapes = rgb_t.shape, rgb_k.shape
    fits = shapes[0] == shapes[1] and len(shapes[0]) == 3 and shapes[0][2] == 3 and 0 not in shapes[0]
    if not fits or rgb_t.dtype != np.uint8 or rgb_k.dtype != np.uint8:
        raise ConfigError(
            f"No optical flow between a frame {shapes[0]} of {rgb_t.dtype} and one {shapes[1]} of {rgb_k.dtype}.",
            "Give two frames (H, W, 3) of uint8, of one size.",
        )
