"""``spml contours`` (METHODS.md 1.9)."""

import numpy as np
import pytest
import torch
from PIL import Image

from spml_core.io.region_maps import read_regions
from spml_core.models import hed_weights
from spml_core.models.hed import HED
from spml_core.segments import build_hierarchy, build_ucm, edge_strength

NARROW = ((2, 2), (2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))
SHAPE = (48, 64)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Weights of a narrow HED, which the loader then makes."""
    monkeypatch.setattr(hed_weights, "HED", lambda: HED(NARROW))
    torch.manual_seed(1)
    torch.save(HED(NARROW).state_dict(), tmp_path / "hed.pth")
    return tmp_path / "hed.pth"


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_edges_and_regions_of_a_folder(data, spml):
    out = data / "out"
    result = spml("contours", data / "images", "--out", out, "--regions", "7")
    assert result.code == 0, result.err
    assert result.out.startswith(f"Wrote contours of 4 pictures to {out}: 7 regions and ")
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == [
        f"{folder}/{name}.png" for folder in ("edges", "regions") for name in "abcd"
    ]
    edges = edge_strength(pixels(data / "images" / "a.png"))
    assert np.allclose(pixels(out / "edges" / "a.png") / 65535, edges, atol=1e-5)
    assert np.array_equal(read_regions(out / "regions" / "a.png", SHAPE), build_hierarchy(edges).cut(7))


def test_a_contour_map_cut_later_gives_the_same_regions(data, spml):
    out = data / "out"
    picture = data / "images" / "a.png"
    result = spml("contours", picture, "--out", out, "--hierarchy", "ucm", "--threshold", "0.05", "--json")
    assert result.code == 0, result.err
    event, summary = result.events
    tree = build_ucm(edge_strength(pixels(picture)))
    regions = tree.threshold(0.05)
    assert event["count"] == summary["regions"] == regions.max() + 1 > 1
    assert {event["name"], event["event"], summary["event"]} == {"a", "contours", "summary"}
    assert np.array_equal(read_regions(event["regions"], SHAPE), regions)
    assert np.array_equal(read_regions(event["ucm"], SHAPE, threshold=0.05), regions)
    few = spml("contours", picture, "--out", out, "--hierarchy", "ucm", "--threshold", "0", "--regions", "3")
    assert few.code == 0 and np.array_equal(read_regions(out / "regions" / "a.png", SHAPE), tree.cut(3))


def test_hed(data, spml, weights):
    pictures = [data / "images" / "a.png", data / "images" / "b.png"]
    result = spml(
        "contours",
        *pictures,
        "--out",
        data / "o",
        "--hed",
        weights,
        "--scale",
        "1",
        "--device",
        "cpu",
        "--json",
    )
    assert result.code == 0, result.err
    assert [event.get("name") for event in result.events] == ["a", "b", None]
    with torch.inference_mode():
        rgb = torch.tensor(pixels(pictures[0])).permute(2, 0, 1)[None].float()
        edges = hed_weights.load_hed(weights)(rgb)[-1].sigmoid()[0, 0].numpy()
    assert np.allclose(pixels(data / "o" / "edges" / "a.png") / 65535, edges, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--source", "hed"], "--hed FILE"),
        (["--source", "gpb"], "'gpb'"),
        (["--hierarchy", "tree"], "'tree'"),
        (["--regions", "0"], "0 regions"),
        (["--regions", "65537"], "65537 regions"),
        (["--threshold", "-1"], "-1"),
        (["--threshold", "nan"], "nan"),
        (["--scale", "2"], "'lab'"),
        (["--hed", "missing.h5"], "missing.h5"),
        (["missing.png"], "missing.png"),
        (["masks"], "share the name 'a'"),
    ],
)
def test_bad_requests(data, spml, monkeypatch, options, word):
    monkeypatch.chdir(data)
    result = spml("contours", "images/a.png", "--out", "out", *options)
    assert result.code == 2 and result.out == ""
    assert word in result.err and len(result.err.splitlines()) == 1


def test_a_damaged_picture_is_named_and_those_before_it_are_kept(data, spml):
    (data / "images" / "b.png").write_bytes((data / "images" / "b.png").read_bytes()[:900])
    result = spml("contours", data / "images", "--out", data / "out")
    assert result.code == 2 and "b.png" in result.err
    assert (data / "out" / "regions" / "a.png").is_file()
    assert not (data / "out" / "regions" / "b.png").exists()
