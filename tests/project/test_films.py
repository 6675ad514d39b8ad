import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Patch, Point, Tag
from spml_core.classes import ClassTable
from spml_core.errors import FilmError, MarkError, PictureError, ProjectError
from spml_core.films import write_zarr_film
from spml_core.project import Project
from spml_core.project.films import film_and_index, frame_id

CLASSES = ClassTable.from_names(["background", "bear"])


@pytest.fixture
def filmed(tmp_path, images, bear, stack, clip):
    """Three stills and three films."""
    with Project.create(tmp_path / "p.spml", images, CLASSES, films=[bear, stack, clip]) as project:
        yield project


def rows(project):
    return project._database.rows(
        "SELECT id, name, path, film, frame FROM pictures WHERE film NOT NULL ORDER BY frame"
    )


def test_films_beside_pictures_and_alone(tmp_path, images, bear, stack, clip):
    seen = []
    with Project.create(
        tmp_path / "p.spml", images, CLASSES, lambda *a: seen.append(a), [bear, clip]
    ) as project:
        assert seen == [(done, 5) for done in range(1, 6)]
        assert [record.name for record in project.pictures] == ["a", "b", "c"]
        assert [film.name for film in project.films] == ["bear", "clip"]
        film = project.film("clip")
        assert (film.kind, film.count, film.height, film.width) == ("video", 8, 32, 48)
        assert film.frame_rate == pytest.approx(10)
        assert film.path == clip
        assert project.film(clip) == project.film("clip.mp4") == film
        assert (project.film("bear").kind, project.film("bear").frame_rate) == ("sequence", None)
        with pytest.raises(ProjectError, match=r"no film 'zebra'.*bear, clip"):
            project.film("zebra")
        assert project.film_folder(film) == project.path / "predictions/films/clip"
    with Project.create(tmp_path / "q.spml", (), CLASSES, films=[stack]) as project:
        assert project.pictures == project.marked_pictures() == project.frames == ()
        assert [film.kind for film in project.films] == ["stack"]
    with Project.open(tmp_path / "p.spml", write=False) as project:
        assert [film.name for film in project.films] == ["bear", "clip"]


def test_a_folder_that_holds_both_and_a_film_by_itself(tmp_path, images, bear, stack, clip):
    shutil.move(clip, images / "clip.MP4")
    shutil.move(stack, images / "sub/stack.tif")
    with Project.create(tmp_path / "p.spml", images, CLASSES) as project:
        assert [record.name for record in project.pictures] == ["a", "b", "c"]
        assert [(film.name, film.kind) for film in project.films] == [("clip", "video"), ("stack", "stack")]
        assert project.add_pictures(images) == ()
        assert len(project.films) == 2
    with Project.create(tmp_path / "q.spml", images / "clip.MP4", CLASSES) as project:
        assert ([film.name for film in project.films], project.pictures) == (["clip"], ())
        # The pictures of a folder are stills, unless it is said to be a film.
        assert len(project.add_pictures(bear)) == 5
    with Project.create(tmp_path / "r.spml", bear.parent, CLASSES, films=[bear]) as project:
        assert ([film.name for film in project.films], project.pictures) == (["bear"], ())
    with pytest.raises(PictureError, match="neither a folder nor a film"):
        Project.create(tmp_path / "s.spml", images / "a.png", CLASSES)


def test_a_zarr_array_in_a_folder_is_a_film(tmp_path, images, frame_pixels):
    frames = np.stack([frame_pixels(index) for index in range(3)])
    write_zarr_film(frames, images / "sub/lapse.zarr", 0.5)
    with Project.create(tmp_path / "p.spml", images, CLASSES) as project:
        (film,) = project.films
        assert (film.name, film.kind, film.count, film.frame_rate) == ("lapse", "array", 3, 0.5)
        np.testing.assert_array_equal(project.open_picture(project.picture("lapse/2")).rgb(), frames[2])
        chunk = next(path for path in film.path.rglob("*") if path.is_file() and "json" not in path.name)
        chunk.write_bytes(b"0" * chunk.stat().st_size)
        with pytest.raises(ProjectError, match="'lapse' was replaced"):
            project.check_film(film)


def test_create_is_all_or_nothing(tmp_path, images, bear, clip):
    before = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / "films/junk.mp4").write_bytes(b"no film" * 99)
    with pytest.raises(FilmError, match=r"junk\.mp4"):
        Project.create(tmp_path / "p.spml", images, CLASSES, films=[bear, tmp_path / "films/junk.mp4"])
    with pytest.raises(FilmError, match=r"gone\.mp4"):
        Project.create(tmp_path / "p.spml", images, CLASSES, films=[bear, tmp_path / "gone.mp4"])
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    with Project.create(tmp_path / "p.spml", images, CLASSES) as project:
        with pytest.raises(FilmError, match=r"junk\.mp4"):
            project.add([], [clip, tmp_path / "films/junk.mp4"])
        assert project.films == ()


def test_frames_are_records_whose_ids_never_change(filmed):
    film = filmed.film("bear")
    record = filmed.frame(film, 3)
    assert record.id == -((film.id << 32) + 3 + 1) == frame_id(film.id, 3)
    assert film_and_index(record.id) == (film.id, 3)
    assert (record.name, record.path) == ("bear_00003", film.path / "00003.png")
    assert (record.film, record.frame, record.height, record.width) == (film.id, 3, 20, 28)
    assert filmed.record(record.id) == record
    assert filmed.film_of(record) == film
    assert filmed.film_of(filmed.pictures[0]) is None
    clip = filmed.frame(filmed.film("clip"), 7)
    assert (clip.name, clip.path) == ("clip_000007", filmed.film("clip").path)
    hashes = {filmed.frame(film, index).content_hash for film in filmed.films for index in range(film.count)}
    assert len(hashes) == sum(film.count for film in filmed.films)
    assert rows(filmed) == []
    for wrong in (5, -1):
        with pytest.raises(ProjectError, match=f"no frame {wrong}.*0 to 4"):
            filmed.frame(film, wrong)
    for wrong in (99, frame_id(film.id, 5), frame_id(77, 0), -1):
        with pytest.raises(ProjectError, match="no picture with the number"):
            filmed.record(wrong)


def test_the_first_mark_makes_the_row_and_undo_leaves_it(filmed, tmp_path, frame_pixels):
    film = filmed.film("bear")
    frames = [filmed.frame(film, index) for index in (4, 1)]
    with Project.open(filmed.path, write=False) as reader:
        ids = filmed.add_marks({frame.id: [Point(1, 2, 3)] for frame in frames}, "two frames")
        assert rows(filmed) == [
            (frame_id(film.id, 1), "bear_00001", "00001.png", film.id, 1),
            (frame_id(film.id, 4), "bear_00004", "00004.png", film.id, 4),
        ]
        assert filmed.frames == (frames[1], frames[0])
        assert filmed.marked_frames(film) == (1, 4)
        assert filmed.marked_pictures() == (frames[1], frames[0])
        # Who reads sees them at once, without being told.
        assert reader.marked_frames(film) == (1, 4)
        assert reader.marked_pictures() == filmed.marked_pictures()
        assert list(reader.marks(frames[0].id).values()) == [Point(1, 2, 3)]
    labels = filmed.weak_labels(frames[0])
    assert labels.shape == (20, 28)
    assert (labels == 1).any()
    filmed.add_marks(
        {frames[0].id: [Patch(0, 0, np.zeros((20, 28), np.uint8), accepted="picture")]}, "review"
    )
    assert filmed.reviewed_pictures() == (frames[0],)
    states = filmed.frame_states(film)
    assert list(states) == [1, 4]
    assert [(state.marks, state.reviewed) for state in states.values()] == [(1, False), (2, True)]
    assert filmed.frame_states(filmed.film("clip")) == {}
    assert list(filmed.states()) == [record.id for record in filmed.pictures]
    filmed.undo()
    assert filmed.undo(frames[1].id).pictures == tuple(sorted(frame.id for frame in frames))
    assert filmed.marked_pictures() == ()
    assert filmed.marked_frames(film) == ()
    assert len(filmed.frames) == 2
    filmed.redo()
    assert filmed.marked_frames(film) == (1, 4)
    filmed.remove_marks(ids[:1])
    assert filmed.marked_frames(film) == (1,)
    # Stills still count up from where they were.
    Image.fromarray(frame_pixels(0)).save(tmp_path / "images/d.png")
    assert [record.id for record in filmed.add_pictures(tmp_path / "images")] == [4]


def test_the_first_still_after_marked_frames_has_the_id_1(tmp_path, images, stack):
    with Project.create(tmp_path / "q.spml", (), CLASSES, films=[stack]) as project:
        project.add_marks({project.frame(project.films[0], 0).id: [Tag(1)]}, "")
        assert sorted(record.id for record in project.add_pictures(images)) == [1, 2, 3]


def test_what_is_wrong_with_one_mark_leaves_no_row(filmed):
    frame, other = (filmed.frame(filmed.film("stack"), index) for index in (0, 1))
    for marks, words in [
        ({frame.id: [Tag(1)], other.id: [Tag(2)]}, "class index 2"),
        ({frame.id: [Point(1, 20, 3)]}, "lies outside 'stack_000000'"),
        ({frame.id: [Tag(1)], frame_id(3, 99): [Tag(1)]}, "no picture with id"),
    ]:
        with pytest.raises(MarkError, match=words):
            filmed.add_marks(marks, "")
    with pytest.raises(MarkError, match="no mark with id 99"):
        filmed.change_marks({frame.id: [Tag(1)]}, [99], "")
    assert filmed.add_marks({frame.id: []}, "") == ()
    assert rows(filmed) == []


def test_adding_films(filmed, tmp_path, bear, clip, write_video):
    assert filmed.add_film(clip) == filmed.film("clip")
    seen = []
    twin = tmp_path / "twin" / "clip.mp4"
    twin.parent.mkdir()
    write_video(twin, [np.full((32, 48, 3), 7, np.uint8)] * 3)
    with pytest.raises(ProjectError, match="Two films share the name 'clip'"):
        filmed.add_film(twin)
    film = filmed.add_film(twin, name="other", progress=lambda *a: seen.append(a))
    assert (film.name, film.count, seen) == ("other", 3, [(1, 1)])
    assert filmed.frame(film, 2).name == "other_000002"
    for name in ("", "..", "a/b", "a\\b", ".hidden", 'a"b'):
        with pytest.raises(FilmError, match="can't be called"):
            filmed.add_film(bear / "x.mp4", name=name)
    copy = shutil.copytree(bear, tmp_path / "slow")
    assert filmed.add_film(copy, frame_rate=2.5).frame_rate == 2.5
    assert filmed.open_film(filmed.film("slow")).times[2] == pytest.approx(0.8)
    with Project.open(filmed.path, write=False) as reader, pytest.raises(ProjectError, match="reading only"):
        reader.add_film(tmp_path / "images")


def test_no_two_things_have_one_name(filmed, tmp_path, clip, bear, frame_pixels):
    more = tmp_path / "more"
    more.mkdir()
    for name in ("clip_000007", "bear_00004"):
        Image.fromarray(frame_pixels(0)).save(more / f"{name}.png")
        with pytest.raises(ProjectError, match=f"picture '{name}' has the name of a frame"):
            filmed.add_pictures(more)
        (more / f"{name}.png").unlink()
    for name in ("clip_000008", "clip_7", "bear_4", "clip"):
        Image.fromarray(frame_pixels(0)).save(more / f"{name}.png")
    assert len(filmed.add_pictures(more)) == 4
    # A still first, then the film whose frame would have its name.
    long = more / "clip_000008.mp4"
    shutil.copy(clip, long)
    Image.fromarray(frame_pixels(0)).save(more / "walk_000001.png")
    filmed.add_pictures([more / "walk_000001.png"])
    with pytest.raises(
        ProjectError, match="picture 'walk_000001' has the name of a frame of the film 'walk'"
    ):
        filmed.add_film(long, name="walk")
    # Two films: a sequence's stem may read like the end of another film's name and one of its frames.
    odd = tmp_path / "a"
    odd.mkdir()
    for stem in ("b_000001", "b_000099"):
        Image.fromarray(frame_pixels(0)).save(odd / f"{stem}.png")
    filmed.add_film(odd)
    with pytest.raises(ProjectError, match="'a' and 'a_b' both have a frame 'a_b_000001'"):
        filmed.add_film(long, name="a_b")


def test_pictures_and_frames_are_found_by_name(filmed):
    bear, clip = filmed.film("bear"), filmed.film("clip")
    for word, frame in {
        "clip_000002": filmed.frame(clip, 2),
        "clip_000002.png": filmed.frame(clip, 2),
        "clip/000002.png": filmed.frame(clip, 2),
        "masks/clip/2.png": filmed.frame(clip, 2),
        "bear_00002": filmed.frame(bear, 2),
        "bear/00002": filmed.frame(bear, 2),
        "x\\bear\\00002.jpg": filmed.frame(bear, 2),
        "00002": filmed.frame(bear, 2),
        "00002.png": filmed.frame(bear, 2),
        "a": filmed.pictures[0],
        "a.png": filmed.pictures[0],
        "sub/c.png": filmed.pictures[2],
    }.items():
        assert filmed.picture(word) == frame, word
    assert rows(filmed) == []
    for word in ("clip_2", "clip_000008", "clip/000008", "clip", "bear/2", "bear/00005", "000002", "/clip"):
        with pytest.raises(ProjectError, match=r"has no picture.*3 films"):
            filmed.picture(word)


def test_a_stem_that_two_films_have_is_nobodys(filmed, tmp_path, bear):
    shutil.copytree(bear, tmp_path / "camel")
    (tmp_path / "camel/00004.png").rename(tmp_path / "camel/00009.png")
    filmed.add_film(tmp_path / "camel")
    with pytest.raises(ProjectError, match="'00001'"):
        filmed.picture("00001")
    assert filmed.picture("00009").name == "camel_00009"
    assert filmed.picture("camel/00001").name == "camel_00001"


def test_a_long_film_costs_no_more(filmed, monkeypatch):
    from spml_core.images import FrameNames, PictureNames

    read = []

    def stems():
        read.append(1)
        return tuple(f"{index:06d}" for index in range(100_000))

    long = FrameNames("long", (20, 30), 100_000, stems)
    video = FrameNames("video", (20, 30), 10**7)
    names = PictureNames({"a": (9, 9)}, (long, video))
    made = []
    monkeypatch.setattr(
        FrameNames, "name", lambda self, index, real=FrameNames.name: made.append(1) or real(self, index)
    )
    assert "a" in names
    assert names["video_9999999"] == (20, 30)
    assert read == []
    for index in range(0, 100_000, 997):
        assert names.find(f"long/{index:06d}") == f"long_{index:06d}"
        assert names.find(f"{index:06d}.png") == f"long_{index:06d}"
        assert names.find(f"video/{index}") == f"video_{index:06d}"
    assert len(read) == 1
    assert len(made) < 1000  # a few a word, however many frames there are
    assert len(names) == 10**7 + 100_001


MARK = """
import itertools, sys
from spml_core.annotations import Point
from spml_core.project import Project
with Project.open(sys.argv[1]) as project:
    film = project.film("bear")
    for i in itertools.count(int(sys.argv[2])):
        project.add_marks({project.frame(film, i % 5).id: [Point(1, 1, i % 17)]}, str(i))
        print(i, flush=True)
"""


def test_a_kill_leaves_no_frame_without_its_mark_and_no_mark_without_its_frame(filmed):
    path = filmed.path
    filmed.close()
    for start in (0, 1, 2, 1000):
        command = [sys.executable, "-c", MARK, str(path), str(start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            printed = [child.stdout.readline() for _ in range(1 if start < 1000 else 20)]
            child.kill()
            printed += child.stdout.readlines()
        with Project.open(path) as project:
            assert {line.strip() for line in printed if line.endswith("\n")} <= {
                e.note for e in project.history()
            }
            assert project._database.rows("PRAGMA foreign_key_check") == []
            assert tuple(record.frame for record in project.frames) == project.marked_frames(
                project.film("bear")
            )


def test_a_name_from_a_foreign_file_leads_to_no_other_folder(filmed):
    filmed._database.execute("UPDATE films SET name = '../../x' WHERE name = 'clip'")
    with pytest.raises(ProjectError, match="no name of a film"):
        filmed.refresh()
