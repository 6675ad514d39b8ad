import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spml_core.annotations import (
    ACCEPTANCES,
    UNTOUCHED,
    Box,
    Erasure,
    Patch,
    Point,
    Scribble,
    Tag,
    classes_of,
    mark_from_json,
    mark_to_json,
    with_classes,
)
from spml_core.errors import MarkError

numbers = st.floats(-1e6, 1e6, allow_nan=False)
classes = st.integers(0, 253)
lines = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5).map(tuple)
widths = st.floats(1, 500)
rasters = st.integers(1, 6).flatmap(
    lambda w: st.lists(st.lists(st.integers(0, 255), min_size=w, max_size=w), min_size=1, max_size=6)
)
marks = st.one_of(
    st.builds(Scribble, classes, lines, widths),
    st.builds(Point, classes, numbers, numbers),
    st.builds(lambda c, t, le, h, w: Box(c, t, le, t + h, le + w), classes, numbers, numbers, widths, widths),
    st.builds(Tag, classes),
    st.builds(Erasure, lines, widths),
    st.builds(
        lambda t, le, r, how: Patch(t, le, np.array(r, np.uint8), how),
        st.integers(0, 99),
        st.integers(0, 99),
        rasters,
        st.sampled_from(ACCEPTANCES),
    ),
)


@given(marks)
def test_json_round_trip_is_exact(mark):
    text = mark_to_json(mark)
    again = mark_from_json(text)
    assert again == mark
    assert hash(again) == hash(mark)
    assert type(again) is type(mark)
    assert mark_to_json(again) == text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Point(-1, 0, 0),
        lambda: Point(254, 0, 0),
        lambda: Tag(255),
        lambda: Point(0, float("nan"), 0),
        lambda: Scribble(0, (), 3),
        lambda: Scribble(0, ((0, float("inf")),), 3),
        lambda: Scribble(0, ((0, 0),), 0.5),
        lambda: Erasure(((0, 0),), float("nan")),
        lambda: Box(0, 5, 5, 5, 9),
        lambda: Box(0, 5, 5, 9, 4),
        lambda: Patch(0, 0, np.zeros((0, 3), np.uint8)),
        lambda: Patch(0, 0, np.zeros((2, 3), np.int64)),
        lambda: Patch(0, 0, np.zeros(3, np.uint8)),
        lambda: Patch(-1, 0, np.zeros((2, 2), np.uint8)),
        lambda: Patch(0, 0, np.zeros((2, 2), np.uint8), "all"),
        lambda: Patch(0, 0, np.zeros((2, 2), np.uint8), None),
    ],
)
def test_senseless_marks_are_refused(make):
    with pytest.raises(MarkError) as caught:
        make()
    assert caught.value.remedy


def test_a_patch_keeps_a_copy_nobody_can_change():
    raster = np.zeros((2, 2), np.uint8)
    patch = Patch(0, 0, raster)
    raster[:] = 7
    assert not patch.labels.any()
    with pytest.raises(ValueError, match="read-only"):
        patch.labels[0, 0] = 1
    assert patch != Patch(0, 1, patch.labels)
    assert patch != Patch(0, 0, patch.labels, "class")
    assert patch != "patch"


def test_classes_of_and_with_classes():
    patch = Patch(0, 0, np.array([[3, 255, UNTOUCHED], [1, 3, 253]], np.uint8))
    assert classes_of(patch) == (1, 3, 253)
    assert classes_of(Tag(4)) == (4,)
    assert classes_of(Erasure(((0, 0),), 2)) == ()
    swapped = with_classes(patch, {1: 3, 3: 1, 253: 0})
    assert swapped.labels.tolist() == [[1, 255, UNTOUCHED], [3, 1, 0]]
    accepted = Patch(0, 0, np.array([[1]], np.uint8), "picture")
    assert with_classes(accepted, {1: 0}) == Patch(0, 0, np.array([[0]], np.uint8), "picture")
    assert with_classes(Point(2, 1, 1), {2: 9}) == Point(9, 1, 1)
    assert with_classes(Erasure(((0, 0),), 2), {}) == Erasure(((0, 0),), 2)


def test_a_drawn_patch_is_written_as_before_there_were_accepted_ones():
    drawn = Patch(0, 0, np.zeros((2, 2), np.uint8))
    assert "accepted" not in mark_to_json(drawn)
    assert mark_from_json(patch_json(2, 2, bytes(4))) == drawn
    assert drawn.accepted == ""
    assert mark_from_json(patch_json(2, 2, bytes(4), accepted="picture")).accepted == "picture"


def patch_json(height, width, raster, **more):
    packed = base64.b64encode(zlib.compress(raster)).decode()
    return json.dumps(
        {"v": 1, "kind": "patch", "top": 0, "left": 0, "height": height, "width": width, "zlib": packed}
        | more
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "list, not an object"),
        ('{"kind": "tag", "class": 1}', "version None"),
        ('{"v": 2, "kind": "tag", "class": 1}', "version 2.*Update"),
        ('{"v": 1, "kind": "spiral"}', "'spiral'"),
        ('{"v": 1, "kind": ["tag"]}', "Unknown kind"),
        ('{"v": 1, "kind": "tag"}', "class = None"),
        ('{"v": 1, "kind": "tag", "class": true}', "class = True"),
        ('{"v": 1, "kind": "tag", "class": 1.5}', "whole number"),
        ('{"v": 1, "kind": "tag", "class": 300}', "300"),
        ('{"v": 1, "kind": "point", "class": 0, "y": "1", "x": 2}', "y = '1'"),
        ('{"v": 1, "kind": "point", "class": 0, "y": NaN, "x": 2}', "nan"),
        ('{"v": 1, "kind": "scribble", "class": 0, "points": [[1, 2, 3]], "width": 3}', "pairs"),
        ('{"v": 1, "kind": "scribble", "class": 0, "points": [[1, null]], "width": 3}', "pairs"),
        ('{"v": 1, "kind": "scribble", "class": 0, "points": 7, "width": 3}', "pairs"),
        (patch_json(2, 2, b"123"), "2 x 2"),
        (patch_json(2, 2, b"12345"), "2 x 2"),
        (patch_json(2, 2, b"0" * 100_000_000), "2 x 2"),
        (patch_json(0, 2, b""), "0 x 2"),
        (patch_json(100_000, 100_000, b"0"), "claims 100000 x 100000 pixels; 268435456"),
        (patch_json(2, 2, b"", zlib=base64.b64encode(zlib.compress(b"1234")[:-4]).decode()), "2 x 2"),
        (patch_json(2, 2, b"1234", zlib="§"), "unpacked"),
        (patch_json(2, 2, b"1234", zlib=base64.b64encode(b"junk").decode()), "unpacked"),
        (patch_json(2, 2, b"1234", zlib=None), "base64"),
        (patch_json(2, 2, b"1234", top=-3), "-3"),
        (patch_json(2, 2, b"1234", accepted="all"), "accepted = 'all'"),
        (patch_json(2, 2, b"1234", accepted=["class"]), "accepted"),
        (patch_json(2, 2, b"1234", accepted=None), "accepted = None"),
    ],
)
def test_damaged_json_is_refused(text, words):
    with pytest.raises(MarkError, match=words):
        mark_from_json(text)
