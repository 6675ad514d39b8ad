import hashlib

import numpy as np
import pytest
from PIL import Image

from spml_core.errors import PictureError
from spml_core.images import content_hash, list_pictures, walk_pictures


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(path, format="png")
    return path


def test_pictures_are_found_recursively_sorted_and_by_suffix_in_any_case(tmp_path):
    wanted = [touch(tmp_path / n) for n in ("a.PNG", "b.jpeg", "sub/c.Tif", "sub/deep/d.tiff", "z.JPG")]
    for other in ("notes.txt", ".hidden.png", ".git/e.png", "._a.png"):
        touch(tmp_path / other)
    assert list_pictures(tmp_path) == sorted(wanted)


def test_index_pngs_inside_a_project_are_no_pictures(tmp_path):
    touch(tmp_path / "a.png")
    touch(tmp_path / "p.spml/predictions/a.png")
    (tmp_path / "p.spml/project.sqlite").write_bytes(b"")
    assert list_pictures(tmp_path) == [tmp_path / "a.png"]


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(PictureError, match=r"no folder .*gone"):
        list_pictures(tmp_path / "gone")
    with pytest.raises(PictureError, match="no picture in"):
        list_pictures(tmp_path)
    assert walk_pictures(tmp_path) == []


@pytest.mark.parametrize("twin", ["sub/x.png", "x.jpg"])
def test_two_pictures_of_one_stem_are_refused_with_both_paths(tmp_path, twin):
    touch(tmp_path / "x.png")
    touch(tmp_path / twin)
    with pytest.raises(PictureError) as caught:
        list_pictures(tmp_path)
    assert str(tmp_path / "x.png") in str(caught.value)
    assert str(tmp_path / twin) in str(caught.value)
    assert caught.value.remedy
    assert len(walk_pictures(tmp_path)) == 2


def test_content_hash_is_blake2b_of_the_bytes(tmp_path):
    path = tmp_path / "f.bin"
    data = bytes(range(256)) * 9000
    path.write_bytes(data)
    assert content_hash(path) == hashlib.blake2b(data, digest_size=20).hexdigest()
    with pytest.raises(PictureError, match=r"gone\.png"):
        content_hash(tmp_path / "gone.png")
