"""What a teacher has to say about the frames of films, and the loss terms that come of it (METHODS.md 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.models import SegmentationNetwork
from spml_core.training.cache import FeatureCache
from spml_core.video.conv_lstm import ConvLSTM
from spml_core.video.etc import Mode, multi_frame_dependency, pair_dependency, temporal_loss
from spml_core.video.film_links import FilmFrame, Link
from spml_core.video.regulariser import BilateralKernel, energy
from spml_core.video.weclick import divergence

_FRAMES_PER_STEP = 2
_CELLS_IN_AFFINITIES = 200
_POOL = 16  # cells each way that an affinity over several frames looks at as one


@dataclass(frozen=True)
class FilmLessons:
    """The frozen teacher's probabilities of the sampled cells of films, and which cells belong together.

    Attributes
    ----------
    frames : tuple of FilmFrame
    teacher : dict of int to Tensor
        (n, K) float16 of each frame in the cache that has any, by its place.
    colors : dict of int to Tensor
        (n, 3) uint8 of each frame's cells, where the cut counts.
    """

    frames: tuple[FilmFrame, ...]
    teacher: dict[int, Tensor]
    colors: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of_tensor(cls, frames: Sequence[FilmFrame], cache: FeatureCache, teacher: Tensor) -> FilmLessons:
        """Lessons as :attr:`tensor` keeps them."""
        sizes = [len(cache.in_order[frame.place].sample) for frame in frames]
        parts = torch.split(teacher, sizes)
        return cls(tuple(frames), {f.place: part for f, part in zip(frames, parts, strict=True)})

    def with_colors(self, cache: FeatureCache, stride: int) -> FilmLessons:
        """The same with the colours in the middle of the cells of ``stride`` pixels."""
        colors = {}
        for frame in self.frames:
            cached = cache.in_order[frame.place]
            rgb = cached.picture.rgb()
            middles = cached.sample.positions.numpy() * stride + stride // 2
            rows, columns = np.minimum(middles, np.array(rgb.shape[:2]) - 1).T
            colors[frame.place] = torch.from_numpy(rgb[rows, columns])
        return replace(self, colors=colors)

    @property
    def tensor(self) -> Tensor:
        """The teacher's probabilities of all frames, one after the other."""
        return torch.cat([self.teacher[frame.place] for frame in self.frames])

    def without(self, places: Sequence[int]) -> FilmLessons:
        """The same without frames whose marks, and so sampled cells, have changed."""
        gone = set(places)
        kept = tuple(
            FilmFrame(
                frame.place,
                tuple(link for link in frame.links if link.other not in gone),
                None if frame.previous in gone else frame.previous,
                None if frame.next in gone else frame.next,
            )
            for frame in self.frames
            if frame.place not in gone
        )
        return FilmLessons(
            kept, *({p: t for p, t in of.items() if p not in gone} for of in (self.teacher, self.colors))
        )

    def memory(self, frame: FilmFrame) -> tuple[Tensor, Tensor]:
        """M_k (n, K) of a frame's cells, and where there is any (n,) bool; see :func:`weclick.memory_flow`."""
        return fused(frame.links, self.teacher, len(self.teacher[frame.place]))

    def terms(
        self, network: SegmentationNetwork, cache: FeatureCache, config: TrainConfig, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Loss terms of a few frames by lot, unweighted; see :func:`weighted`."""
        chosen = rng.permutation(len(self.frames))[:_FRAMES_PER_STEP]
        found: dict[str, list[Tensor]] = {}
        for number in chosen:
            for name, value in self._terms(self.frames[number], network, cache, config, rng).items():
                found.setdefault(name, []).append(value)
        return {name: torch.stack(values).mean() for name, values in found.items()}

    def _terms(
        self,
        frame: FilmFrame,
        network: SegmentationNetwork,
        cache: FeatureCache,
        config: TrainConfig,
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        device = network.device
        sample = cache.in_order[frame.place].sample
        rows = torch.from_numpy(np.sort(rng.permutation(len(sample))[: config.samples]))
        pick = rng.random()
        features = _standardised(network, sample.features[rows])
        embedding = network.embed(features)
        logits = network.classify(embedding)
        answer = torch.log_softmax(logits, 1)
        nothing = 0 * logits.sum()
        terms = {"teacher": divergence(self.teacher[frame.place][rows].float().to(device), answer).mean()}
        if config.learns_from_neighbors:
            terms["memory_flow"] = nothing + self._memory_flow(frame, rows, answer, config.memory_form)
        if config.cut:
            terms["cut"] = self._cut(frame, rows, answer, sample.positions[rows] * network.pyramid.stride)
        if config.learns_steadiness:
            mode: Mode = "reference" if config.temporal_mode == "reference" else "paper"
            terms |= {"temporal": nothing, "pair": nothing, "multi": nothing}
            if frame.links:
                link = frame.links[int(pick * len(frame.links))]
                other = _standardised(network, cache.in_order[link.other].sample.features[link.rows[rows]])
                there = network.embed(other)
                terms["temporal"] = temporal_loss(
                    _column(logits),
                    _column(network.classify(there)),
                    logits.new_zeros(1, 2, len(logits), 1),
                    link.validity[rows].to(device)[None, None, :, None],
                    mode,
                )
                few = slice(None, None, max(1, len(rows) // _CELLS_IN_AFFINITIES))
                terms["pair"] = pair_dependency(
                    (_column(embedding[few]), _column(there[few])),
                    (_column(features[few]), _column(other[few])),
                    swapped_norms=mode == "reference",
                )
            if frame.previous is not None and frame.next is not None:
                pooled = [
                    _pooled(network, cache, place) for place in (frame.previous, frame.place, frame.next)
                ]
                student = [network.embed(p.movedim(1, -1)).movedim(-1, 1) for p in pooled]
                terms["multi"] = multi_frame_dependency(student, pooled, ConvLSTM().to(device), pool=1)
        return terms

    def _cut(self, frame: FilmFrame, rows: Tensor, answer: Tensor, places: Tensor) -> Tensor:
        colors = self.colors[frame.place][rows].to(answer)
        with torch.no_grad():
            affinity = BilateralKernel().between(colors[None], places.to(answer)[None])
        return energy(answer.exp().T[None], affinity)

    def _memory_flow(self, frame: FilmFrame, rows: Tensor, answer: Tensor, form: str) -> Tensor:
        if form == "fused":
            memory, seen = (part[rows].to(answer.device) for part in self.memory(frame))
            return divergence(memory, answer)[seen].mean() if seen.any() else answer.new_zeros(())
        parts = []
        for link in frame.links:
            validity = link.validity[rows].to(answer.device)
            if validity.any():
                aim = self.teacher[link.other][link.rows[rows]].float().to(answer.device)
                parts.append((validity * divergence(aim, answer)).sum() / validity.sum())
        return torch.stack(parts).mean() if parts else answer.new_zeros(())


def weighted(terms: dict[str, Tensor], config: TrainConfig) -> Tensor:
    """``L_weak + lam_m L_MFD + lam_k L_KD`` of WeClick, its cut, and ``lambda (L_tl + L_KD + L_PF + L_MF)`` of ETC.

    Only those that are in.
    """
    weights = dict.fromkeys(terms, config.steadiness)
    weights["teacher"] = (config.distillation if config.learns_from_neighbors else 0.0) + (
        config.steadiness if config.learns_steadiness else 0.0
    )
    weights |= {"memory_flow": config.memory_flow, "weak": config.cross_entropy, "cut": config.cut}
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum()


def fused(links: Sequence[Link], maps: dict[int, Tensor], count: int) -> tuple[Tensor, Tensor]:
    """``sum_f V_f m_f / sum_f V_f`` (n, K) of neighbours' maps, and where there is any (n,) bool."""
    classes = next(iter(maps.values())).shape[1]
    total, memory = torch.zeros(count), torch.zeros(count, classes)
    for link in links:
        total += link.validity
        memory += link.validity[:, None] * maps[link.other][link.rows].float()
    return memory / total.clamp_min(1e-12)[:, None], total > 0


def _standardised(network: SegmentationNetwork, features: Tensor) -> Tensor:
    return network.standardise(features.to(network.device).float())


def _column(rows: Tensor) -> Tensor:
    """Rows (n, C) as a map of one column, (1, C, n, 1)."""
    return rows.T[None, :, :, None]


def _pooled(network: SegmentationNetwork, cache: FeatureCache, place: int) -> Tensor:
    """Mean features (1, C, p, q) of a frame's sampled cells in blocks of 16 x 16 cells; 0 where none was sampled."""
    sample = cache.in_order[place].sample
    rows, columns = (-(-side // _POOL) for side in sample.grid)
    block = (sample.positions[:, 0] // _POOL * columns + sample.positions[:, 1] // _POOL).to(network.device)
    features = _standardised(network, sample.features)
    total = features.new_zeros(rows * columns, features.shape[1]).index_add_(0, block, features)
    counts = torch.bincount(block, minlength=rows * columns).clamp_min(1)
    return (total / counts[:, None]).T.reshape(1, -1, rows, columns)
