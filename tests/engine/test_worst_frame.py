"""Where a mark helps most."""

import numpy as np

from spml_core.engine.worst_frame import worst_frame


class Known:
    def __init__(self, *confidences):
        self._found = np.float32(confidences)

    def confidences(self):
        return self._found


def test_the_worst_frame_by_an_explicit_loop():
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = int(rng.integers(3, 30))
        found = rng.random(count).astype(np.float32)
        found[rng.random(count) < 0.2] = np.nan
        marked = sorted({int(i) for i in rng.integers(0, count, 3)})
        best, worst = -1.0, None
        for i in range(count):
            if np.isnan(found[i]) or min(abs(i - m) for m in marked) <= 1:
                continue
            worth = 1 - float(found[i])
            for step in (1, -1):
                least, j = 1 - float(found[i]), i + step
                while 0 <= j < count and j not in marked and not np.isnan(found[j]):
                    least = min(least, 1 - float(found[j]))
                    worth += least
                    j += step
            if worth > best + 1e-6:
                best, worst = worth, i
        assert worst_frame(Known(*found), marked) == worst


def test_the_worst_frame_shares_its_doubt_and_lies_away_from_marks():
    lonely = Known(1, 1, 0.2, 1, 1, 1, 0.5, 0.4, 0.5, 1)
    assert worst_frame(lonely, [0]) == 7  # one bad frame weighs less than three that are half as bad
    assert worst_frame(Known(1, 0.1, 0.9, 0.9, 0.2, 1), [0, 5]) in (2, 3)
    assert worst_frame(Known(*[0.5] * 9), [0, 8]) == 4  # in the middle of equals
    assert worst_frame(Known(1, 0.3, np.nan), [0]) is None
    assert worst_frame(Known(), []) is None
