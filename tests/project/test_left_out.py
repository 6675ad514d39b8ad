"""Nothing in a folder is passed over without a word, and whatever can be read is taken."""

import json
import os
import shutil

import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.errors import FilmError, PictureError
from spml_core.films import is_film, open_film
from spml_core.images import list_pictures, walk_pictures
from spml_core.project import Project
from spml_core.project.choosing import choose

CLASSES = ClassTable.from_names(["background", "cell"])
RGB8 = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def still(path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    formats = {".jfif": "jpeg", ".jpe": "jpeg", ".mpo": "jpeg"}
    Image.fromarray(RGB8).save(path, format=formats.get(path.suffix.lower()), **options)
    return path


def animation(path, count=5):
    frames = [Image.fromarray(np.roll(RGB8, 3 * i, 0)) for i in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    return path


def film(path, codec, pix_fmt="yuv420p", size=(96, 128), form=None):
    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *size, pix_fmt
        for i in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), 30 * i, np.uint8), format="rgb24")
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


FILMS = {
    "a.wmv": ("wmv2", "asf"),
    "a.asf": ("wmv2", "asf"),
    "a.flv": ("flv", None),
    "a.3gp": ("mpeg4", None),
    "a.ts": ("mpeg2video", None),
    "a.MTS": ("mpeg2video", "mpegts"),
    "a.m2ts": ("mpeg2video", "mpegts"),
    "a.mpg": ("mpeg2video", None),
    "a.mpeg": ("mpeg1video", None),
    "a.vob": ("mpeg2video", None),
    "a.m4v": ("mpeg4", "mp4"),
    "a.mxf": ("mpeg2video", None),
}


@pytest.mark.parametrize("name", FILMS)
def test_films_of_cameras_and_old_programs(tmp_path, name):
    codec, form = FILMS[name]
    path = film(tmp_path / name, codec, form=form)
    assert is_film(path)
    assert choose(tmp_path).films == [path]
    with open_film(path) as opened:
        assert opened.count == 6
        assert abs(int(opened.frame(4).mean()) - 120) < 8


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_an_animation_is_a_film_and_a_still_is_none(tmp_path, name):
    path = animation(tmp_path / name)
    assert is_film(path)
    chosen = choose(tmp_path)
    assert (chosen.films, chosen.pictures, chosen.warnings) == ([path], [], ())
    with Image.open(path) as image, open_film(path) as opened:
        assert (opened.count, opened.size, opened.frame_rate) == (5, (40, 56), 10)
        np.testing.assert_allclose(opened.times, np.arange(5) / 10)
        for index in (0, 1, 2, 4, 3, 2, 0):
            image.seek(index)
            assert np.array_equal(opened.frame(index), np.asarray(image.convert("RGB")))
    still(path)
    assert not is_film(path)
    assert choose(tmp_path).pictures == [path]
    data = path.read_bytes()
    animation(path)
    path.write_bytes(path.read_bytes()[: len(data) // 2])
    with pytest.raises(FilmError, match=name), open_film(path) as opened:
        opened.frame(4)


def test_animations_in_a_project(tmp_path):
    animation(tmp_path / "a.gif")
    animation(tmp_path / "b.webp")
    with Project.create(tmp_path / "p.spml", [tmp_path / "a.gif", tmp_path / "b.webp"], CLASSES) as made:
        assert [(record.name, record.count, record.kind) for record in made.films] == [
            ("a", 5, "video"),
            ("b", 5, "video"),
        ]
    with Project.open(tmp_path / "p.spml") as project:
        assert project.open_picture(project.picture("b_000003")).rgb().shape == (40, 56, 3)


@pytest.mark.parametrize("suffix", [".jpe", ".jfif", ".JFIF", ".mpo", ".bmp", ".gif", ".webp"])
def test_other_pictures_are_listed(tmp_path, suffix):
    path = still(tmp_path / "sub" / f"a{suffix}")
    assert list_pictures(tmp_path) == [path]
    with Project.create(tmp_path / "p.spml", tmp_path, CLASSES) as project:
        assert [record.name for record in project.pictures] == ["a"] and not project.warnings


def test_typescript_is_no_film(tmp_path):
    (tmp_path / "index.ts").write_text("export const answer: number = 42;\n")
    still(tmp_path / "a.png")
    assert choose(tmp_path).films == [] and choose(tmp_path).warnings == ()


def test_what_cannot_be_read_is_said_once_with_its_number(tmp_path):
    still(tmp_path / "a.png")
    for name in (
        "b.heic",
        "c.HEIC",
        "sub/d.cr2",
        "e.jp2",
        "readme.txt",
        "marks.json",
        ".hidden.heic",
        "f.svg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\1")
    (tmp_path / "scan").write_bytes(b"\0" * 99)
    (tmp_path / "LICENSE").write_text("words")
    assert choose(tmp_path).warnings == (
        f"6 files were left out of {tmp_path}, not being pictures or films that can be read:"
        " 2 .heic, 1 .cr2, 1 .jp2, 1 .svg, 1 without a suffix.",
    )


def test_a_folder_with_nothing_else_says_what_it_holds(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0")
    with pytest.raises(PictureError, match=r"There is no picture in .*1 file was left out.*1 \.heic"):
        choose(tmp_path)


def test_masks_beside_their_pictures_stay_out_as_before(tmp_path):
    still(tmp_path / "a.png")
    still(tmp_path / "masks" / "a.bmp")
    film(tmp_path / "b.mp4", "mpeg4")
    film(tmp_path / "b.wmv", "wmv2", form="asf")
    chosen = choose(tmp_path)
    assert chosen.pictures == [tmp_path / "a.png"] == walk_pictures(tmp_path)
    assert chosen.films == [tmp_path / "b.mp4"]
    assert chosen.warnings == (
        f"2 files were left out of {tmp_path}: another picture or film there has the same name.",
    )


def test_frames_and_projects_inside_are_not_left_out(tmp_path):
    still(tmp_path / "a.png")
    still(tmp_path / "walk" / "0.png")
    still(tmp_path / "walk" / "1.png")
    (tmp_path / "walk" / "notes.heic").write_bytes(b"\0")
    inner = tmp_path / "inner.spml"
    Project.create(inner, [tmp_path / "a.png"], CLASSES).close()
    chosen = choose(tmp_path, [tmp_path / "walk"])
    assert chosen.warnings == ()
    # The film itself says what of its folder is no frame.
    with open_film(tmp_path / "walk") as opened:
        assert len(opened.warnings) == 1 and "1 .heic" in opened.warnings[0]


def test_a_folder_of_frames_in_other_formats_is_a_film(tmp_path):
    for number in range(3):
        still(tmp_path / f"{number}.bmp")
    with open_film(tmp_path) as opened:
        assert opened.count == 3 and np.array_equal(opened.frame(1), RGB8)
    still(tmp_path / "7.png")  # then, as ever, they are no frames
    with open_film(tmp_path) as opened:
        assert opened.count == 1
        assert opened.warnings == (
            f"3 files were left out of {tmp_path}: its frames are PNG, JPEG and TIFF files.",
        )


def test_links_to_folders_are_told_of(tmp_path):
    still(tmp_path / "elsewhere" / "b.png")
    still(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "more").symlink_to(tmp_path / "elsewhere")
    (warning,) = choose(tmp_path / "images").warnings
    assert f"{tmp_path / 'images' / 'more'} is a link" in warning


def test_a_folder_that_may_not_be_read_is_told_of(tmp_path, monkeypatch):
    still(tmp_path / "a.png")
    still(tmp_path / "locked" / "b.png")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    chosen = choose(tmp_path)
    assert chosen.pictures == [tmp_path / "a.png"]
    assert chosen.warnings == (f"The folder {tmp_path / 'locked'} may not be read, and was left out.",)


def test_a_picture_that_may_not_be_read(tmp_path):
    path = still(tmp_path / "a.png")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("whoever runs this may read everything")
    with pytest.raises(PictureError, match=r"a\.png may not be read"):
        Project.create(tmp_path / "p.spml", [path], CLASSES)


def test_channels_and_pages_are_told_of_once(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in "abc":
        tifffile.imwrite(
            folder / f"{name}.tif", np.zeros((5, 40, 56), np.uint16), ome=True, metadata={"axes": "CYX"}
        )
    with Project.create(tmp_path / "p.spml", folder, CLASSES) as project:
        assert project.warnings == (
            f"{folder / 'a.tif'} and 2 other pictures: each has 5 channels: the brightest three are shown,"
            " the others left out.",
        )
        shutil.copy(folder / "a.tif", tmp_path / "d.tif")
        project.add([tmp_path / "d.tif"])
        assert project.warnings == (
            f"{tmp_path / 'd.tif'} has 5 channels: the brightest three are shown, the others left out.",
        )
    assert json.dumps(project.warnings)
