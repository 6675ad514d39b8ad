"""How much each relation counts, and how sharply it tells near from far (METHODS.md 1.8.5)."""

from __future__ import annotations

from dataclasses import dataclass

from spml_core.errors import ConfigError


@dataclass(frozen=True)
class Term:
    """One relation's weight (lambda, 0 switches it off) and concentration (kappa).

    Raises
    ------
    ConfigError
        If the weight is negative or the concentration isn't positive.
    """

    weight: float
    kappa: float

    def __post_init__(self) -> None:
        if not (self.weight >= 0 and self.kappa > 0):
            raise ConfigError(
                f"A relation has weight {self.weight} and concentration {self.kappa}.",
                "Use a weight of 0 or more and a concentration above 0.",
            )


@dataclass(frozen=True)
class RelationWeights:
    """The four relations' weights. The defaults are the paper's for scribbles."""

    image_similarity: Term = Term(0.1, 16.0)
    annotation: Term = Term(1.0, 6.0)
    cooccurrence: Term = Term(0.5, 12.0)
    affinity: Term = Term(0.0, 12.0)


_POINTS = RelationWeights(Term(1.0, 16.0), Term(1.0, 6.0), Term(1.0, 8.0))
_COARSE = RelationWeights(Term(0.3, 16.0), Term(1.0, 6.0), Term(1.0, 8.0))

PAPER_WEIGHTS: dict[str, RelationWeights] = {
    "scribbles": RelationWeights(),
    "points": _POINTS,
    "boxes": _COARSE,
    "tags": _COARSE,
    "keypoints": RelationWeights(Term(0.1, 16.0), Term(1.0, 6.0), Term(0.0, 8.0), Term(0.5, 12.0)),
}
"""The SPML paper's table 1, by kind of annotation."""
