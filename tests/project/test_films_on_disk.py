"""Films whose files are read by many, touched, replaced, moved and found again."""

import shutil
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Tag
from spml_core.classes import ClassTable
from spml_core.errors import PictureError, ProjectError
from spml_core.images import Picture
from spml_core.project import Project
from spml_core.project.films import frame_id
from spml_core.project.open_films import MOST

CLASSES = ClassTable.from_names(["background", "bear"])


@pytest.fixture
def filmed(tmp_path, images, bear, stack, clip):
    """Three stills and three films."""
    with Project.create(tmp_path / "p.spml", images, CLASSES, films=[bear, stack, clip]) as project:
        yield project


@pytest.mark.parametrize("name", ["bear", "stack", "clip"])
def test_frames_open_like_pictures(filmed, name, frame_pixels):
    film = filmed.film(name)
    for index in (0, film.count - 1):
        picture = filmed.open_picture(filmed.frame(film, index))
        assert isinstance(picture, Picture)
        assert picture.name == filmed.frame(film, index).name
        assert picture.path == filmed.frame(film, index).path
        assert picture.size == (film.height, film.width)
        pixels = picture.rgb()
        assert (pixels.shape, pixels.dtype) == ((film.height, film.width, 3), np.uint8)
        if name == "clip":
            assert abs(float(pixels.mean()) - (20 + 25 * index)) < 3
        else:
            np.testing.assert_array_equal(pixels, frame_pixels(index))
        window = picture.rgb_window(2, 3, 10, 11)
        np.testing.assert_array_equal(window, pixels[2:12, 3:14])
        window[:] = 0
        np.testing.assert_array_equal(picture.rgb(), pixels)
        with pytest.raises(PictureError, match="doesn't lie in"):
            picture.rgb_window(film.height - 5, 0, 6, 4)


def test_many_threads_read_frames_of_many_films(tmp_path, images, write_video):
    paths = []
    for number in range(MOST + 2):
        paths.append(tmp_path / f"f{number}.mp4")
        frames = [np.full((32, 32, 3), 20 + 40 * number + 4 * index, np.uint8) for index in range(6)]
        write_video(paths[-1], frames)
    wrong = []

    def read(project, seed):
        for pick in np.random.default_rng(seed).integers(0, 6 * len(paths), 30):
            film, index = project.films[pick // 6], int(pick % 6)
            mean = project.open_picture(project.frame(film, index)).rgb().mean()
            if abs(float(mean) - (20 + 40 * (pick // 6) + 4 * index)) > 2:
                wrong.append((film.name, index, mean))

    with Project.create(tmp_path / "p.spml", (), CLASSES, films=paths) as project:
        threads = [threading.Thread(target=read, args=(project, seed)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(project._open_films._held) == MOST
        held = project.open_film(project.films[0])
        assert project.open_film(project.films[0]) is held
    assert project._open_films._held == {}


def test_a_film_that_was_touched_is_read_again_and_one_that_was_replaced_refused(
    filmed, clip, monkeypatch, write_video
):
    film = filmed.film("clip")
    filmed.open_film(film)
    hashed = []
    real = sys.modules["spml_core.project.open_films"].film_hash
    monkeypatch.setattr("spml_core.project.open_films.film_hash", lambda p: hashed.append(p) or real(p))
    filmed.check_film(film)
    assert hashed == []
    clip.touch()
    assert filmed.open_film(film).frame(0).shape == (32, 48, 3)
    assert hashed == [clip]
    filmed.close()
    with Project.open(filmed.path, write=False) as reader:  # the new stamp was kept
        reader.open_film(film)
    assert hashed == [clip]
    write_video(clip, [np.full((32, 48, 3), 99, np.uint8)] * 8)
    with Project.open(filmed.path) as again:
        picture = again.open_picture(again.frame(film, 0))
        with pytest.raises(ProjectError, match=r"'clip' was replaced.*clip\.mp4.*Relink"):
            picture.rgb()
        clip.unlink()
        with pytest.raises(ProjectError, match=r"'clip' isn't at .*clip\.mp4.*Relink"):
            again.open_picture(again.frame(film, 0))
        with pytest.raises(ProjectError, match=r"'clip' isn't at"):
            again.open_film(film)


def test_a_changed_or_moved_sequence_is_refused(filmed, bear, frame_pixels):
    film = filmed.film("bear")
    marked = filmed.frame(film, 1)
    filmed.add_marks({marked.id: [Tag(1)]}, "")
    Image.fromarray(frame_pixels(9)).save(bear / "00002.png")
    with pytest.raises(ProjectError, match="'bear' was replaced"):
        filmed.open_film(film)
    with Project.open(filmed.path, write=False) as reader:
        Image.fromarray(frame_pixels(9)).save(bear / "00000b.png")
        with pytest.raises(ProjectError, match="'bear' was replaced"):
            reader.frame(film, 3)
        bear.rename(bear.parent / "elsewhere")
        with pytest.raises(ProjectError, match="'bear' isn't at"):
            reader.frame(film, 3)
        # What is marked is known all the same.
        assert reader.record(marked.id) == marked
        assert reader.marked_pictures() == (marked,)


def test_relink_finds_films_that_were_moved_renamed_or_replaced(
    filmed, tmp_path, bear, stack, clip, frame_pixels, write_video
):
    filmed.add_marks({filmed.frame(filmed.film(name), 1).id: [Tag(1)] for name in ("bear", "clip")}, "")
    archive = tmp_path / "archive"
    archive.mkdir()
    before = filmed.films
    shutil.copy(clip, archive / "copy.mp4")
    shutil.copy(clip, archive / "clip.mp4")
    write_video(clip, [np.zeros((32, 48, 3), np.uint8)] * 3)  # replaced
    shutil.move(bear, archive / "renamed")
    (archive / "junk.mp4").write_bytes(b"junk")
    assert filmed.relink(archive) == 2
    assert filmed.relink(archive) == 0
    assert filmed.film("clip").path == archive / "clip.mp4"
    assert filmed.film("stack").path == stack
    assert [film.id for film in filmed.films] == [film.id for film in before]
    record = filmed.record(frame_id(filmed.film("bear").id, 1))
    assert (record.name, record.path) == ("bear_00001", archive / "renamed/00001.png")
    # Records from before find the film where it is now.
    np.testing.assert_array_equal(filmed.open_film(before[0]).frame(2), frame_pixels(2))
    np.testing.assert_array_equal(filmed.open_picture(record).rgb(), frame_pixels(1))
    with Project.open(filmed.path, write=False) as again:
        assert again.record(record.id) == record
    stack.unlink()
    assert filmed.relink(archive) == 0
    with pytest.raises(PictureError, match="no folder"):
        filmed.relink(tmp_path / "gone")


def test_films_move_with_the_project(filmed, tmp_path, frame_pixels):
    filmed.add_marks({filmed.frame(filmed.film("bear"), 1).id: [Tag(1)]}, "")
    filmed.close()
    (tmp_path / "new").mkdir()
    for name in ("p.spml", "films", "images"):
        shutil.move(tmp_path / name, tmp_path / "new" / name)
    with Project.open(tmp_path / "new/p.spml") as moved:
        (record,) = moved.marked_pictures()
        assert record.path == tmp_path / "new/films/bear/00001.png"
        np.testing.assert_array_equal(moved.open_picture(record).rgb(), frame_pixels(1))
