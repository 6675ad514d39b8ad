"""What is carried from frame to frame, and how a frame is decided from it.

Five sources speak for the classes of a frame's small regions: the last frame's answer moved along the flow, as far as
the flow is valid; retrieval among the embeddings of the marked frames; their colours; motion that is not the camera's;
and borders, which decide where one class ends. Frames that nobody marked teach nothing: their errors would, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spml_core.labeling.colors import softmax
from spml_core.suggesting.color_model import region_color_evidence
from spml_core.suggesting.region_graph import Floats, border_affinity
from spml_core.suggesting.smoothing import best_cut, walk
from spml_core.video.frame_regions import Coordinates, FrameRegions
from spml_core.video.motion import motion_evidence, motion_of_its_own
from spml_core.video.warp import Flow, Mask, warp_array

_LEAST_SEEN = 0.05  # share of a region with valid flow, below which nothing was carried there
_NEAREST = 20
_CONCENTRATION = 20.0  # of retrieval
_BALANCE = 0.5  # 0: large classes have more votes; 1: every class has as many
_SOFT = 0.5  # of what is carried: half the probabilities, half the decision
_TRUST = 0.3


@dataclass(frozen=True)
class CarryStrengths:
    """How the sources are weighed; in words of log-probabilities.

    Attributes
    ----------
    memory, retrieval, color, motion : float
    smooth : float
        Borders between regions.
    features_in_borders : float
        How much unlike features weaken a border.
    doubt : float
        How sure the last frame's answer is at most: ``1 - doubt``.
    """

    memory: float = 1.5
    retrieval: float = 0.7
    color: float = 0.25
    motion: float = 1.0
    smooth: float = 5.0
    features_in_borders: float = 1.0
    doubt: float = 0.03


@dataclass(frozen=True, eq=False)
class Known:
    """Regions of a frame whose classes are known, more or less.

    Attributes
    ----------
    embeddings : ndarray, (R, D) float32
        Unit vectors.
    colors : csr_matrix, (R, bins)
    area : ndarray, (R,) float32
    probabilities : ndarray, (R, k) float32
    weights : ndarray, (R,) float32
        How much each region's answer counts.
    """

    embeddings: Floats
    colors: sparse.csr_matrix
    area: Floats
    probabilities: Floats
    weights: Floats

    @classmethod
    def of(cls, coordinates: Coordinates, frame: FrameRegions, probabilities: Floats) -> Known:
        """What is known of a frame: large regions and sure ones count most."""
        count = probabilities.shape[1]
        sure = (probabilities.max(1) - 1 / count) / (1 - 1 / count)
        return cls(
            coordinates.embed(frame.descriptors),
            coordinates.colors(frame.rgb, frame.regions, frame.graph.count),
            frame.graph.area,
            probabilities,
            (np.sqrt(frame.graph.area) * sure).astype(np.float32),
        )


@dataclass(frozen=True, eq=False)
class Carried:
    """The last frame's answer, moved to this frame's regions.

    Attributes
    ----------
    probabilities : ndarray, (R, k) float32
        Uniform where nothing was carried.
    share : ndarray, (R,) float32
        Of each region's pixels where the flow is valid.
    motion : ndarray, (R, 2) float32
        Mean motion, without the camera's.
    spread : float
        See :func:`spml_core.video.motion.motion_of_its_own`.
    """

    probabilities: Floats
    share: Floats
    motion: Floats
    spread: float

    @classmethod
    def along(cls, flow: Flow, valid: Mask, answer: Floats, frame: FrameRegions) -> Carried:
        """Move an answer (h, w, k) along the flow from a frame to the one the answer is of."""
        seen = valid.astype(np.float32)
        share = frame.mean(seen)
        moved = frame.mean(warp_array(answer, flow) * seen[..., None])
        count = answer.shape[2]
        known = share > _LEAST_SEEN
        probabilities = np.full_like(moved, 1 / count)
        probabilities[known] = moved[known] / share[known, None]
        motion, spread = motion_of_its_own(flow)
        return cls(probabilities, share, frame.mean(motion), spread)


def retrieve(known: Sequence[Known], queries: Floats) -> Floats:
    """Classes of regions by their nearest known ones: votes weighed by ``exp(kappa (cos - 1))``.

    Parameters
    ----------
    known : sequence of Known
    queries : ndarray, (R, D) float32
        Unit embeddings.

    Returns
    -------
    ndarray, (R, k) float32
        Rows sum to 1.
    """
    votes = np.concatenate([part.weights[:, None] * part.probabilities for part in known])
    votes = votes / np.maximum(votes.sum(0), 1e-9) ** _BALANCE
    likeness = np.exp(_CONCENTRATION * (queries @ np.concatenate([part.embeddings for part in known]).T - 1))
    nearest = min(_NEAREST, likeness.shape[1])
    least = np.partition(likeness, -nearest, axis=1)[:, -nearest]
    likeness[likeness < least[:, None]] = 0
    found = likeness @ votes + 1e-9
    result: Floats = (found / found.sum(1, keepdims=True)).astype(np.float32)
    return result


def frame_scores(
    frame: FrameRegions,
    coordinates: Coordinates,
    marked: Sequence[Known],
    carried: Carried | None,
    strengths: CarryStrengths,
) -> Floats:
    """Log-probabilities (R, k), up to a constant for each region, before borders are looked at.

    Parameters
    ----------
    frame : FrameRegions
    coordinates : Coordinates
    marked : sequence of Known
        At least one.
    carried : Carried or None
        None after a cut.
    strengths : CarryStrengths
    """
    area, own = frame.graph.area, coordinates.colors(frame.rgb, frame.regions, frame.graph.count)
    found = retrieve(marked, coordinates.embed(frame.descriptors))
    scores = strengths.retrieval * np.log(found + 1e-2)
    guess = np.zeros_like(found)
    if carried is not None:
        guess = carried.probabilities * carried.share[:, None]
        doubt = strengths.doubt / (found.shape[1] - 1)
        trusted = carried.probabilities * (1 - found.shape[1] * doubt) + doubt
        scores += strengths.memory * carried.share[:, None] * np.log(trusted)
        evidence = motion_evidence(carried.motion, carried.spread, area, guess)
        evidence[:, 0] = 0  # the first class is what the others move in front of
        scores += strengths.motion * evidence
    colors = sparse.vstack([*(part.colors for part in marked), own]).tocsr()
    areas = np.concatenate([*(part.area for part in marked), area])
    thought = np.concatenate([*(part.probabilities for part in marked), guess])
    scores += strengths.color * region_color_evidence(colors, areas, thought)[-len(area) :]
    result: Floats = scores.astype(np.float32)
    return result


def decide(
    frame: FrameRegions, coordinates: Coordinates, scores: Floats, strengths: CarryStrengths
) -> Floats:
    """Probabilities (R, k) after borders have spoken: an exact cut for two classes, a walk for more."""
    graph = frame.graph
    features = coordinates.features.project(frame.descriptors)
    borders = strengths.smooth * border_affinity(graph, features, strengths.features_in_borders)
    size = np.sqrt(graph.area)
    smooth = walk(softmax(scores), _TRUST * size, graph.pairs, borders)
    if scores.shape[1] != 2:
        return smooth
    second = best_cut(-scores * size[:, None], graph.pairs, borders).astype(np.int64)
    decision = np.eye(2, dtype=np.float32)[second]
    mixed: Floats = _SOFT * smooth + (1 - _SOFT) * decision
    return mixed


def quantised(frame: FrameRegions, probabilities: Floats) -> NDArray[np.uint8]:
    """Probabilities (R, k) as a map (k, h, w) uint8."""
    codes = np.rint(probabilities * 255).astype(np.uint8)
    return np.ascontiguousarray(codes[frame.regions].transpose(2, 0, 1))
