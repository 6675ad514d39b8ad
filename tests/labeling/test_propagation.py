"""METHODS.md 1.15 (labels from the whole training set), 1.11 and 1.14 (from the nearest labelled segment)."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.labeling import propagation, retrieval
from spml_core.labeling.propagation import (
    LabelledPicture,
    affinity_votes,
    build_banks,
    lift_present,
    neighbor_votes,
    picture_bank,
    propagate_within,
)
from spml_core.labeling.retrieval import RetrievalBank, query_banks
from spml_core.labeling.scoring import query_segments
from spml_core.relations import PicturePixels, segment_batch
from spml_core.segments import normalize, segment_prototypes, with_location

K = 3


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def codes(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Blocks of label codes 0..K and 255."""
    draw = torch.Generator().manual_seed(seed)
    blocks = torch.tensor([0, 1, 2, K, 255])[torch.randint(5, (4, 5), generator=draw)]
    rows, columns = torch.arange(height) * 4 // height, torch.arange(width) * 5 // width
    return blocks[rows][:, columns]


def scene(height: int, width: int) -> torch.Tensor:
    """Left a thing of class 1, right one of class 2, above both class 0."""
    labels = torch.zeros(height, width, dtype=torch.long)
    labels[height // 3 :, : width // 2], labels[height // 3 :, width // 2 :] = 1, 2
    return labels


def embedding_of(labels: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """A clear embedding of a labelled scene (K, h, w) with some noise."""
    ones = torch.nn.functional.one_hot(labels, K).movedim(-1, 0).double()
    return ones + 0.1 * noise(*ones.shape, seed=seed)


def embedder(seed: int):
    def embed(scale: float, mirrored: bool) -> torch.Tensor:
        size = round(18 * scale), round(24 * scale)
        return embedding_of(scene(*size), seed + round(10 * scale) + 100 * mirrored)

    return embed


@pytest.mark.parametrize("size", [(18, 24), (36, 48), (25, 31), (9, 12)])
def test_a_picture_in_the_bank_equals_the_loop(size: tuple[int, int]) -> None:
    embedding, labels = noise(4, 18, 24), codes(*size)
    bank = picture_bank(embedding, labels, K, picture=7)
    segments = query_segments(embedding).reshape(18, 24)
    units = normalize(embedding.movedim(0, -1))
    rows = 0
    for segment in range(int(segments.max()) + 1):
        votes = Counter(
            int(labels[y, x])
            for y in range(size[0])
            for x in range(size[1])
            if int(segments[y * 18 // size[0], x * 24 // size[1]]) == segment
        )
        if not votes:
            continue
        winner = min(votes, key=lambda code: (-votes[code], code))
        if winner >= K:
            continue
        assert int(bank.labels[rows]) == winner and int(bank.segments[rows]) == segment
        mean = torch.stack(
            [units[y, x] for y in range(18) for x in range(24) if int(segments[y, x]) == segment]
        ).sum(0)
        torch.testing.assert_close(bank.prototypes[rows], mean / mean.norm())
        rows += 1
    assert rows == len(bank) > 5 and (bank.pictures == 7).all()


def test_banks_hold_every_picture_at_every_scale_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [LabelledPicture(i, embedder(i), scene(18, 24)) for i in range(3)]
    pictures.append(LabelledPicture(3, embedder(3), torch.full((18, 24), 255)))  # nothing to remember
    whole = list(build_banks(iter(pictures), K, scales=(0.5, 1.0)))
    assert len(whole) == 1 and set(whole[0].pictures.tolist()) == {0, 1, 2}
    one = [len(picture_bank(embedder(1)(scale, False), scene(18, 24), K)) for scale in (0.5, 1.0)]
    assert int((whole[0].pictures == 1).sum()) == sum(one)
    monkeypatch.setattr(propagation, "_SHARD", 1)
    parts = list(build_banks(iter(pictures), K, scales=(0.5, 1.0)))
    assert len(parts) == 3
    torch.testing.assert_close(RetrievalBank.join(parts).prototypes, whole[0].prototypes)
    assert list(build_banks(pictures[3:], K)) == []


@pytest.mark.parametrize("k", [1, 7, 500])
def test_several_banks_answer_like_one(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    units = normalize(noise(60, 5))
    units[40] = units[3]  # equals in different banks
    labels, index = torch.arange(60) % K, torch.arange(60)
    whole = RetrievalBank(units, labels, index, index, K)
    cuts = [(0, 10), (10, 10), (10, 45), (45, 60)]
    parts = [RetrievalBank(units[a:b], labels[a:b], index[a:b], index[a:b], K) for a, b in cuts]
    queries = torch.cat([units[:4], normalize(noise(9, 5, seed=1))])
    want = whole.query(queries, k)
    monkeypatch.setattr(retrieval, "_BATCH_ELEMENTS", 40)
    monkeypatch.setattr(retrieval, "_BATCH_QUERIES", 5)
    got = query_banks(parts, queries, k)
    assert torch.equal(got.neighbours, want.neighbours) and torch.equal(got.labels, want.labels)
    torch.testing.assert_close(got.similarities, want.similarities)
    torch.testing.assert_close(got.votes, want.votes)
    assert got.neighbours[3, 0] == 3 and (k == 1 or got.neighbours[3, 1] == 40)


def test_votes_equal_the_loop_over_views() -> None:
    banks = list(build_banks([LabelledPicture(0, embedder(5), codes(18, 24))], K))
    got = neighbor_votes(embedder(9), (18, 24), banks, scales=(0.5, 1.5), k=4)
    total = torch.zeros(K, 18, 24, dtype=torch.float64)
    for scale in (0.5, 1.5):
        for mirrored in (False, True):
            embedding = embedder(9)(scale, mirrored)
            segments = query_segments(embedding)
            units = normalize(embedding.flatten(1).T)
            votes = torch.zeros(len(segments), K, dtype=torch.float64)
            for segment in segments.unique():
                mean = normalize(units[segments == segment].sum(0))
                cosines = [float(mean @ p) for p in banks[0].prototypes]
                for entry in sorted(range(len(cosines)), key=lambda j: (-cosines[j], j))[:4]:
                    votes[segments == segment, int(banks[0].labels[entry])] += 1 / 4
            view = votes.T.reshape(1, K, *embedding.shape[1:])
            total += torch.nn.functional.interpolate(view, size=(18, 24), mode="bilinear")[0] / 4
    torch.testing.assert_close(got, total)
    torch.testing.assert_close(got.sum(0), torch.ones(18, 24, dtype=torch.float64))


def test_check_13_a_picture_in_the_bank_finds_its_own_labels() -> None:
    labels = codes(18, 24)
    embedding = noise(4, 18, 24)
    bank = picture_bank(embedding, labels, K)
    votes = neighbor_votes(lambda scale, mirrored: embedding, (18, 24), [bank], scales=(1,), flip=False, k=1)
    segments = query_segments(embedding)
    for entry in range(len(bank)):
        inside = (segments == bank.segments[entry]).reshape(18, 24)
        assert (votes.argmax(0)[inside] == bank.labels[entry]).all()


def test_labels_reach_pictures_without_any() -> None:
    banks = list(build_banks([LabelledPicture(i, embedder(i), scene(18, 24)) for i in range(2)], K))
    labels = neighbor_votes(embedder(50), (36, 48), banks).argmax(0)
    assert (labels == scene(36, 48)).double().mean() > 0.95


def test_lifted_votes_equal_the_loop() -> None:
    votes = torch.rand(4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    votes[2] *= 0.1
    present = torch.tensor([True, False, True, True])
    got = lift_present(votes, present)
    for k in range(4):
        divisor = max(float(votes[k].max()), 0.15) if present[k] else 1.0
        torch.testing.assert_close(got[k], votes[k] / divisor)
    assert float(got.max()) <= 1 and float(got[2].max()) < 1


def pictures_of(count: int) -> list[PicturePixels]:
    """Pictures of which only the first has labels of every kind; the last has none."""
    y, x = torch.meshgrid(torch.arange(8), torch.arange(9), indexing="ij")
    positions = torch.stack([y, x], -1).reshape(-1, 2)
    pictures = []
    for i in range(count):
        labels = codes(8, 9, seed=i).flatten()
        if i:
            labels[labels < K] = K
        if i == 1:
            labels[:4] = 1
        regions = torch.zeros_like(labels)
        pictures.append(PicturePixels.at(noise(72, 4, seed=i), positions, (8, 9), labels, regions, (3, 3)))
    return pictures


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("threshold", [-1.0, 0.9])
def test_affinity_votes_equal_the_loop(across: bool, threshold: float) -> None:
    pictures = pictures_of(3)
    segments = segment_batch(pictures, K)
    squeezed = with_location(segments.pixels, segments.local, 0.1)
    local = segment_prototypes(squeezed, segments.own, len(segments))
    want = []
    for a in range(len(segments)):
        rivals = [
            (float(local[a] @ local[b]), -b)
            for b in range(len(segments))
            if segments.labels[b] < K and (across or segments.images[a] == segments.images[b])
        ]
        best, negative = max(rivals, default=(-2.0, 0))
        own = int(segments.labels[a])
        want.append(own if own < K else int(segments.labels[-negative]) if best >= threshold else None)
    got = affinity_votes(pictures, K, threshold=threshold, across_images=across)
    pixel = 0
    for picture, votes in zip(pictures, got, strict=True):
        for label, row in zip(picture.labels.tolist(), votes.tolist(), strict=True):
            name = None
            if label != 255:
                name = want[int(segments.own[pixel])]
                pixel += 1
            assert row == [float(name == k) for k in range(K)]
    nothing = got[2][pictures[2].labels != 255].sum(1)
    assert (nothing == 0).all() if not across else threshold > 0 or (nothing == 1).all()


def test_propagation_within_a_picture_fills_it_from_few_labels() -> None:
    truth = scene(18, 24)
    labels = torch.full((18, 24), K)
    labels[:3, :], labels[8:12, 2:6], labels[8:12, 18:22] = 0, 1, 2
    labels[17, :] = 255
    votes = propagate_within(embedding_of(truth), labels, K, cells=(6, 6))
    assert votes.shape == (K, 18, 24) and (votes[:, 17] == 0).all() and (votes[:, :17].sum(0) == 1).all()
    given = labels < K
    assert (votes.argmax(0)[given] == labels[given]).all()
    assert (votes.argmax(0) == truth)[8:17].double().mean() > 0.9
    colored = propagate_within(embedding_of(truth), labels, K, colors=noise(18 * 24, 3))
    assert (colored[:, :17].sum(0) == 1).all()


def test_bad_propagation_is_refused() -> None:
    bank = picture_bank(noise(4, 8, 8), scene(8, 8), K)
    with pytest.raises(ConfigError, match=r"label map: \(64,\)"):
        picture_bank(noise(4, 8, 8), scene(8, 8).flatten(), K)
    with pytest.raises(ConfigError, match=r"embedding: \(4, 0, 8\)"):
        picture_bank(noise(4, 0, 8), scene(8, 8), K)
    with pytest.raises(ConfigError, match="scale"):
        neighbor_votes(embedder(0), (8, 8), [bank], scales=())
    with pytest.raises(ConfigError, match="no labelled segment"):
        neighbor_votes(embedder(0), (8, 8), [])
    with pytest.raises(ConfigError, match="vectors"):
        neighbor_votes(embedder(0), (8, 8), [bank])
    with pytest.raises(ConfigError, match=r"\[3, 5\] classes"):
        query_banks([bank, picture_bank(noise(4, 8, 8), scene(8, 8), 5)], noise(2, 4))
    with pytest.raises(ConfigError, match="floor of 0"):
        lift_present(torch.ones(2, 3, 3), torch.ones(2, dtype=torch.bool), 0)
    with pytest.raises(ConfigError, match=r"\(4,\) present"):
        lift_present(torch.ones(2, 3, 3), torch.ones(4, dtype=torch.bool))
    with pytest.raises(ConfigError, match="one grid"):
        propagate_within(noise(4, 8, 8), scene(8, 9), K)
    with pytest.raises(ConfigError, match="no picture"):
        affinity_votes([], K)
