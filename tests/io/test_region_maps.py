"""Region maps and contour maps from files (METHODS.md 1.9 step 6)."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat
from skimage.measure import label

from spml_core.errors import ConfigError, PictureError
from spml_core.io.region_maps import find_region_maps, read_regions, write_regions, write_strength

H, W = 12, 17


def compact(values):
    """Labels by first appearance, by a loop."""
    numbers = {}
    return np.array([[numbers.setdefault(v, len(numbers)) for v in row] for row in values.tolist()], np.int32)


def some_regions(top=6):
    return np.random.default_rng(0).integers(0, top, (H, W))


def some_ucm(seed=0):
    """A contour map of twice the size plus one, with few levels; corners as they come."""
    rng = np.random.default_rng(seed)
    ucm = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], (2 * H + 1, 2 * W + 1))
    ucm[1::2, 1::2] = 0
    return ucm


def flooded(ucm, threshold):
    """Regions of a contour map by flooding over cracks below the threshold, pixel by pixel."""
    regions = np.full((H, W), -1, np.int32)
    count = 0
    for y in range(H):
        for x in range(W):
            if regions[y, x] >= 0:
                continue
            stack = [(y, x)]
            regions[y, x] = count
            while stack:
                i, j = stack.pop()
                for di, dj in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                    a, b = i + di, j + dj
                    inside = 0 <= a < H and 0 <= b < W
                    if inside and regions[a, b] < 0 and ucm[2 * i + 1 + di, 2 * j + 1 + dj] < threshold:
                        regions[a, b] = count
                        stack.append((a, b))
            count += 1
    return regions


@pytest.mark.parametrize("kind", ["L", "P", "16", "1", "tif", "npy", "rgb", "rgba"])
def test_region_maps(tmp_path, kind):
    regions = some_regions(2 if kind == "1" else 6)
    path = tmp_path / f"r.{kind if kind in ('tif', 'npy') else 'png'}"
    if kind == "npy":
        np.save(path, regions)
    elif kind == "tif":
        regions = regions * 70_001
        tifffile.imwrite(path, regions.astype(np.int32))
    elif kind == "16":
        regions = regions * 11_000
        Image.fromarray(regions.astype(np.uint16)).save(path)
    elif kind == "1":
        Image.fromarray(regions.astype(bool)).save(path)
    elif kind.startswith("rgb"):
        # Only together do the channels tell the colours apart.
        colors = np.array([[1, 2, 3], [1, 2, 4], [1, 3, 3], [2, 2, 3], [3, 2, 1], [255, 255, 255]], np.uint8)
        picture = colors[regions]
        if kind == "rgba":
            picture = np.dstack([picture, np.full((H, W), 9, np.uint8)])
        Image.fromarray(picture).save(path)
    else:
        image = Image.fromarray(regions.astype(np.uint8))
        if kind == "P":
            image.putpalette([7] * 768)
        image.save(path)
    read = read_regions(path, (H, W))
    assert read.dtype == np.int32
    assert np.array_equal(read, compact(regions))


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.3, 1.0, 1.5])
@pytest.mark.parametrize("kind", ["mat", "mat73", "other.mat", "tif", "npy", "png"])
def test_contour_maps_of_twice_the_size(tmp_path, kind, threshold):
    ucm = some_ucm()
    path = tmp_path / f"u.{kind}"
    if kind == "mat73":
        path = write_mat_73(tmp_path / "u.mat", {"ucm2": ucm})
    elif kind.endswith("mat"):
        savemat(path, {"ucm2" if kind == "mat" else "boundaries": ucm, "note": "text", "thr": 0.5})
    elif kind == "tif":
        tifffile.imwrite(path, ucm.astype(np.float32))
    elif kind == "npy":
        np.save(path, ucm)
    else:
        write_strength(path, ucm)
        threshold -= 1e-4  # 16 bit round
    read = read_regions(path, (H, W), threshold=threshold)
    assert np.array_equal(read, flooded(ucm, threshold))


def write_mat_73(path, variables):
    """As MATLAB does: HDF5 with a header of its own, columns first, references for cells."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            file[name] = np.asarray(values).T
        file.create_dataset("cells", (2, 1), dtype=h5py.ref_dtype)
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(header.ljust(512, b"\0"))
    return path


def test_labels_in_mat_files(tmp_path):
    savemat(tmp_path / "a.mat", {"segs": some_regions() + 1.0, "names": np.array(["a", "b"], object)})
    assert np.array_equal(read_regions(tmp_path / "a.mat", (H, W)), compact(some_regions()))
    write_mat_73(tmp_path / "b.mat", {"labels": some_regions().astype(np.uint16)})
    assert np.array_equal(read_regions(tmp_path / "b.mat", (H, W)), compact(some_regions()))


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 30, 10_000])
def test_the_threshold_is_raised_until_regions_are_few_enough(tmp_path, limit):
    ucm = np.random.default_rng(3).random((2 * H + 1, 2 * W + 1))
    savemat(tmp_path / "u.mat", {"ucm2": ucm})
    read = read_regions(tmp_path / "u.mat", (H, W), threshold=0.3, max_regions=limit)
    assert read.max() < limit
    levels = sorted({0.3, *ucm[1::2, 2:-1:2].ravel(), *ucm[2:-1:2, 1::2].ravel(), np.inf})
    wanted = next(r for r in (flooded(ucm, t) for t in levels if t >= 0.3) if r.max() < limit)
    assert np.array_equal(read, wanted)


def test_contour_maps_of_the_pictures_size(tmp_path):
    """Lines cover pixels, which go to a region beside them."""
    ucm = np.zeros((H, W))
    ucm[:, 8] = 0.6
    ucm[5, :8] = 0.2
    ucm[9:, 12] = 0.9  # an open end closes nothing
    savemat(tmp_path / "u.mat", {"ucm": ucm})
    read = read_regions(tmp_path / "u.mat", (H, W), threshold=0.1)
    assert read.max() == 2 and label(read, connectivity=1, background=-1).max() == 3
    assert len({read[0, 0], read[11, 0], read[0, 16]}) == 3
    assert (read[:5, :8] == read[0, 0]).all() and (read[6:, :8] == read[11, 0]).all()
    assert (read[:, 9:] == read[0, 16]).all()
    assert read_regions(tmp_path / "u.mat", (H, W), threshold=0.3).max() == 1
    assert read_regions(tmp_path / "u.mat", (H, W), threshold=0.1, max_regions=2).max() == 1
    assert read_regions(tmp_path / "u.mat", (H, W), threshold=0.1, max_regions=1).max() == 0
    assert read_regions(tmp_path / "u.mat", (H, W), threshold=0.0).max() == 0


def test_own_maps_come_back(tmp_path):
    regions = np.arange(H * W).reshape(H, W) * 321 % 65_536
    write_regions(tmp_path / "r.png", compact(regions))
    assert np.array_equal(read_regions(tmp_path / "r.png", (H, W)), compact(regions))
    with Image.open(tmp_path / "r.png") as image:
        assert image.mode.startswith("I;16")
    strength = np.linspace(-0.5, 1.5, 5)[None].repeat(3, 0)
    write_strength(tmp_path / "e.png", strength)
    with Image.open(tmp_path / "e.png") as image:
        assert np.asarray(image)[0].tolist() == [0, 0, 32768, 65535, 65535]


def test_bad_files_are_refused(tmp_path):
    def refuse(path, *words, **options):
        with pytest.raises(PictureError) as caught:
            read_regions(path, (H, W), **options)
        for word in (*words, path.name):
            assert word in str(caught.value)

    refuse(tmp_path / "none.png", "no region map")
    refuse(tmp_path / "r.bmp", "unknown kind")
    for name in ("r.png", "r.mat", "r.tif", "r.npy"):
        (tmp_path / name).write_bytes(
            b"something else altogether, and long enough for a header of 128 bytes" * 4
        )
        refuse(tmp_path / name, "can't be read")
    write_regions(tmp_path / "r.png", np.zeros((H + 1, W), np.int32))
    refuse(tmp_path / "r.png", f"{H + 1} x {W}", f"{H} x {W}")
    np.save(tmp_path / "r.npy", np.full((H, W), 0.5))
    refuse(tmp_path / "r.npy", "aren't whole")
    np.save(tmp_path / "r.npy", np.full((H, W), np.nan))
    refuse(tmp_path / "r.npy", "NaN")
    np.save(tmp_path / "r.npy", np.zeros((H, W, 2)))
    refuse(tmp_path / "r.npy", "(12, 17, 2)")
    np.save(tmp_path / "r.npy", np.array([[{}]], object), allow_pickle=True)
    refuse(tmp_path / "r.npy")
    np.save(tmp_path / "r.npy", np.full((2 * H + 1, 2 * W + 1), -0.1))
    refuse(tmp_path / "r.npy", "-0.1")
    savemat(tmp_path / "r.mat", {"a": np.zeros((H, W)), "b": np.zeros((H, W))})
    refuse(tmp_path / "r.mat", "a, b", "ucm2")
    for options in ({"threshold": float("nan")}, {"max_regions": 0}):
        with pytest.raises(ConfigError):
            read_regions(tmp_path / "r.mat", (H, W), **options)
    with pytest.raises(PictureError, match="65,536 or fewer"):
        write_regions(tmp_path / "w.png", np.array([[65_536]]))
    assert not (tmp_path / "w.png").exists()


def test_maps_are_found_by_their_pictures_name(tmp_path):
    write_regions(tmp_path / "a.png", some_regions())
    np.save(tmp_path / "b.npy", some_regions())
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".c.png").write_bytes(b"x")
    assert find_region_maps(tmp_path) == {"a": tmp_path / "a.png", "b": tmp_path / "b.npy"}
    np.save(tmp_path / "a.npy", some_regions())
    with pytest.raises(PictureError, match="both for 'a'"):
        find_region_maps(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="no region map in"):
        find_region_maps(tmp_path / "empty")
    with pytest.raises(PictureError, match="no folder"):
        find_region_maps(tmp_path / "none")


def test_a_small_file_of_billions_of_pixels_is_not_unpacked(tmp_path):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">2I5B", 60_000, 60_000, 1, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b""))
    with pytest.raises(PictureError, match=r"a\.png has 60000 x 60000 pixels, more than 1\.1 billion"):
        read_regions(path, (60_000, 60_000))
