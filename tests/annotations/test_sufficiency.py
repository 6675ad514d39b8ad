"""Which marks are enough to learn from."""

import itertools
import subprocess
import sys

import pytest

from spml_core.annotations import Box, CoarseMarks, KeyPoint, Tag
from spml_core.annotations.sufficiency import enough_to_learn, known_classes, what_is_lacking

NAMES = ("background", "cat", "dog")
BOX, CENTRE = Box(1, 0, 0, 4, 4), KeyPoint(2, 3, 3, 10)


def tags(*classes, complete=True):
    return CoarseMarks.of([Tag(index, complete) for index in classes])


@pytest.mark.parametrize(
    ("painted", "coarse", "known"),
    [
        ((), [], ()),
        ((1,), [], (1,)),
        ((0, 2), [], (0, 2)),
        ((), [CoarseMarks.of([BOX])], (0, 1)),
        ((), [CoarseMarks.of([CENTRE])], (0, 2)),
        ((), [tags(1)], ()),
        ((), [tags(1), tags(1)], ()),
        ((), [tags(1), tags(2)], (0, 1, 2)),
        ((), [tags(1), tags(1, 2)], (0, 2)),
        ((), [tags(1, complete=False), tags(2, complete=False)], ()),
        ((), [tags(1, complete=False), tags(2)], (0, 1)),
        ((), [tags(1), tags(0)], (0, 1)),
        ((), [tags(0), tags(0)], ()),
        ((2,), [tags(1)], (2,)),
        # A boxed class is in the picture, though nobody tagged it.
        ((), [CoarseMarks.of([BOX, Tag(2)]), tags(1, 2)], (0, 1)),
    ],
)
def test_known_classes(painted, coarse, known):
    assert known_classes(painted, coarse) == set(known)
    assert enough_to_learn(painted, coarse) == (len(known) >= 2)
    assert (what_is_lacking(painted, coarse, NAMES) == ("", "")) == (len(known) >= 2)


def test_tags_against_an_explicit_loop():
    lists = [
        tags(*chosen, complete=c)
        for n in (1, 2)
        for chosen in itertools.combinations((1, 2), n)
        for c in (0, 1)
    ]
    for pair in itertools.product(lists, repeat=2):
        expected = set()
        for index in (1, 2):
            holds = any(index in marks.tags for marks in pair)
            lacks = any(marks.complete and index not in marks.tags for marks in pair)
            if holds and lacks:
                expected |= {0, index}
        assert known_classes((), pair) == expected


def test_what_is_lacking_names_the_classes():
    assert "nothing" in what_is_lacking((), [], NAMES)[0]
    assert "“dog”" in what_is_lacking([2], [], NAMES)[0]
    problem, remedy = what_is_lacking((), [tags(1, 2)], NAMES)
    assert "“cat”, “dog”" in problem and "lacks" in remedy


def test_the_rule_needs_no_torch():
    code = "import sys, spml_core.annotations.sufficiency; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
