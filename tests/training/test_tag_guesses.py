"""First guesses from tags, where the truth is known: features that tell the classes apart."""

import numpy as np
import pytest
import torch

from spml_core.classes import IGNORE
from spml_core.seeds.tag_classifier import fit_tag_classifier
from spml_core.training.tag_guesses import guess_from_tags, known_by_tags, recall_guesses

K = 4
CELLS = 80


def truth_of(*classes, rows=1):
    """Background, and ``rows`` rows of cells of each class."""
    truth = np.zeros((8, 10), int)
    for number, index in enumerate(classes):
        truth[1 + rows * number : 1 + rows * (number + 1)] = index
    return truth.reshape(-1)


def complete(*classes):
    """What a complete list of tags leaves possible."""
    table = np.zeros((CELLS, K), bool)
    table[:, [0, *classes]] = True
    return table


def tagged(make_sample, *classes, seed=0, known=True, **more):
    truth = truth_of(*classes)
    tags = np.isin(np.arange(K), classes)
    allowed = complete(*classes) if known else None
    return make_sample(truth, K, seed=seed, tags=tags, allowed=allowed, **more), truth


@pytest.fixture
def pictures(make_sample):
    """Twelve pictures with complete tags of classes that come and go, and their truths."""
    combinations = [(1,), (2,), (3,), (1, 2), (2, 3), (1, 3)] * 2
    return [tagged(make_sample, *classes, seed=i) for i, classes in enumerate(combinations)]


def guesses_of(cache):
    return [cached.guesses.numpy() for cached in cache.in_order]


def test_guesses_are_right_where_tags_tell_classes_apart(cache_of, pictures):
    samples, truths = zip(*pictures, strict=True)
    cache = cache_of(samples)
    guess_from_tags(cache, K)
    right = {index: [] for index in range(K)}
    for guesses, truth in zip(guesses_of(cache), truths, strict=True):
        told = guesses < K
        assert set(np.unique(guesses[told])) == set(np.unique(truth)), "each tagged class and the background"
        for index in range(K):
            right[index] += list(truth[guesses == index] == index)
    shares = {index: np.mean(hits) for index, hits in right.items()}
    assert min(shares.values()) > 0.8, shares


def test_samples_and_what_is_taught_stay_as_they_are(cache_of, pictures):
    """The guesses aren't marks: a run that goes on tells marks from other marks by its samples."""
    cache = cache_of([sample for sample, _ in pictures])
    before = [cached.digest for cached in cache.in_order]
    guess_from_tags(cache, K)
    assert [cached.digest for cached in cache.in_order] == before
    assert all((cached.taught.labels == K).all() for cached in cache.in_order)
    cache.teach_guesses()
    for cached in cache.in_order:
        assert torch.equal(cached.taught.labels, cached.guesses) and (cached.sample.labels == K).all()


def test_same_pictures_same_guesses(cache_of, pictures):
    caches = [cache_of([sample for sample, _ in pictures]) for _ in range(2)]
    for cache in caches:
        guess_from_tags(cache, K)
    for first, second in zip(*map(guesses_of, caches), strict=True):
        np.testing.assert_array_equal(first, second)


def test_only_classes_without_labels_are_guessed(cache_of, pictures, make_sample):
    """Class 1 and the background are painted in one picture: tags tell of 2 and 3 alone."""
    truth = truth_of(1)
    painted = make_sample(truth, K, seed=50, labels=np.where(np.arange(CELLS) % 9, truth, K))
    cache = cache_of([*(sample for sample, _ in pictures), painted])
    assert known_by_tags(cache, K).tolist() == [False, False, True, True]
    guess_from_tags(cache, K)
    found = guesses_of(cache)
    np.testing.assert_array_equal(found[-1], painted.labels.numpy())
    for guesses, (sample, _) in zip(found, pictures, strict=False):
        there = set(np.unique(guesses[guesses < K]))
        assert 1 not in there
        mine = set(np.flatnonzero(sample.tags.numpy())) & {2, 3}
        # Where a painted class is too, what speaks least for the others may be that one.
        alone = not sample.tags[1]
        assert there == mine | ({0} if alone else set())


def test_without_such_a_class_nothing_happens(cache_of, make_sample):
    truth = truth_of(1)
    cache = cache_of([make_sample(truth, K, labels=truth)])
    before = cache.in_order[0]
    guess_from_tags(cache, K)
    assert cache.in_order[0] is before


def test_background_is_guessed_only_from_complete_lists(cache_of, pictures, make_sample):
    open_ended, truth = tagged(make_sample, 2, seed=77, known=False)
    cache = cache_of([*(sample for sample, _ in pictures), open_ended])
    guess_from_tags(cache, K)
    guesses = guesses_of(cache)[-1]
    assert set(np.unique(guesses)) == {2, K} and (truth[guesses == 2] == 2).all()


def test_only_what_rules_out_says_of_a_class_that_it_is_absent(cache_of, pictures, make_sample, monkeypatch):
    seen = []

    def fit(bags, **settings):
        seen.extend(bags)
        return fit_tag_classifier(bags, **settings)

    monkeypatch.setattr("spml_core.training.tag_guesses.fit_tag_classifier", fit)
    open_ended, _ = tagged(make_sample, 2, seed=77, known=False)
    unmarked = make_sample(truth_of(3), K, tags=[False] * K)
    guess_from_tags(cache_of([*(sample for sample, _ in pictures), open_ended, unmarked]), K)
    assert len(seen) == 13
    for bag, (sample, _) in zip(seen, pictures, strict=False):
        assert torch.equal(bag.present, sample.tags[1:]) and torch.equal(bag.absent, ~sample.tags[1:])
    assert seen[-1].present.tolist() == [False, True, False] and not seen[-1].absent.any()


def test_nothing_is_guessed_where_it_is_ruled_out_or_not_drawn(cache_of, pictures, make_sample):
    """As in a picture with a box of class 1 around its upper half."""
    truth = truth_of(1, rows=6)
    allowed = complete(1)
    allowed[40:, 1] = False
    drawn = np.arange(CELLS) % 2 == 0
    boxed = make_sample(truth, K, seed=5, tags=[False, True, False, False], allowed=allowed, drawn=drawn)
    cache = cache_of([*(sample for sample, _ in pictures), boxed])
    guess_from_tags(cache, K)
    guesses = guesses_of(cache)[-1]
    assert (guesses == 1).any() and not (guesses[40:] == 1).any() and (guesses[~drawn] == K).all()


def test_a_guessed_background_gives_way_and_a_sure_one_does_not(cache_of, pictures, make_sample):
    """Outside the boxes of other classes background is a guess, as long as a tagged class has no box."""
    truth = truth_of(1)
    tags = np.array([False, True, True, False])
    guess = np.full(CELLS, K)
    guess[:60], guess[60:70] = 0, 2
    labels = np.full(CELLS, K)
    labels[:15] = 0
    allowed = complete(1, 2)
    sample = make_sample(truth, K, seed=6, tags=tags, labels=labels, guesses=guess, allowed=allowed)
    cache = cache_of([*(made for made, _ in pictures), sample])
    assert known_by_tags(cache, K)[1]
    guess_from_tags(cache, K)
    guesses = guesses_of(cache)[-1]
    assert (guesses[:15] == 0).all() and (guesses[60:70] == 2).all()
    assert (guesses[15:60] == 1).any() and (truth[guesses == 1] == 1).all()


def test_a_picture_that_is_void_all_over_is_passed_over(cache_of, pictures, make_sample):
    void = make_sample(truth_of(1), K, labels=np.full(CELLS, IGNORE), drawn=np.arange(CELLS) == 0)
    samples = [sample for sample, _ in pictures]
    with_it, without = cache_of([*samples, void]), cache_of(samples)
    for cache in (with_it, without):
        guess_from_tags(cache, K)
    assert (guesses_of(with_it)[-1] == IGNORE).all()
    for mine, theirs in zip(guesses_of(with_it), guesses_of(without), strict=False):
        np.testing.assert_array_equal(mine, theirs)


def test_a_picture_of_one_colour_makes_no_trouble(cache_of, pictures, make_sample):
    flat, _ = tagged(make_sample, 1)
    flat.features.fill_(0.5)
    cache = cache_of([*(sample for sample, _ in pictures), flat])
    guess_from_tags(cache, K)
    assert set(np.unique(guesses_of(cache)[-1])) <= {0, 1, K}


def test_a_single_drawn_cell_makes_no_trouble(cache_of, pictures, make_sample):
    sample, _ = tagged(make_sample, 1)
    sample.drawn[1:] = False
    cache = cache_of([*(made for made, _ in pictures), sample])
    guess_from_tags(cache, K)
    assert guesses_of(cache)[-1][0] == 1


def test_understood_as_far_as_time_allows(cache_of, pictures):
    cache = cache_of([sample for sample, _ in pictures])
    guess_from_tags(cache, K, keep_going=lambda: False)
    assert all(np.isin(guesses, range(K + 1)).all() for guesses in guesses_of(cache))


def test_recalled_guesses_are_the_pseudo_labels_of_classes_without_labels(cache_of, pictures, make_sample):
    truth = truth_of(1)
    painted = make_sample(truth, K, seed=50, labels=np.where(np.arange(CELLS) % 9, truth, K))
    cache = cache_of([painted, *(sample for sample, _ in pictures)])
    for place, cached in enumerate(list(cache.in_order)):
        answer = torch.from_numpy(np.arange(CELLS) % (K + 1))
        labels = torch.where(cached.sample.labels == K, answer, cached.sample.labels)
        cache.set(place, cached.with_labels(labels))
    recall_guesses(cache, torch.tensor([True, True, True, False]))
    for cached in cache.in_order:
        for first, given, guess in zip(
            cached.sample.labels.tolist(), cached.taught.labels.tolist(), cached.guesses.tolist(), strict=True
        ):
            # 0 and 1 have labels of their own, 3 is unknown to the model.
            assert guess == (first if first != K else (2 if given == 2 else K))


def test_a_class_whose_last_mark_is_gone_is_not_recalled(cache_of, make_sample):
    """What it was taken for stays in the pseudo labels of other pictures, and mustn't teach again."""
    truth = truth_of(1)
    labels = np.where(truth == 1, 2, 3)
    painted = make_sample(truth, K, labels=labels, tags=[False, False, True, True])
    unmarked = make_sample(truth, K, seed=1, tags=[False] * K)
    cache = cache_of([painted, unmarked])
    cache.set(1, cache.in_order[1].with_labels(torch.from_numpy(truth)))
    recall_guesses(cache, torch.ones(K, dtype=torch.bool))
    np.testing.assert_array_equal(cache.in_order[0].guesses, labels)
    assert (cache.in_order[1].guesses == K).all(), "neither background nor class 1"


def test_the_background_is_recalled_with_the_classes_that_tags_tell_of(cache_of, pictures):
    cache = cache_of([sample for sample, _ in pictures])
    for place, (cached, (_, truth)) in enumerate(zip(list(cache.in_order), pictures, strict=True)):
        cache.set(place, cached.with_labels(torch.from_numpy(truth)))
    recall_guesses(cache, torch.ones(K, dtype=torch.bool))
    for guesses, (_, truth) in zip(guesses_of(cache), pictures, strict=True):
        np.testing.assert_array_equal(guesses, truth)
