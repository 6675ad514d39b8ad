import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.errors import ConfigError
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.scoring import Inference, grid_probabilities, query_segments, retrieve, walk
from spml_core.labeling.trained_model import build_network
from spml_core.segments import normalize


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network(TrainConfig(scales=(1.0,), embedding_dim=6), 3).eval()


def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)


def test_flip_is_the_mean_of_both_views(network):
    rgb = picture()
    plain = grid_probabilities(network, None, rgb, Inference())
    mirrored = grid_probabilities(network, None, np.ascontiguousarray(rgb[:, ::-1]), Inference())[:, ::-1]
    both = grid_probabilities(network, None, rgb, Inference(flip=True))
    assert np.allclose(both, (plain + mirrored) / 2, atol=1e-5)


def test_scales_are_averaged_on_one_grid(network):
    rgb = picture()
    probabilities = grid_probabilities(network, None, rgb, Inference(scales=(0.5, 1.0, 1.5)))
    assert probabilities.shape == (10, 12, 3)
    assert np.allclose(probabilities.sum(-1), 1, atol=1e-5)


def test_check_13_a_picture_finds_its_own_segments():
    """METHODS.md 1.21 check 13, through the picture's own clustering: with one neighbour each segment finds itself."""
    torch.manual_seed(1)
    embedding = torch.randn(5, 12, 14)
    segments = query_segments(embedding)
    names = torch.randint(0, 3, (int(segments.max()) + 1,))
    bank = RetrievalBank.from_picture(normalize(embedding.flatten(1).T), segments, names[segments], 3)
    votes = retrieve(embedding, bank, 1)
    assert torch.equal(votes.argmax(0).flatten(), names[segments])
    assert torch.allclose(votes.sum(0), torch.ones(12, 14))


def test_walk_keeps_constants_and_adds_up():
    embedding = torch.randn(4, 9, 11)
    constant = torch.tensor([0.2, 0.3, 0.5])[:, None, None].expand(3, 9, 11)
    assert torch.allclose(walk(constant, [embedding]), constant, atol=1e-4)
    mixed = torch.softmax(torch.randn(3, 100, 90), 0)
    walked = walk(mixed, [torch.randn(4, 100, 90)])
    assert walked.shape == mixed.shape and torch.allclose(walked.sum(0), torch.ones(100, 90), atol=1e-4)


def test_retrieval_without_a_bank_is_refused(network):
    with pytest.raises(ConfigError, match="no labelled segments"):
        grid_probabilities(network, None, picture(), Inference("retrieval"))


@pytest.mark.parametrize(
    "values", [{"classifier": "tree"}, {"scales": ()}, {"scales": (9.0,)}, {"neighbors": 0}]
)
def test_inference_refuses_wrong_values(values):
    with pytest.raises(ConfigError):
        Inference(**values)
