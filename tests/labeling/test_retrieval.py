"""METHODS.md 1.21 check 13 and section 1.15: labels from the nearest segments."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.labeling import retrieval
from spml_core.labeling.retrieval import RetrievalBank, central_rows
from spml_core.segments import normalize


def unit(n: int, d: int = 8, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(n, d, generator=draw, dtype=torch.float64))


def bank(n: int = 70, classes: int = 5) -> RetrievalBank:
    labels = torch.randint(classes, (n,), generator=torch.Generator().manual_seed(1))
    index = torch.arange(n)
    return RetrievalBank(unit(n), labels, index // 10, index % 10, classes)


def test_check_13_the_banks_own_prototypes_find_themselves() -> None:
    b = bank()
    answer = b.query(b.prototypes, k=1)
    assert torch.equal(answer.neighbours[:, 0], torch.arange(70))
    assert torch.equal(answer.labels, b.labels)
    torch.testing.assert_close(answer.similarities, torch.ones(70, 1, dtype=torch.float64))


@pytest.mark.parametrize("k", [1, 20, 500])
def test_query_equals_the_loop(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    monkeypatch.setattr(retrieval, "_BATCH_ELEMENTS", 200)  # several batches
    b, queries = bank(), unit(9, seed=2)
    answer = b.query(queries, k)
    for i in range(9):
        cosines = [float(queries[i] @ p) for p in b.prototypes]
        nearest = sorted(range(70), key=lambda j: (-cosines[j], j))[:k]
        votes = Counter(int(b.labels[j]) for j in nearest)
        assert answer.neighbours[i].tolist() == nearest
        assert answer.similarities[i].tolist() == pytest.approx([cosines[j] for j in nearest])
        assert answer.votes[i].tolist() == pytest.approx([votes[c] / len(nearest) for c in range(5)])
        assert int(answer.labels[i]) == min(votes, key=lambda c: (-votes[c], c))


def test_ties_go_to_the_smallest_class_and_the_earliest_entry() -> None:
    same = torch.ones(4, 1)
    b = RetrievalBank(same, torch.tensor([2, 1, 1, 2]), torch.zeros(4).long(), torch.arange(4), 3)
    answer = b.query(torch.ones(1, 1), k=4)
    assert answer.labels.tolist() == [1]
    assert b.query(torch.ones(1, 1), k=2).neighbours.tolist() == [[0, 1]]


def test_a_picture_becomes_a_bank_by_majority() -> None:
    embeddings, segments = unit(40), torch.arange(40) % 4
    labels = torch.tensor([0, 3, 255, 1]).repeat(10)
    labels[0] = 2  # one vote against nine
    b = RetrievalBank.from_picture(embeddings, segments, labels, num_classes=3, picture=7)
    assert b.labels.tolist() == [0, 1] and b.segments.tolist() == [0, 3] and b.pictures.tolist() == [7, 7]
    torch.testing.assert_close(b.prototypes[1], normalize(embeddings[3::4].sum(0)))


def test_banks_join_in_order() -> None:
    b = bank()
    both = RetrievalBank.join([b, b])
    assert len(both) == 140 and torch.equal(both.labels[70:], b.labels)
    with pytest.raises(ConfigError, match="classes"):
        RetrievalBank.join([b, bank(classes=6)])
    with pytest.raises(ConfigError):
        RetrievalBank.join([])


def test_empty_questions_and_banks() -> None:
    assert bank().query(torch.zeros(0, 8, dtype=torch.float64)).labels.shape == (0,)
    none = torch.zeros(0).long()
    empty = RetrievalBank.from_picture(torch.zeros(0, 8), none, none, 3)
    with pytest.raises(ConfigError, match="no labelled segment"):
        empty.query(unit(1))
    with pytest.raises(ConfigError, match="0 neighbours"):
        bank().query(unit(1), k=0)
    with pytest.raises(ConfigError, match=r"\(1, 4\)"):
        bank().query(unit(1, 4))


def test_a_bank_checks_itself() -> None:
    with pytest.raises(ConfigError, match="labels from 0 to 9"):
        RetrievalBank(unit(2), torch.tensor([0, 9]), torch.zeros(2).long(), torch.arange(2), 3)
    with pytest.raises(ConfigError, match="lengths"):
        RetrievalBank(unit(2), torch.tensor([0]), torch.zeros(2).long(), torch.arange(2), 3)


def test_places_go_with_their_segments() -> None:
    embeddings, segments = unit(40), torch.arange(40) % 4
    labels = torch.tensor([0, 3, 255, 1]).repeat(10)
    places = torch.arange(8).reshape(4, 2)
    b = RetrievalBank.from_picture(embeddings, segments, labels, num_classes=3, places=places)
    assert b.places is not None and b.places.tolist() == [[0, 1], [6, 7]]
    both = RetrievalBank.join([b, b])
    assert both.places is not None and both.places.tolist() == [[0, 1], [6, 7], [0, 1], [6, 7]]
    assert RetrievalBank.join([b, bank(classes=3)]).places is None
    with pytest.raises(ConfigError, match="lengths"):
        RetrievalBank(unit(2), torch.zeros(2).long(), torch.zeros(2).long(), torch.arange(2), 3, places)


def test_central_rows_equal_the_loop() -> None:
    draw = torch.Generator().manual_seed(3)
    positions = torch.randint(0, 30, (200, 2), generator=draw)
    segments = torch.cat([torch.arange(12), torch.randint(0, 12, (188,), generator=draw)])
    preferred = torch.rand(200, generator=draw) < 0.05
    rows = central_rows(positions, segments, 12, preferred)
    assert len(set(segments[preferred].tolist())) < 12  # both kinds of segments
    for segment in range(12):
        mine = [i for i in range(200) if segments[i] == segment]
        mine = [i for i in mine if preferred[i]] or mine
        middle = positions[mine].double().mean(0)
        distances = [float((positions[i] - middle).square().sum()) for i in mine]
        assert int(rows[segment]) == mine[distances.index(min(distances))]


def test_a_renamed_bank_keeps_every_part_of_the_segments_that_stay():
    rows = torch.arange(4)
    bank = RetrievalBank(
        torch.eye(4),
        torch.tensor([0, 1, 2, 1]),
        rows,
        rows + 10,
        3,
        torch.stack([rows, rows + 1], 1),
        rows > 0,
    )
    renamed = bank.renamed(torch.tensor([1, 2, 0]), 2)
    assert renamed.labels.tolist() == [1, 0] and renamed.num_classes == 2
    assert torch.equal(renamed.prototypes, torch.eye(4)[[0, 2]])
    assert renamed.pictures.tolist() == [0, 2] and renamed.segments.tolist() == [10, 12]
    assert renamed.places.tolist() == [[0, 1], [2, 3]] and renamed.marked.tolist() == [False, True]
    plain = RetrievalBank(torch.eye(4), torch.tensor([0, 1, 2, 1]), rows, rows, 3).renamed(
        torch.tensor([0, 3, 1]), 2
    )
    assert plain.places is None and plain.marked is None and len(plain) == 2
