import contextlib

import numpy as np
import pytest

from spml_core.films import film_from_array
from spml_core.video.soft_store import DiskSoftStore, MemorySoftStore
from spml_core.video.span import Span


def run(propagator, film, span, marks, store=None, **kwargs):
    return list(propagator.propagate_span(film, span, marks, store or MemorySoftStore(), **kwargs))


def last_of(results):
    """What is known in the end: of each frame the last that was told."""
    return {result.index: result for result in results}


def same(one, two):
    return (
        np.array_equal(one.labels, two.labels)
        and one.confidence == two.confidence
        and (one.final, one.source, one.is_cut) == (two.final, two.source, two.is_cut)
    )


class BrittleStore(MemorySoftStore):
    """Gives up at the n-th time that something is kept or forgotten, before or after it."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def _count(self):
        self.left -= 1
        if self.left < 0:
            raise InterruptedError

    def put(self, direction, index, map):
        self._count()
        super().put(direction, index, map)
        self._count()

    def delete(self, direction, index):
        self._count()
        super().delete(direction, index)


SPANS = [Span(0, 4, 0, None), Span(0, 4, None, 4), Span(0, 4, 0, 4), Span(2, 3, 0, 4), Span(2, 3, 0, None)]


@pytest.fixture(scope="module")
def cheap(propagator, render):
    """A small film with a cut, marks, and what comes out in one go."""
    first = render((32, 40), [[(6, 6), (7, 8), (8, 10)]], [14])
    second = render((32, 40), [[(10, 20), (10, 18)]], [14], background=(225, 225, 120), seed=7)
    film = film_from_array(np.concatenate([first.frames, second.frames]))
    marks = {0: first.strokes(0), 4: second.strokes(1)}
    still = propagator(2, "identity")
    return still, film, marks, {span: run(still, film, span, marks) for span in SPANS}


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_going_on_after_a_stop_gives_the_same(cheap, span, tmp_path):
    propagator, film, marks, whole = cheap
    expected = last_of(whole[span])
    assert sorted(expected) == list(range(span.first, span.last + 1))
    for stop in range(1, len(whole[span])):
        folders = {name: tmp_path / str(stop) / name for name in ("forward", "backward")}
        going = propagator.propagate_span(film, span, marks, DiskSoftStore(folders))
        told = [next(going) for _ in range(stop)]
        going.close()
        rest = run(propagator, film, span, marks, DiskSoftStore(folders))
        assert len(rest) <= len(whole[span])
        found = last_of(told + rest)
        assert found.keys() == expected.keys()
        for index, result in found.items():
            assert same(result, expected[index]), (stop, index)


@pytest.mark.parametrize("span", [Span(0, 4, 0, None), Span(0, 4, 0, 4)], ids=str)
def test_going_on_after_a_kill_gives_the_same(cheap, span):
    """At whatever moment: what was put but not told is told the next time."""
    propagator, film, marks, whole = cheap
    expected = last_of(whole[span])
    for moment in range(100):
        store, told = BrittleStore(moment), []
        with contextlib.suppress(InterruptedError):
            told.extend(propagator.propagate_span(film, span, marks, store))
            assert moment > 10  # nothing stopped it
            break
        store.left = 1000
        told += run(propagator, film, span, marks, store)
        found = last_of(told)
        assert found.keys() == expected.keys()
        for index, result in found.items():
            assert same(result, expected[index]), (moment, index)
    else:
        pytest.fail("it never came to an end")


def test_going_on_does_not_begin_anew(cheap):
    propagator, film, marks, _ = cheap
    span = Span(0, 4, 0, None)
    store = MemorySoftStore()
    going = propagator.propagate_span(film, span, marks, store)
    for _ in range(4):
        next(going)
    going.close()
    rest = run(propagator, film, span, marks, store)
    assert [result.index for result in rest] == [0, 3, 4]
