"""Settings of training, and the presets that fill them in."""

from __future__ import annotations

import math
import types
import typing
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from spml_core.errors import ConfigError

PRESETS = ("quick", "standard")
PAPER_PRESETS = ("paper-scribbles", "paper-points", "paper-boxes", "paper-tags", "paper-densepose")
"""Published methods (METHODS.md 1.17); most of their numbers are in :mod:`spml_core.paper.presets`."""

Variant = Literal["paper", "scripts"]
VARIANTS: tuple[Variant, ...] = typing.get_args(Variant)

VIDEO_METHODS = ("weclick", "etc", "both")
"""Ways to learn from films (METHODS.md 6 and 7); an empty word learns from marked frames as from any picture."""

NO_LIMIT = 1e9
"""Seconds: longer than anybody waits."""


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Every value has a default; :meth:`from_preset` gives the tried combinations.

    A published method takes from here ``preset``, ``variant``, ``max_seconds``, ``steps``, ``device``, ``seed``,
    ``backbone``, ``weights``, ``crop``, ``batch``, ``region_maps`` and ``point_radius``, and has its own numbers for
    all else.

    Attributes
    ----------
    preset : str
        Name of the preset that these settings came from.
    variant : {"paper", "scripts"}
        Of a published method: the paper's numbers, or those of the scripts released with it.
    max_seconds : float
        Time budget, start to end. The schedule is planned to fill it, up to ``max_steps``.
    steps : int or None
        Exactly so many learning steps, whatever they take; None plans them from ``max_seconds``. Of a published method
        those of the embedding, which its heads follow in proportion.
    max_steps : int
        Never more learning steps than this.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    seed : int
        Same seed, same steps and same device: same model.
    backbone : str
        Name, see :func:`spml_core.models.build_backbone`.
    weights : str
        File to take the backbone's weights from; empty for the published ones.
    scales : tuple of float
        Input scales whose features are stacked.
    stride : int
        Pixels per feature cell.
    embedding_dim : int
        D; raised to the number of classes where that is larger.
    fine_tune : bool
        Whether the backbone's deeper stages learn too, on crops.
    crop : int
        Side of those crops in pixels.
    batch : int
        Pictures per step.
    samples : int
        Pixels per picture and step.
    learning_rate, weight_decay, dropout : float
    image_similarity, annotation, cooccurrence, affinity : tuple of float
        Weight and concentration of each relation (METHODS.md 1.8.5).
    cross_entropy : float
        Weight of the softmax head's loss.
    stop_gradient : bool
        Whether the head is kept from moving the embedding.
    regions : tuple of int
        Regions that vote, coarse to fine, in a picture or a window of a large one (METHODS.md 1.9).
    color_strengths : tuple of float
        Strengths of the colour model to choose from by held-back marks.
    pseudo_labels : bool
        Whether sure answers of the first start teach a second one (algorithm 1, METHODS.md 1.17).
    confidence : float
        How sure, 0..1.
    point_radius : float
        Pixels around a click that count as marked.
    region_maps : str
        Folder with over-segmentations for a published method, a file each picture; empty for our own.
    video : str
        How to learn from films: ``"weclick"``, ``"etc"``, ``"both"``; empty for not at all.
    video_frames : int
        n: frames that learn together, the target and those up to n - 1 before and after it (METHODS.md 7.1).
    video_windows : int
        Frames of all films together that are held in memory at the most, besides marked ones.
    memory_flow, distillation : float
        Weights of WeClick's terms, lam_m and lam_k.
    memory_form : {"fused", "separate"}
        Whether the neighbours speak together or each for itself (METHODS.md 7.2).
    steadiness : float
        Weight of ETC's terms, lambda. The paper's 0.1 steadies a network that learns as a whole; where the backbone is
        fixed it takes more (docs/benchmarks.md).
    temporal_mode : {"paper", "reference"}
        Whether ETC's terms are those of the paper or of its released code (METHODS.md 6.3, 6.4).
    cut : float
        Weight of the normalised cut of films' frames: classes should change where colours do (METHODS.md 7.2).
    flow : str
        Optical flow, see :func:`spml_core.video.flow.build_flow`.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    preset: str = "quick"
    variant: str = "paper"
    max_seconds: float = 180.0
    steps: int | None = None
    max_steps: int = 20_000
    device: str = "auto"
    seed: int = 0
    backbone: str = "efficientnet-lite0"
    weights: str = ""
    scales: tuple[float, ...] = (1.0, 2.0)
    stride: int = 4
    embedding_dim: int = 64
    fine_tune: bool = False
    crop: int = 320
    batch: int = 8
    samples: int = 1024
    learning_rate: float = 2e-4
    weight_decay: float = 0.05
    dropout: float = 0.25
    image_similarity: tuple[float, float] = (0.1, 16.0)
    annotation: tuple[float, float] = (0.3, 6.0)
    cooccurrence: tuple[float, float] = (0.3, 8.0)
    affinity: tuple[float, float] = (0.0, 12.0)
    cross_entropy: float = 1.0
    stop_gradient: bool = False
    regions: tuple[int, ...] = (75, 150, 300, 600)
    color_strengths: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    pseudo_labels: bool = True
    confidence: float = 0.7
    point_radius: float = 3.0
    region_maps: str = ""
    video: str = ""
    video_frames: int = 3
    video_windows: int = 60
    memory_flow: float = 1.0
    distillation: float = 1.0
    memory_form: str = "fused"
    steadiness: float = 3.0
    temporal_mode: str = "paper"
    cut: float = 0.0
    flow: str = "dis"

    def __post_init__(self) -> None:
        types_ = typing.get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            if not _fits(value, types_[field.name]):
                raise ConfigError(
                    f"The setting {field.name} = {value!r} has the wrong type.", f"Give a {field.type}."
                )
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(
                    f"The setting {name} = {value} is out of range.", f"Use a value from {low:g} to {high:g}."
                )
        for name, words in _WORDS:
            if getattr(self, name) not in words:
                listed = ", ".join(word for word in words if word)
                raise ConfigError(f"Unknown {name} {getattr(self, name)!r}.", f"Use one of: {listed}.")
        if not self.is_published:
            for setting, given in (("variant", self.variant != "paper"), ("regions", self.region_maps)):
                if given:
                    raise ConfigError(
                        f"The preset {self.preset} takes no {setting}; the published methods do.",
                        f"Leave it out, or choose one of: {', '.join(PAPER_PRESETS)}.",
                    )

        elif self.video:
            raise ConfigError(
                f"The preset {self.preset} doesn't learn from films.",
                "Choose quick or standard, or leave video out.",
            )

    @property
    def learns_from_neighbors(self) -> bool:
        """Whether WeClick's terms are in."""
        return self.video in ("weclick", "both")

    @property
    def learns_steadiness(self) -> bool:
        """Whether ETC's terms are in."""
        return self.video in ("etc", "both")

    @property
    def is_published(self) -> bool:
        """Whether the preset is a published method."""
        return self.preset in PAPER_PRESETS

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> TrainConfig:
        """Settings of a preset, with some of them changed.

        ``quick`` keeps the backbone frozen and its features in memory: minutes on two cores. ``standard`` goes on from
        there and fine-tunes the backbone. The others are published methods as their authors ran them: days without a
        strong GPU, unless ``steps``, ``max_seconds``, ``crop``, ``batch`` or ``backbone`` say otherwise.

        Raises
        ------
        ConfigError
            If there is no such preset or setting.
        """
        known = (*PRESETS, *PAPER_PRESETS)
        if name not in known:
            raise ConfigError(f"Unknown preset {name!r}.", f"The presets are: {', '.join(known)}.")
        config = cls()
        if name in PAPER_PRESETS:
            small = name in _SMALLER_BATCH and changes.get("variant") != "scripts"
            config = replace(
                config,
                preset=name,
                max_seconds=NO_LIMIT,
                backbone="resnet101",
                crop=512,
                batch=12 if small else 16,
            )
        if name == "standard":
            config = replace(config, preset=name, max_seconds=1200.0, fine_tune=True, batch=2)
        return config.changed(**changes)

    def changed(self, **changes: Any) -> TrainConfig:
        """These settings with some replaced; a value of None for a setting that can't be None leaves it alone."""
        known = {field.name for field in fields(self)}
        for name in changes:
            if name not in known:
                raise ConfigError(
                    f"Unknown setting {name!r}.", f"The settings are: {', '.join(sorted(known))}."
                )
        return replace(self, **{k: v for k, v in changes.items() if v is not None})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """Settings from :meth:`to_dict`, as JSON gives them back.

        Raises
        ------
        ConfigError
            If a name is unknown or a value doesn't fit.
        """
        known = {field.name: field for field in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(
                f"Unknown settings: {', '.join(unknown)}.",
                "They come from another version; update the program.",
            )
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**settings)


_SMALLER_BATCH = ("paper-scribbles", "paper-points")

_RANGES: tuple[tuple[str, float, float], ...] = (
    ("max_seconds", 1, math.inf),
    ("steps", 0, 10_000_000),
    ("max_steps", 0, 10_000_000),
    ("seed", 0, 2**63 - 1),
    ("stride", 1, 32),
    ("embedding_dim", 1, 4096),
    ("crop", 64, 4096),
    ("batch", 1, 1024),
    ("samples", 16, 1_000_000),
    ("learning_rate", 0, 10),
    ("weight_decay", 0, 10),
    ("dropout", 0, 0.99),
    ("cross_entropy", 0, 1000),
    ("confidence", 0, 1),
    ("point_radius", 0.5, 1000),
    ("video_frames", 1, 16),
    ("video_windows", 2, 10_000),
    ("memory_flow", 0, 1000),
    ("distillation", 0, 1000),
    ("steadiness", 0, 1000),
    ("cut", 0, 1000),
)

_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("variant", VARIANTS),
    ("video", ("", *VIDEO_METHODS)),
    ("memory_form", ("fused", "separate")),
    ("temporal_mode", ("paper", "reference")),
    ("flow", ("dis", "deepflow", "raft", "identity")),
)


def _fits(value: object, hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        if not isinstance(value, tuple):
            return False
        if len(parts) == 2 and parts[1] is Ellipsis:
            return len(value) > 0 and all(_fits(v, parts[0]) for v in value)
        return len(value) == len(parts) and all(_fits(v, p) for v, p in zip(value, parts, strict=True))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
