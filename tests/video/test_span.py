import pytest

from spml_core.errors import ConfigError
from spml_core.video.span import Span


@pytest.mark.parametrize(
    "frames",
    [
        (0, 0, 0, None),
        (0, 0, None, 0),
        (0, 0, 0, 0),
        (5, 9, 2, None),
        (5, 9, None, 9),
        (5, 9, None, 30),
        (5, 9, 2, 30),
    ],
)
def test_frames_in_order(frames):
    span = Span(*frames)
    assert (span.first, span.last, span.before, span.after) == frames


@pytest.mark.parametrize(
    "frames",
    [
        (5, 4, 2, None),  # the last before the first
        (5, 4, None, 9),
        (5, 9, 6, None),  # marked within: two spans
        (5, 9, None, 8),
        (5, 9, 2, 8),
        (5, 9, 9, 5),
        (-1, 3, None, 5),
        (0, 3, -2, None),
    ],
)
def test_frames_out_of_order_are_refused(frames):
    with pytest.raises(ConfigError, match="in order") as refused:
        Span(*frames)
    assert all(str(number) in str(refused.value) for number in frames)


def test_a_span_needs_a_marked_frame():
    with pytest.raises(ConfigError, match="no marked frame"):
        Span(0, 3, None, None)
