"""The four relations on small batches, against explicit loops (METHODS.md 1.8, 1.11, 1.12, 1.21)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.relations import (
    PAPER_WEIGHTS,
    BankEntry,
    BatchSegments,
    MemoryBank,
    PicturePixels,
    RelationWeights,
    Term,
    affinity_loss,
    annotation_loss,
    borrowed_labels,
    contrastive_step,
    cooccurrence_loss,
    image_similarity_loss,
    neighbor_accuracy,
    segment_batch,
)
from spml_core.segments import location_features, normalize, segment_prototypes, with_location

K = 4
ALL_ON = RelationWeights(Term(0.5, 16.0), Term(1.0, 6.0), Term(0.7, 8.0), Term(0.3, 12.0))


def pictures(count: int = 3, h: int = 6, w: int = 7, seed: int = 0) -> list[PicturePixels]:
    draw = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    positions = torch.stack([y, x], -1).reshape(-1, 2)
    made = []
    for _ in range(count):
        labels = torch.tensor([0, 1, 2, 3, K, K, K])[torch.randint(7, (h * w,), generator=draw)]
        regions = torch.randint(4, (h * w,), generator=draw)
        raw = torch.randn(h * w, 5, generator=draw, dtype=torch.float64)
        made.append(PicturePixels.at(raw, positions, (h, w), labels, regions, (2, 2)))
    return made


def tags(*rows: list[int]) -> Tensor:
    return torch.tensor(rows, dtype=torch.bool)


TAGS = tags([1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1])


def loop(v: Tensor, u: Tensor, own: Tensor, kappa: float, positive, active) -> float:
    """Mean of eq (3): ``positive(i, s)`` is True, False, or None for a segment outside."""
    losses = []
    for i in range(len(v)):
        if not active(i):
            continue
        e = [math.exp(kappa * (float(v[i] @ row) - 1)) for row in u]
        o = int(own[i])
        p = sum(e[s] for s in range(len(u)) if s != o and positive(i, s) is True)
        n = sum(e[s] for s in range(len(u)) if s != o and positive(i, s) is False)
        p = p or e[o]
        losses.append(-math.log(p / (p + n)))
    return sum(losses) / len(losses) if losses else 0.0


def batch(count: int = 3, seed: int = 0) -> tuple[BatchSegments, Tensor]:
    s = segment_batch(pictures(count, seed=seed), K)
    return s, segment_prototypes(s.pixels, s.own, len(s))


def entry(count: int = 3, seed: int = 9, shift: int = 3) -> BankEntry:
    s, u = batch(count, seed)
    local = segment_prototypes(with_location(s.pixels, s.local, 0.1), s.own, len(s))
    return BankEntry(u, local, s.images + shift, s.labels, s.regions, TAGS[s.images])


def test_segments_are_pure_and_compact() -> None:
    given = pictures()
    given[1] = replace(given[1], labels=torch.where(torch.arange(42) < 5, 255, given[1].labels))
    s = segment_batch(given, K)
    kept = torch.cat([p.labels != 255 for p in given])
    image = torch.arange(3).repeat_interleave(42)[kept]
    labels, regions = (torch.cat([getattr(p, name) for p in given])[kept] for name in ("labels", "regions"))
    assert torch.equal(s.pixel_images, image)
    assert torch.equal(s.labels[s.own], labels) and torch.equal(s.regions[s.own], regions)
    assert torch.equal(s.own.unique(), torch.arange(len(s)))
    torch.testing.assert_close(s.pixels, normalize(torch.cat([p.embeddings for p in given])[kept]))


def test_check_05_image_similarity_equals_the_loop() -> None:
    given = pictures()
    given[2] = replace(given[2], labels=torch.where(torch.arange(42) < 20, 255, given[2].labels))
    s = segment_batch(given, K)
    terms = []
    for image in range(3):
        inside = s.pixel_images == image
        w = normalize(torch.cat([s.pixels, s.local], 1))[inside]
        own = s.own[inside]
        sums = [w[own == k].sum(0) for k in range(len(s))]  # zero for other pictures' segments
        u = normalize(torch.stack(sums))

        def related(i: int, k: int, own: Tensor = own, image: int = image) -> bool | None:
            return None if s.images[k] != image else bool(s.regions[k] == s.regions[own[i]])

        terms.append(loop(w, u, own, 16.0, related, lambda i: True))
    assert float(image_similarity_loss(s, 16.0)) == pytest.approx(sum(terms) / 3, abs=1e-12)
    assert float(image_similarity_loss(s, 16.0, location=False)) != pytest.approx(sum(terms) / 3, abs=1e-4)


def test_check_05_annotation_equals_the_loop() -> None:
    s, u = batch()
    memory = entry()
    labels = torch.cat([s.labels, memory.labels])
    want = loop(
        s.pixels, torch.cat([u, memory.prototypes]), s.own, 6.0,
        lambda i, k: None if labels[k] >= K else bool(labels[k] == labels[s.own[i]]),
        lambda i: bool(labels[s.own[i]] < K),
    )  # fmt: skip
    assert float(annotation_loss(s, u, K, 6.0, memory)) == pytest.approx(want, abs=1e-12)


def test_check_05_cooccurrence_equals_the_loop() -> None:
    s, u = batch()
    memory = entry()
    t = torch.cat([TAGS[s.images], memory.tags])[:, 1:]
    want = loop(
        s.pixels, torch.cat([u, memory.prototypes]), s.own, 8.0,
        lambda i, k: bool((t[s.own[i]] & t[k]).any()),
        lambda i: True,
    )  # fmt: skip
    assert float(cooccurrence_loss(s, u, TAGS, 8.0, memory)) == pytest.approx(want, abs=1e-12)


def test_pictures_without_a_tag_are_skipped_or_count_their_own_segment_twice() -> None:
    s, u = batch()
    bare = tags([1, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1])  # background alone is no foreground tag
    t = bare[s.images][:, 1:]
    tagged = t.any(1)
    want = loop(
        s.pixels, u, s.own, 8.0,
        lambda i, k: bool((t[s.own[i]] & t[k]).any()),
        lambda i: bool(tagged[s.own[i]]),
    )  # fmt: skip
    assert float(cooccurrence_loss(s, u, bare, 8.0)) == pytest.approx(want, abs=1e-12)
    e = torch.exp(8 * s.pixels @ u.T)
    mine = e.gather(1, s.own[:, None])[:, 0]
    twice = torch.log((mine + e.sum(1)) / mine)[~tagged[s.own]]
    share = tagged[s.own].double().mean()
    reference = float(share * want + (1 - share) * twice.mean())
    got = float(cooccurrence_loss(s, u, bare, 8.0, no_tag="reference"))
    assert got == pytest.approx(reference, abs=1e-12)


def test_check_09_all_tags_shared_is_zero_and_disjoint_tags_are_the_images() -> None:
    s, u = batch()
    assert float(cooccurrence_loss(s, u, torch.ones(3, K, dtype=torch.bool), 8.0)) == 0.0
    disjoint = tags([0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1])
    want = loop(
        s.pixels, u, s.own, 8.0, lambda i, k: bool(s.images[k] == s.images[s.own[i]]), lambda i: True
    )  # fmt: skip
    assert float(cooccurrence_loss(s, u, disjoint, 8.0)) == pytest.approx(want, abs=1e-12)


def test_check_10_annotation_by_hand() -> None:
    # Two pictures of class 0 and one of class 1, one pixel and segment each, orthogonal or equal.
    v = torch.tensor([[1, 0], [1, 0], [0, 1]], dtype=torch.float64)
    three = torch.arange(3)
    s = BatchSegments(v, v * 0, three, three, torch.tensor([0, 0, 1]), three * 0)
    pair = -math.log(math.e**6 / (math.e**6 + 1))  # positive at cosine 1, negative at 0
    alone = -math.log(math.e**6 / (math.e**6 + 2))  # own segment stands in, two negatives at 0
    assert float(annotation_loss(s, v, 2, 6.0)) == pytest.approx((2 * pair + alone) / 3, abs=1e-12)


@pytest.mark.parametrize("across", [False, True])
def test_check_05_affinity_equals_the_loop(across: bool) -> None:
    s, u = batch()
    local = segment_prototypes(with_location(s.pixels, s.local, 0.1), s.own, len(s))
    borrowed = []
    for a in range(len(s)):
        best, label = -2.0, K
        for b in range(len(s)):
            near = float(local[a] @ local[b])
            if s.labels[b] < K and (across or s.images[a] == s.images[b]) and near > best + 1e-12:
                best, label = near, int(s.labels[b])
        borrowed.append(int(s.labels[a]) if s.labels[a] < K else label if best >= 0.95 else K)
    got = borrowed_labels(local, s.labels, s.images, K, across_images=across)
    assert got.tolist() == borrowed
    assert K in borrowed and any(b < K for b, y in zip(borrowed, s.labels.tolist(), strict=True) if y == K)
    want = loop(
        s.pixels, u, s.own, 12.0,
        lambda i, k: K in (borrowed[k], borrowed[s.own[i]]) or borrowed[k] == borrowed[s.own[i]],
        lambda i: True,
    )  # fmt: skip
    assert float(affinity_loss(s, u, local, K, 12.0, across_images=across)) == pytest.approx(want, abs=1e-12)


def test_affinity_without_any_label_is_zero() -> None:
    s, u = batch()
    bare = replace(s, labels=torch.full_like(s.labels, K))
    local = segment_prototypes(with_location(s.pixels, s.local, 0.1), s.own, len(s))
    assert float(affinity_loss(bare, u, local, K)) == 0.0
    assert borrowed_labels(local[:0], s.labels[:0], s.images[:0], K).shape == (0,)


def test_step_gives_weighted_terms_and_an_entry() -> None:
    step = contrastive_step(pictures(), TAGS, ALL_ON, entry())
    s, u = batch()
    assert step.num_segments == len(s) == len(step.entry)
    assert list(step.terms) == ["image_similarity", "annotation", "cooccurrence", "affinity"]
    want = sum(getattr(ALL_ON, name).weight * float(term) for name, term in step.terms.items())
    assert float(step.total) == pytest.approx(want, abs=1e-12)
    torch.testing.assert_close(step.entry.prototypes, u)
    assert torch.equal(step.entry.tags, TAGS[s.images])
    scribbles = contrastive_step(pictures(), TAGS, PAPER_WEIGHTS["scribbles"])
    assert "affinity" not in scribbles.terms


def test_check_07_step_gradients() -> None:
    given = pictures(2, 4, 4)
    memory = entry(shift=2)

    def total(*raw: Tensor) -> Tensor:
        moved = [replace(p, embeddings=r) for p, r in zip(given, raw, strict=True)]
        return contrastive_step(moved, TAGS[:2], ALL_ON, memory).total

    raw = tuple(p.embeddings.clone().requires_grad_() for p in given)
    assert torch.autograd.gradcheck(total, raw)


def test_the_memory_holds_no_graph() -> None:
    given = [replace(p, embeddings=p.embeddings.requires_grad_()) for p in pictures()]
    made = contrastive_step(given, TAGS, ALL_ON).entry
    assert not made.prototypes.requires_grad and not made.local_prototypes.requires_grad


def test_check_04_pixel_order_and_picture_order_leave_the_terms() -> None:
    given = pictures()
    shuffle = torch.randperm(42, generator=torch.Generator().manual_seed(1))
    mixed = [
        PicturePixels(
            *(getattr(p, n)[shuffle] for n in ("embeddings", "local", "initial", "labels", "regions"))
        )
        for p in given
    ]
    plain = contrastive_step(given, TAGS, ALL_ON).terms
    turned = contrastive_step(mixed[::-1], TAGS.flip(0), ALL_ON).terms
    for name in plain:
        assert float(plain[name]) == pytest.approx(float(turned[name]), abs=1e-12)


def test_check_14_ignored_padding_changes_nothing() -> None:
    given = pictures()
    padded = [
        PicturePixels(
            torch.cat([p.embeddings, torch.zeros(9, 5, dtype=torch.float64)]),
            torch.cat([p.local, torch.ones(9, 2, dtype=torch.float64)]),
            torch.cat([p.initial, torch.zeros(9, dtype=torch.long)]),
            torch.cat([p.labels, torch.full((9,), 255)]),
            torch.cat([p.regions, torch.arange(9)]),
        )
        for p in given
    ]
    plain, more = (contrastive_step(p, TAGS, ALL_ON, entry()).terms for p in (given, padded))
    for name in plain:
        assert float(plain[name]) == float(more[name])


def test_an_ignored_picture_contributes_nothing() -> None:
    given = pictures()
    gone = replace(given[1], labels=torch.full((42,), 255))
    two = contrastive_step([given[0], given[2]], TAGS[[0, 2]], ALL_ON).terms
    three = contrastive_step([given[0], gone, given[2]], TAGS, ALL_ON).terms
    for name in two:
        assert float(two[name]) == pytest.approx(float(three[name]), abs=1e-12)


@pytest.mark.parametrize("code", [255, K])
def test_nothing_valid_or_nothing_labelled_gives_zero_with_a_graph(code: int) -> None:
    given = [
        replace(p, embeddings=p.embeddings.requires_grad_(), labels=torch.full((42,), code))
        for p in pictures()
    ]
    step = contrastive_step(given, torch.zeros(3, K, dtype=torch.bool), ALL_ON)
    step.total.backward()
    assert float(step.terms["annotation"].detach()) == 0.0
    assert given[0].embeddings.grad is not None and given[0].embeddings.grad.isfinite().all()
    assert step.num_segments == (0 if code == 255 else len(step.entry.labels))


def test_equal_region_numbers_in_two_pictures_do_not_meet() -> None:
    given = pictures()
    moved = [replace(p, regions=p.regions + 10 * i) for i, p in enumerate(given)]
    assert float(contrastive_step(given, TAGS, ALL_ON).total) == pytest.approx(
        float(contrastive_step(moved, TAGS, ALL_ON).total), abs=1e-12
    )


def test_sampled_pixels_start_from_the_cells_of_their_places() -> None:
    whole = pictures(1, 9, 11)[0]
    y, x = torch.meshgrid(torch.arange(9), torch.arange(11), indexing="ij")
    pick = torch.randperm(99, generator=torch.Generator().manual_seed(2))[:30]
    positions = torch.stack([y, x], -1).reshape(-1, 2)[pick]
    chosen = whole.embeddings[pick], positions, (9, 11), whole.labels[pick], whole.regions[pick]
    some = PicturePixels.at(*chosen, (2, 2))
    assert torch.equal(some.initial, whole.initial[pick])
    torch.testing.assert_close(some.local, location_features(9, 11, dtype=torch.float64)[pick])
    with_color = PicturePixels.at(*chosen, colors=torch.zeros(30, 3))
    assert with_color.local.shape == (30, 5)
    assert contrastive_step([with_color], TAGS[:1], ALL_ON).total.isfinite()


def test_memory_is_first_in_first_out_and_shifts_images() -> None:
    bank = MemoryBank(2)
    assert bank.contents() is None and bank.state_dict() == {}
    for seed in range(3):
        bank.push(entry(seed=seed, shift=0), batch_size=3)
    contents = bank.contents()
    assert len(bank) == 2 and contents is not None
    assert sorted(contents.images.unique().tolist()) == [3, 4, 5, 6, 7, 8]
    older = entry(seed=1, shift=6)
    assert torch.equal(contents.prototypes[: len(older)], older.prototypes)
    assert torch.equal(contents.images[: len(older)], older.images)
    none = MemoryBank(0)
    none.push(entry(), 3)
    assert none.contents() is None
    with pytest.raises(ConfigError, match="-1"):
        MemoryBank(-1)


def test_memory_round_trip() -> None:
    bank, again = MemoryBank(2), MemoryBank(2)
    for seed in range(2):
        bank.push(entry(seed=seed, shift=0), batch_size=3)
    state = bank.state_dict()
    again.load_state_dict(state)
    again.push(entry(seed=5, shift=0), 3)
    bank.push(entry(seed=5, shift=0), 3)
    for name, tensor in bank.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    del state["0.tags"]
    with pytest.raises(ConfigError, match=r"0\.tags"):
        again.load_state_dict(state)
    assert len(again) == 2


def test_neighbor_accuracy_equals_the_loop() -> None:
    s, u = batch()
    total = 0.0
    for a in range(len(s)):
        nearest = sorted(range(len(s)), key=lambda b: -float(u[a] @ u[b]))[:5]
        total += sum(bool(s.labels[a] == s.labels[b]) for b in nearest) / 5
    assert float(neighbor_accuracy(u, s.labels)) == pytest.approx(total / len(s))
    assert float(neighbor_accuracy(u[:0], s.labels[:0])) == 0.0


def test_bad_batches_and_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="no picture"):
        contrastive_step([], TAGS[:0], ALL_ON)
    with pytest.raises(ConfigError, match="3 pictures"):
        contrastive_step(pictures(), TAGS[:2], ALL_ON)
    with pytest.raises(ConfigError, match="lengths"):
        replace(pictures(1)[0], labels=torch.zeros(3, dtype=torch.long))
    with pytest.raises(ConfigError, match="weight -1"):
        Term(-1, 6)
    with pytest.raises(ConfigError, match="concentration 0"):
        Term(1, 0)
