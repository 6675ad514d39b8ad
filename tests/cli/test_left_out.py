"""What new, add, predict and info say of files that were left out and of what isn't shown of others."""

import numpy as np
import tifffile
from PIL import Image

from spml_core.project import Project

CLASSES = ("--class", "background", "--class", "cell")
LINE = "spml: 3 files were left out of {}, not being pictures or films that can be read: 2 .heic, 1 .jp2.\n"


def folder_of(path):
    path.mkdir()
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(path / "other.png")
    Image.fromarray(rgb).save(path / "photo.jfif", format="jpeg")
    for name in ("x.heic", "y.heic", "z.jp2"):
        (path / name).write_bytes(b"\0")
    return path


def channels(path, count=4):
    samples = np.random.default_rng(0).integers(0, 4000, (count, 48, 64)).astype(np.uint16)
    tifffile.imwrite(path, samples, ome=True, metadata={"axes": "CYX"})
    return path


def test_new_tells(tmp_path, spml):
    folder = folder_of(tmp_path / "images")
    made = spml("new", tmp_path / "p.spml", "--images", folder, *CLASSES)
    assert (made.code, made.err) == (0, LINE.format(folder))
    assert made.out.startswith(f"Made {tmp_path / 'p.spml'} with 2 pictures")
    made = spml("new", tmp_path / "q.spml", "--images", folder, *CLASSES, "--json")
    assert made.events[-1]["warnings"] == [LINE.format(folder)[6:-1]]


def test_add_tells(project, tmp_path, spml):
    folder = folder_of(tmp_path / "more")
    added = spml("add", project, folder, "--json")
    assert (added.code, added.err) == (0, LINE.format(folder))
    assert added.events[-1]["warnings"] == [LINE.format(folder)[6:-1]]
    assert added.events[-1]["pictures"] == ["other", "photo"]
    added = spml("add", project, channels(tmp_path / "c4.tif"))
    note = "has 4 channels: the brightest three are shown, the others left out"
    assert added.err == f"spml: {tmp_path / 'c4.tif'} {note}.\n"
    # And whoever asks later hears of it again.
    told = spml("info", project)
    assert f"note      {tmp_path / 'c4.tif'} {note}." in told.out.splitlines()
    assert spml("info", project, "--json").events[-1]["notes"] == [f"{tmp_path / 'c4.tif'} {note}."]


def test_a_heic_by_name_is_refused_in_one_line(project, tmp_path, spml):
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    line = spml("add", project, path).complaint()
    assert "is a HEIC picture" in line and "Convert it" in line


def test_a_film_without_its_table_is_refused_in_one_line(project, tmp_path, spml):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\2\0\0\0\4\0mdat" + bytes(1016))
    line = spml("add", project, path).complaint()
    assert "cut off or damaged" in line and "table of its frames" in line


def test_what_a_project_has_been_told_is_no_error(tmp_path, spml):
    folder = folder_of(tmp_path / "images")
    spml("new", tmp_path / "p.spml", "--images", folder, *CLASSES)
    with Project.open(tmp_path / "p.spml") as project:
        assert project.warnings == ()


def test_predict_tells(marked, tmp_path, spml):
    assert spml("train", marked, "--preset", "quick", "--steps", "2").code == 0
    folder = folder_of(tmp_path / "more")
    channels(folder / "c4.tif")
    done = spml("predict", marked, "--images", folder, "--out", tmp_path / "out", "--json")
    note = "has 4 channels: the brightest three are shown, the others left out"
    lines = LINE.format(folder) + f"spml: {folder / 'c4.tif'} {note}.\n"
    assert (done.code, done.err) == (0, lines)
    assert done.events[-1]["warnings"] == [line[6:] for line in lines.splitlines()]
    assert {path.stem for path in (tmp_path / "out").iterdir()} == {"other", "photo", "c4"}
