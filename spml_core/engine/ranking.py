"""Which picture to mark next: where the model is unsure, and unlike what it has seen. Needs no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spml_core.engine.predictions import PictureSummary

_GREEDY = 100  # so many are ranked one by one; nobody marks more before the next training


def next_to_mark(
    names: Sequence[str],
    summaries: Mapping[str, PictureSummary],
    marked: Collection[str],
    reviewed: Collection[str],
) -> list[str]:
    """Rank the pictures that aren't reviewed, the one whose marks should teach most first.

    A picture's worth is its uncertainty times its novelty: the distance from its descriptor to the nearest picture that
    was marked, reviewed, or ranked before it, so that the first ones differ from each other, too (uncertainty sampling,
    as in Lewis and Gale 1994, and the greedy covering of Sener and Savarese, ICLR 2018). While nothing is marked, the
    first is judged by its distance from the mean.

    Parameters
    ----------
    names : sequence of str
        All pictures, in the order to fall back on.
    summaries : mapping
        Of the pictures predicted so far, by name.
    marked, reviewed : collection of str
        Names of pictures with marks, and of those that were accepted.

    Returns
    -------
    list of str
        Pictures without marks and with a summary, best first; then those without a summary, in their order; last those
        with marks, the most uncertain first. None that is reviewed. The same every time.
    """
    marked, reviewed = frozenset(marked), frozenset(reviewed)
    known = _described(names, summaries)
    open_ = [name for name in names if name not in reviewed]
    fresh = [name for name in open_ if name in known and name not in marked]
    seen = [name for name in known if name in marked or name in reviewed]
    ranked = _spread_out(fresh, seen, known, summaries) if fresh else []
    unknown = [name for name in open_ if name not in known and name not in marked]
    begun = [name for name in open_ if name in marked]
    begun.sort(key=lambda name: -summaries[name].uncertainty if name in summaries else 0.0)
    return ranked + unknown + begun


def _described(
    names: Sequence[str], summaries: Mapping[str, PictureSummary]
) -> dict[str, NDArray[np.float64]]:
    """Descriptors, each of their numbers brought to the same spread over the pictures."""
    there = [name for name in names if name in summaries and summaries[name].descriptor]
    if not there:
        return {}
    # Another length would be another model's, and can't be compared.
    length = len(summaries[there[0]].descriptor)
    there = [name for name in there if len(summaries[name].descriptor) == length]
    values = np.array([summaries[name].descriptor for name in there], np.float64)
    spread = values.std(0)
    values = (values - values.mean(0)) / np.where(spread > 1e-9, spread, 1.0)
    return dict(zip(there, values, strict=True))


def _spread_out(
    fresh: list[str],
    seen: list[str],
    known: Mapping[str, NDArray[np.float64]],
    summaries: Mapping[str, PictureSummary],
) -> list[str]:
    """The fresh pictures by uncertainty times distance from all before."""
    values = np.stack([known[name] for name in fresh])
    # Not quite 0, so that of pictures without doubt the novel ones still come first.
    doubt = np.maximum([summaries[name].uncertainty for name in fresh], 1e-6)
    nearest = np.full(len(fresh), np.inf)
    for name in seen:
        nearest = np.minimum(nearest, np.linalg.norm(values - known[name], axis=1))
    worth = doubt * (nearest if seen else np.linalg.norm(values, axis=1))
    order: list[int] = []
    for _ in range(min(_GREEDY, len(fresh))):
        worth[order] = -1.0
        best = int(worth.argmax())
        order.append(best)
        nearest = np.minimum(nearest, np.linalg.norm(values - values[best], axis=1))
        worth = doubt * nearest
    left = set(range(len(fresh))) - set(order)
    order += sorted(left, key=lambda i: (-worth[i], i))
    return [fresh[i] for i in order]
