import cv2
import numpy as np
import pytest
import torch
from torchvision.models import get_weight, optical_flow

import spml_core.video.flow as flow_module
from sample_data import sample_path
from spml_core.errors import ConfigError
from spml_core.video.flow import FLOWS, build_flow
from spml_core.video.warp import warp_array


@pytest.fixture(scope="module")
def picture():
    path = sorted((sample_path("people") / "images").glob("*.jpg"))[0]
    rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return cv2.resize(rgb, (160, 120), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def raft_file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "raft.pth"
    torch.save(optical_flow.raft_small(weights=None).state_dict(), path)
    return path


def smooth_flow(size, most):
    """A motion that turns and stretches, up to about ``most`` pixels."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    y, x = rows / size[0] - 0.5, columns / size[1] - 0.5
    return (most * np.stack([np.cos(2 * y) - x, 0.5 * np.sin(3 * x) + y], 2)).astype(np.float32)


@pytest.mark.parametrize("name", ["dis", "deepflow"])
def test_known_motion_is_found(name, picture):
    truth = smooth_flow(picture.shape[:2], 3)
    # Frame t is frame k sampled along the flow from t to k.
    frame_t = np.rint(warp_array(picture, truth)).astype(np.uint8)
    found = build_flow(name)(frame_t, picture)
    inner = np.s_[12:-12, 12:-12]
    error = np.linalg.norm(found - truth, axis=2)[inner]
    still = np.linalg.norm(truth, axis=2)[inner]
    assert error.mean() < 0.25 * still.mean()


@pytest.mark.parametrize("name", ["dis", "deepflow", "identity"])
@pytest.mark.parametrize("size", [(16, 16), (16, 75), (17, 23), (64, 16), (12, 40), (16, 96), (5, 3), (1, 1)])
def test_small_frames(name, size):
    frames = np.random.default_rng(0).integers(0, 256, (2, *size, 3)).astype(np.uint8)
    found = build_flow(name)(*frames)
    assert found.shape == (*size, 2)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ["dis", "deepflow"])
@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_frame_doesnt_move(name, value):
    frame = np.full((40, 50, 3), value, np.uint8)
    np.testing.assert_array_equal(build_flow(name)(frame, frame), 0)


@pytest.mark.parametrize("name", ["dis", "deepflow"])
def test_the_same_frames_give_the_same_flow(name, picture):
    estimator = build_flow(name)
    moved = np.roll(picture, 2, 1)
    first = estimator(picture, moved)
    estimator(moved[::-1], picture)
    np.testing.assert_array_equal(estimator(picture, moved), first)
    np.testing.assert_array_equal(build_flow(name)(picture, moved), first)


def test_views_are_taken(picture):
    expected = build_flow("dis")(picture[:, ::-1].copy(), picture.copy())
    np.testing.assert_array_equal(build_flow("dis")(picture[:, ::-1], picture), expected)


def test_identity(picture):
    np.testing.assert_array_equal(build_flow("identity")(picture, picture[::-1]), np.zeros((120, 160, 2)))


@pytest.mark.parametrize("name", FLOWS)
def test_names(name, raft_file):
    estimator = build_flow(name, str(raft_file) if name == "raft" else "", "cpu")
    assert estimator.name == name
    assert isinstance(estimator.settings, str)


def test_raft_runs_torchvisions_network_on_padded_frames(raft_file):
    size = 130, 37  # to a multiple of 8, and to the least that it takes
    frames = np.random.default_rng(1).integers(0, 256, (2, *size, 3)).astype(np.uint8)
    estimator = build_flow("raft", str(raft_file), "cpu")
    runs = []
    estimator._network.register_forward_hook(lambda module, given, found: runs.append((given, found)))
    found = estimator(*frames)
    ((given, steps),) = runs
    padded = np.pad(frames, ((0, 0), (0, 136 - size[0]), (0, 128 - size[1]), (0, 0)), "edge")
    for tensor, frame in zip(given, padded, strict=True):
        np.testing.assert_allclose(tensor[0].permute(1, 2, 0), frame / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(found, steps[-1][0].permute(1, 2, 0)[: size[0], : size[1]])
    own, file = estimator._network.state_dict(), torch.load(raft_file, weights_only=True)
    assert all(torch.equal(own[name], file[name]) for name in file)


def test_raft_settings_name_the_weights(raft_file, tmp_path):
    torch.manual_seed(1)
    other = tmp_path / "other.pth"
    torch.save(optical_flow.raft_small(weights=None).state_dict(), other)
    settings = {build_flow("raft", str(path), "cpu").settings for path in (raft_file, raft_file, other)}
    assert len(settings) == 2


@pytest.mark.parametrize(
    ("size", "word"), [("", "raft_small"), ("small", "raft_small"), ("large", "raft_large")]
)
def test_raft_offline_names_the_way_round(size, word, monkeypatch, tmp_path):
    asked = []

    def unreachable(url, timeout):
        asked.append(url)
        raise OSError("no route")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError, match="--weights FILE"):
        build_flow("raft", size, "cpu")
    assert len(asked) == 1
    assert word in asked[0]


def test_raft_takes_weights_that_are_there(monkeypatch, raft_file, tmp_path):
    name = get_weight("Raft_Small_Weights.C_T_V2").url.rsplit("/", 1)[-1]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).write_bytes(raft_file.read_bytes())
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert build_flow("raft", device="cpu").settings == build_flow("raft", str(raft_file), "cpu").settings


def test_the_size_of_raft_is_seen_in_its_file(tmp_path):
    path = tmp_path / "large.pth"
    torch.save({"feature_encoder.convnormrelu.0.weight": torch.zeros(64, 3, 7, 7)}, path)
    assert flow_module._raft_size(path) == "large"
    with pytest.raises(ConfigError, match="missing"):
        build_flow("raft", str(path), "cpu")


def test_wrong_names_and_weights(tmp_path):
    with pytest.raises(ConfigError, match="farneback"):
        build_flow("farneback")
    with pytest.raises(ConfigError, match="no weights"):
        build_flow("dis", "large")
    with pytest.raises(ConfigError, match="no weights file"):
        build_flow("raft", str(tmp_path / "missing.pth"))
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="isn't one of RAFT"):
        build_flow("raft", str(tmp_path / "other.pth"))


def test_opencv_without_its_extra_modules(monkeypatch):
    monkeypatch.delattr(cv2, "optflow")
    with pytest.raises(ConfigError, match="opencv-contrib-python-headless"):
        build_flow("deepflow")


@pytest.mark.parametrize("name", ["dis", "deepflow", "identity"])
@pytest.mark.parametrize(
    "frames",
    [
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8)),
        (np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)),
        (np.zeros((20, 20, 3), np.float32), np.zeros((20, 20, 3), np.uint8)),
        (np.zeros((0, 20, 3), np.uint8), np.zeros((0, 20, 3), np.uint8)),
    ],
)
def test_what_isnt_two_frames_is_refused(name, frames):
    with pytest.raises(ConfigError, match="one size"):
        build_flow(name)(*frames)
