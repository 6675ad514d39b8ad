"""Normalised-cut and CRF energies of soft segmentations: labels should change where colours do (METHODS.md 7.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class BilateralKernel:
    """``A_ij = exp(-|p_i - p_j|^2 / 2 place^2 - |I_i - I_j|^2 / 2 color^2)``, ``A_ii = 0``, on a coarse grid.

    Attributes
    ----------
    place : float
        Standard deviation in pixels.
    color : float
        Standard deviation in colour values 0..255.
    most_points : int
        Points of the grid at the most; the kernel has their square.
    """

    place: float = 80.0
    color: float = 15.0
    most_points: int = 1200

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the grid over a picture of this size."""
        shrink = max(1.0, (height * width / self.most_points) ** 0.5)
        return max(1, int(height / shrink)), max(1, int(width / shrink))

    def matrix(self, image: Tensor) -> Tensor:
        """The kernel (N, P, P) of images (N, 3, H, W) in 0..255 over the P points of their grid, in raster order."""
        height, width = image.shape[-2:]
        rows, columns = self.grid(height, width)
        color = F.adaptive_avg_pool2d(image, (rows, columns)).flatten(2).transpose(1, 2)
        y = (torch.arange(rows, device=image.device, dtype=image.dtype) + 0.5) * height / rows
        x = (torch.arange(columns, device=image.device, dtype=image.dtype) + 0.5) * width / columns
        place = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(1, -1, 2)
        return self.between(color, place.expand(len(image), -1, -1))

    def between(self, colors: Tensor, places: Tensor) -> Tensor:
        """The kernel (N, P, P) of any points: their colours (N, P, 3) in 0..255 and places (N, P, 2) in pixels."""
        points = torch.cat([colors / self.color, places / self.place], 2)
        # Squares are summed point by point: a difference of inner products would lose near points in rounding.
        distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square()
        kernel = torch.exp(-0.5 * distance)
        return kernel - torch.diag_embed(kernel.diagonal(dim1=1, dim2=2))


def cut_energy(
    probabilities: Tensor, image: Tensor, kernel: BilateralKernel | None = None, *, normalised: bool = True
) -> Tensor:
    """The :func:`energy` of a segmentation of whole images, on the kernel's grid.

    Parameters
    ----------
    probabilities : Tensor, (N, K, h, w)
        s.
    image : Tensor, (N, 3, H, W)
        In 0..255; its grid is no finer than the probabilities.
    kernel : BilateralKernel, optional
    normalised : bool
    """
    kernel = kernel or BilateralKernel()
    with torch.no_grad():
        affinity = kernel.matrix(image)
    soft = F.adaptive_avg_pool2d(probabilities, kernel.grid(*image.shape[-2:])).flatten(2)
    return energy(soft, affinity, normalised=normalised)


def energy(soft: Tensor, affinity: Tensor, *, normalised: bool = True) -> Tensor:
    """How much of the affinity between points the segmentation cuts.

    ``sum_c s_c^T A (1 - s_c)``, averaged over the points (CRF energy), or each class's cut divided by its ``d^T s_c``
    with ``d = A 1`` (normalised cut, in 0..K-1).

    Parameters
    ----------
    soft : Tensor, (N, K, P)
        s: probabilities of the points.
    affinity : Tensor, (N, P, P)
        A.
    normalised : bool

    Returns
    -------
    Tensor, ()
        Mean over the pictures.

    References
    ----------
    Tang et al., normalised cut and regularised losses for weakly supervised segmentation, 2018.
    """
    cut = (soft @ affinity * (1 - soft)).sum(2)
    if not normalised:
        return cut.sum(1).mean() / soft.shape[2]
    volume = (soft * affinity.sum(1)[:, None]).sum(2)
    return (cut / volume.clamp_min(1e-12)).sum(1).mean()
