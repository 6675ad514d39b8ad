"""Whether folders in a name speak of a picture or of another one."""

from pathlib import Path

import pytest

from spml_core.images import Folders, FrameNames, PictureNames


def names(place, root="imgs", films=()):
    path = Path("/data", root, f"{place}.png")
    folders = {path.stem: Folders.of_file(path, Path("/data", root))}
    return PictureNames({path.stem: (10, 10)}, films, lambda: folders)


SAME = [
    ("0001", "0001.png"),
    ("0001", "val/0001.png"),
    ("0001", "images/0001.png"),
    ("0001", "/home/x/data/0001.png"),
    ("0001", r"C:\data\0001.png"),
    ("train/0001", "0001"),
    ("train/0001", "train/0001.png"),
    ("train/0001", "images/0001.png"),
    ("train/0001", "images/train2017/0001.jpg"),
    ("train/images/0001", "Training/0001.jpg"),
    ("train/0001", "/home/x/data/0001.png"),
    ("train/0001", "/home/x/cells/0001.png"),
    ("train/0001", r"C:\data\0001.png"),
    ("train/0001", r"C:\study\train\0001.png"),
    ("train/0001", "../imgs/0001.png"),
    ("train/0001", "../train/0001.png"),
    ("train/0001", "/data/upload/3/0001.png"),
    ("plate1/day2/0001", "day2/0001.png"),
    ("plate1/day2/0001", "study/plate1/day2/0001.png"),
    ("plate1/day2/0001", "/home/x/study/day2/0001.png"),
    ("gro\u0308\u00dfe/0001", "gr\u00f6\u00dfe/0001.png"),
    ("Train/0001", "train/0001.png"),
]
OTHER = [
    ("train/0001", "val/0001.png"),
    ("train/0001", r"val\0001.png"),
    ("train/0001", "images/val/0001.png"),
    ("train/0001", "/home/x/data/val/0001.png"),
    ("train/0001", r"C:\data\val2017\images\0001.png"),
    ("train/0001", "../val/0001.png"),
    ("plate1/0001", "plate2/0001.png"),
    ("plate1/0001", "/home/x/plate2/0001.png"),
    ("a/0001", "b/0001.png"),
    ("plate1/day2/0001", "plate2/day2/0001.png"),
    ("train/aachen/0001", "val/aachen/0001.png"),
]


@pytest.mark.parametrize(("place", "word"), SAME)
def test_what_contradicts_nothing_matches(place, word):
    assert names(place).find(word) == "0001"


@pytest.mark.parametrize(("place", "word"), OTHER)
def test_other_folders_are_other_pictures(place, word):
    found = names(place)
    assert found.find(word) is None
    assert found.match(word).name == "0001"


@pytest.mark.parametrize("root", ["train", "train/images"])
def test_the_folder_of_the_project_contradicts_only_as_a_split(root):
    assert names("0001", root).find("val/0001.png") is None
    assert names("0001", root).find("train/0001.png") == "0001"
    assert names("0001", root).find("cells/0001.png") == "0001"


def test_a_place_to_work_at_is_no_split(tmp_path, monkeypatch):
    assert names("0001", "test/imgs").find("train/0001.png") == "0001"
    assert (
        names("train/0001", "test/imgs")
        .match_file(Path("/data/test/masks/0001.png"), Path("/data/test/masks"))
        .fits
    )
    (tmp_path / "valid").mkdir()
    monkeypatch.chdir(tmp_path / "valid")
    assert not names("train/0001").match_file(Path("labels/0001.txt"), Path("labels")).fits


def test_files_of_marks_are_compared_by_their_place():
    found = names("train/0001")

    def agreement(path, root):
        return found.match_file(Path(path), Path(root)).agreement

    assert agreement("/x/labels/train/0001.txt", "/x/labels") == 1
    assert agreement("/x/labels/0001.txt", "/x/labels") == 0
    assert agreement("/x/labels/val/0001.txt", "/x/labels") == -1
    assert agreement("/x/val/labels/0001.txt", "/x/val/labels") == -1
    assert agreement("/x/val/0001.txt", "/x/val/0001.txt") == -1
    assert agreement("/x/job_17/0001.txt", "/x/job_17") == 0


def test_a_folder_that_the_project_knows_contradicts_in_any_path():
    folders = {"1": Folders(("ctrl",)), "2": Folders(("drug",))}
    found = PictureNames({"1": (9, 9), "2": (9, 9)}, (), lambda: folders)
    assert found.find("/home/x/drug/1.png") is None
    assert found.find("/home/x/old/1.png") == "1"


def test_composed_and_decomposed_names_are_one():
    film = FrameNames("gr\u00f6n", (8, 8), 2, lambda: ("u\u0308", "b"))
    found = names("a\u0308 1", films=(film,))
    assert found.find("\u00e4 1.png") == "a\u0308 1"
    assert found.find("gro\u0308n/\u00fc.png") == found.find("\u00fc") == "gr\u00f6n_u\u0308"
    assert found.find("gro\u0308n_\u00fc") == "gr\u00f6n_u\u0308"
    assert "\u00e4 1" not in found and "gro\u0308n_\u00fc" not in found


def test_two_pictures_of_one_form_are_told_apart_by_their_very_names_only():
    found = PictureNames({"\u00e4": (9, 9), "a\u0308": (8, 8)})
    assert (found.find("\u00e4.png"), found.find("a\u0308.png")) == ("\u00e4", "a\u0308")


def test_a_frame_of_another_film_is_none():
    film = FrameNames("walk1", (8, 8), 2, lambda: ("00000", "00001"))
    found = PictureNames({}, (film,))
    assert found.find("walk2/00001.png") is None
    assert found.find("images/00001.png") == found.find("walk1/00001.png") == "walk1_00001"
