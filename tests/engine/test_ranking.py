"""Next picture to mark: uncertainty times novelty."""

import numpy as np

from spml_core.engine.predictions import PictureSummary
from spml_core.engine.ranking import next_to_mark


def summary(uncertainty, *descriptor):
    return PictureSummary(uncertainty, descriptor, (1.0,))


def grid():
    """Pictures a to i at the places of a 3 x 3 grid, equally uncertain."""
    return {name: summary(0.5, float(i // 3), float(i % 3)) for i, name in enumerate("abcdefghi")}


def test_of_equally_novel_pictures_the_uncertain_one_comes_first():
    known = {"m": summary(0.9, 0.0), "sure": summary(0.1, 1.0), "unsure": summary(0.4, -1.0)}
    assert next_to_mark(list(known), known, {"m"}, ()) == ["unsure", "sure", "m"]


def test_of_equally_uncertain_pictures_the_novel_one_comes_first():
    order = next_to_mark("abcdefghi", grid(), {"a"}, ())
    assert order[0] == "i" and order[-1] == "a"
    assert set(order[1:3]) == {"c", "g"}  # the corners that are left, far from a and from i
    assert sorted(order) == list("abcdefghi")


def test_one_of_twins_is_enough():
    known = {"m": summary(0.5, 0.0, 0.0), "x": summary(0.5, 5.0, 5.0), "y": summary(0.45, 5.0, 5.1)}
    known["z"] = summary(0.3, 0.0, 4.0)
    assert next_to_mark(list(known), known, ["m"], ())[:3] == ["x", "z", "y"]


def test_reviewed_pictures_are_never_proposed_but_count_as_seen():
    order = next_to_mark("abcdefghi", grid(), {"a"}, {"i"})
    assert "i" not in order and set(order[:2]) == {"c", "g"}
    assert next_to_mark("abc", {}, (), "abc") == []


def test_without_marks_the_most_different_come_first():
    known = {name: summary(0.5, value) for name, value in zip("abcd", (0.0, 0.1, 0.2, 9.0), strict=True)}
    assert next_to_mark("abcd", known, (), ())[:2] == ["d", "a"]


def test_without_predictions_the_order_stays_and_marked_come_last():
    assert next_to_mark(["c", "a", "b"], {}, (), ()) == ["c", "a", "b"]
    assert next_to_mark(["c", "a", "b"], {}, {"c"}, ()) == ["a", "b", "c"]
    some = {"b": summary(0.2, 1.0), "c": summary(0.2)}
    assert next_to_mark(["c", "a", "b"], some, (), ()) == ["b", "c", "a"]


def test_marked_pictures_come_last_with_the_most_uncertain_first():
    known = {name: summary(value, value) for name, value in zip("abc", (0.1, 0.3, 0.2), strict=True)}
    assert next_to_mark("abc", known, "abc", ()) == ["b", "c", "a"]


def test_scale_of_a_descriptor_does_not_count():
    known = grid()
    order = next_to_mark("abcdefghi", known, {"a"}, ())
    scaled = {
        name: summary(0.5, 1000 * s.descriptor[0], 0.001 * s.descriptor[1]) for name, s in known.items()
    }
    assert next_to_mark("abcdefghi", scaled, {"a"}, ()) == order


def test_thousands_are_ranked_completely_and_alike_every_time():
    rng = np.random.default_rng(0)
    names = [f"p{i:04}" for i in range(2000)]
    known = {name: summary(float(rng.random()), *rng.normal(size=16).tolist()) for name in names}
    order = next_to_mark(names, known, names[:50], names[50:100])
    assert sorted(order) == sorted(set(names) - set(names[50:100]))
    assert order == next_to_mark(names, known, names[:50], names[50:100])
    assert set(order[-50:]) == set(names[:50])


def test_pictures_without_doubt_and_of_another_model_do_no_harm():
    known = {"a": summary(0.0, 1.0, 2.0), "b": summary(0.0, 3.0, 2.0), "c": summary(0.9, 1.0)}
    assert sorted(next_to_mark("abc", known, (), ())) == ["a", "b", "c"]
    assert next_to_mark("abc", known, "a", ())[0] == "b"
