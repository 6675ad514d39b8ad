"""Weights files: what fits, what doesn't, what is broken, what can't be fetched."""

import hashlib
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from spml_core.errors import ConfigError, SpmlError, StorageError
from spml_core.models import load_weights, read_weights, weights


def module():
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def save(tensors, path):
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def same(left, right):
    return all(torch.equal(left.state_dict()[n], t) for n, t in right.state_dict().items())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone.", "module.model.backbone."])
def test_weights_go_round(suffix, prefix, tmp_path):
    source, target = module(), module()
    tensors = {prefix + n: t for n, t in source.state_dict().items()}
    load_weights(target, save(tensors, tmp_path / f"w{suffix}"))
    assert same(target, source)


@pytest.mark.parametrize("container", ["state_dict", "model", "network"])
def test_containers_are_opened(container, tmp_path):
    source, target = module(), module()
    load_weights(target, save({container: source.state_dict(), "epoch": 3}, tmp_path / "w.pth"))
    assert same(target, source)


def test_only_the_backbone_is_taken_of_a_whole_network(tmp_path):
    source, target = module(), module()
    tensors = {f"backbone.{n}": t for n, t in source.state_dict().items()} | {"head.weight": torch.rand(2)}
    load_weights(target, save(tensors, tmp_path / "w.pth"))
    assert same(target, source)


def test_counters_of_batches_may_be_missing_and_classifiers_are_left(tmp_path):
    source, target = module(), module()
    tensors = {n: t for n, t in source.state_dict().items() if not n.endswith("num_batches_tracked")}
    load_weights(target, save(tensors | {"fc.bias": torch.rand(3)}, tmp_path / "w.pth"), ignore=("fc.",))
    assert torch.equal(target[0].weight, source[0].weight)


def test_mismatches_are_listed_and_nothing_is_loaded(tmp_path):
    target = module()
    before = {n: t.clone() for n, t in target.state_dict().items()}
    tensors = dict(module().state_dict()) | {"5.weight": torch.rand(2), "0.weight": torch.rand(4, 3, 7, 7)}
    del tensors["1.running_mean"], tensors["2.bias"]
    with pytest.raises(ConfigError) as caught:
        load_weights(target, save(tensors, tmp_path / "w.pth"))
    message = str(caught.value)
    assert "2 missing (1.running_mean, 2.bias)" in message
    assert "1 unexpected (5.weight)" in message
    assert "0.weight (4, 3, 7, 7) instead of (4, 3, 3, 3)" in message
    assert str(tmp_path / "w.pth") in message and "\n" not in message
    assert all(torch.equal(target.state_dict()[n], t) for n, t in before.items())


def test_only_the_first_mismatches_are_named(tmp_path):
    tensors = {f"other.{i}": torch.rand(1) for i in range(500)}
    with pytest.raises(
        ConfigError, match=r"500 unexpected \(other\.0, other\.1, other\.2, \.\.\.\)"
    ) as caught:
        load_weights(module(), save(tensors, tmp_path / "w.pth"))
    assert len(str(caught.value)) < 600


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    tensors = dict(module().state_dict())
    tensors["0.weight"] = torch.full((4, 3, 3, 3), torch.nan)
    with pytest.raises(ConfigError, match=r"1 not finite \(0\.weight\)"):
        load_weights(module(), save(tensors, tmp_path / "w.pth"))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_truncated_files_give_one_line(suffix, kept, tmp_path):
    path = save({"a": torch.rand(5000)}, tmp_path / f"w{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SpmlError) as caught:
        read_weights(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_truncated_file_of_torchs_old_format(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.rand(5000)}, path, _use_new_zipfile_serialization=False)
    assert read_weights(path)["a"].shape == (5000,)
    for kept in (10, 100, 1000, 19_000):
        path.write_bytes(path.read_bytes()[:kept] if kept < path.stat().st_size else path.read_bytes())
        with pytest.raises(SpmlError, match=r"w\.pth"):
            read_weights(path)
        torch.save({"a": torch.rand(5000)}, path, _use_new_zipfile_serialization=False)


class Boom:
    def __reduce__(self):
        return (print, ("run!",))


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"a": Boom()}))
    torch.save({"a": Boom()}, tmp_path / "zip.pth")
    for name in ("w.pth", "zip.pth"):
        with pytest.raises(ConfigError, match="more than tensors"):
            read_weights(tmp_path / name)
    assert "run!" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}])
def test_a_file_without_tensors_is_refused(content, tmp_path):
    with pytest.raises(ConfigError, match="no named tensors"):
        read_weights(save(content, tmp_path / "w.pth"))


def test_a_missing_file_is_named(tmp_path):
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(ConfigError, match="none"):
            read_weights(tmp_path / name)


def published(tmp_path, data, name="net-{}.pth"):
    path = tmp_path / "site" / name.format(hashlib.sha256(data).hexdigest()[:8])
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path.as_uri()


def test_download_tells_its_progress_and_is_done_once(tmp_path):
    data = bytes(range(256)) * 10_000
    url, told = published(tmp_path, data), []
    path = weights.download(url, tmp_path / "cache", lambda done, total: told.append((done, total)))
    assert path.read_bytes() == data
    assert [done for done, _ in told] == sorted({done for done, _ in told}) and len(told) > 1
    assert told[-1] == (len(data), len(data))
    (tmp_path / "site" / path.name).unlink()
    assert weights.download(url, tmp_path / "cache") == path
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [path.name]


def test_a_damaged_download_is_not_kept(tmp_path):
    url = published(tmp_path, b"other", "net-0123456789ab.pth")
    with pytest.raises(ConfigError, match="damaged"):
        weights.download(url, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_offline_names_the_way_round(tmp_path):
    with pytest.raises(ConfigError, match="--weights FILE") as caught:
        weights.download((tmp_path / "nothing.pth").as_uri(), tmp_path / "cache")
    assert "nothing.pth" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_nowhere_to_store(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cache"):
        weights.download(published(tmp_path, b"x"), tmp_path / "cache")


def test_torchvision_weights_are_looked_up_by_depth(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(weights, "download", lambda url, progress=None: asked.append(url) or tmp_path)
    for depth in (18, 34, 50, 101):
        assert weights.torchvision_weights(depth) == tmp_path
        assert asked[-1].rsplit("/", 1)[-1].startswith(f"resnet{depth}-")
