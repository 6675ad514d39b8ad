"""Links are called as their user called them: pictures, films, frames and projects."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.errors import PictureError
from spml_core.images import place_of
from spml_core.project import Project


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    return path


def link(place, target):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    return place


def names(records):
    return [record.name for record in records]


def test_a_picture_has_the_name_of_the_link(tmp_path, classes):
    target = picture(tmp_path / "store" / "9f8e7d6c")
    place = link(tmp_path / "imgs" / "cell_01.png", target)
    with Project.create(tmp_path / "p.spml", tmp_path / "imgs", classes) as project:
        (record,) = project.pictures
        assert (record.name, record.path) == ("cell_01", place)
        assert project.open_picture(record).rgb().shape == (20, 30, 3)
        assert project.add_pictures(tmp_path / "imgs") == ()


def test_links_to_one_picture_and_to_pictures_of_one_stem(tmp_path, classes):
    one, other = picture(tmp_path / "x" / "s.png", 1), picture(tmp_path / "y" / "s.png", 2)
    wanted = {"a": one, "b": one, "c": other}
    for name, target in wanted.items():
        link(tmp_path / "imgs" / f"{name}.png", target)
    with Project.create(tmp_path / "p.spml", tmp_path / "imgs", classes) as project:
        assert {record.name: record.path.resolve() for record in project.pictures} == wanted
    with Project.create(tmp_path / "q.spml", sorted((tmp_path / "imgs").iterdir()), classes) as project:
        assert names(project.pictures) == ["a", "b", "c"]


def test_a_link_beside_its_target_and_added_later(tmp_path, classes):
    target = picture(tmp_path / "imgs" / "t.png")
    link(tmp_path / "imgs" / "a.png", "t.png")
    with Project.create(tmp_path / "p.spml", tmp_path / "imgs", classes) as project:
        assert names(project.pictures) == ["a", "t"]
        assert names(project.add_pictures([link(tmp_path / "more" / "z.png", target)])) == ["z"]


def test_two_links_of_one_stem_are_refused_with_both_places(tmp_path, classes):
    target = picture(tmp_path / "store" / "t.png")
    for place in ("imgs/x/a.png", "imgs/y/a.png"):
        link(tmp_path / place, target)
    with pytest.raises(PictureError, match=r"share the name 'a': .*x/a\.png and .*y/a\.png"):
        Project.create(tmp_path / "p.spml", tmp_path / "imgs", classes)


def test_films_and_frames_have_the_names_of_their_links(tmp_path, classes):
    pages = np.random.default_rng(0).integers(0, 256, (3, 20, 28, 3), dtype=np.uint8)
    (tmp_path / "store").mkdir()
    tifffile.imwrite(tmp_path / "store" / "7a7a.tif", pages, photometric="rgb", metadata={"axes": "TYXS"})
    stack = link(tmp_path / "films" / "walk.tif", tmp_path / "store" / "7a7a.tif")
    for number in range(3):
        picture(tmp_path / "store" / f"{number}aa.png", number)
        link(tmp_path / "store" / "folder" / f"f{number}.png", tmp_path / "store" / f"{number}aa.png")
    folder = link(tmp_path / "films" / "run", tmp_path / "store" / "folder")
    with Project.create(tmp_path / "p.spml", [], classes, films=[stack, folder]) as project:
        assert names(project.films) == ["run", "walk"]
        assert [project.frame(project.film("run"), index).name for index in range(3)] == [
            "run_f0",
            "run_f1",
            "run_f2",
        ]
        assert project.picture("run/f2.png").frame == 2
        assert project.film(stack) == project.film("walk") == project.add_film(stack)
        assert project.open_picture(project.picture("run_f1")).rgb().shape == (20, 30, 3)


def test_a_project_that_is_a_link_finds_its_pictures(tmp_path, project):
    place = link(tmp_path / "elsewhere" / "study.spml", project.path)
    project.close()
    with Project.open(place) as opened:
        assert opened.path == place
        record = opened.pictures[0]
        assert opened.open_picture(record).size == (record.height, record.width)
        opened.add_pictures([picture(tmp_path / "more" / "new.png")])
    with Project.open(project.path) as opened:
        assert opened.open_picture(opened.picture("new")).size == (20, 30)


def test_relinked_pictures_keep_to_links_of_their_name(tmp_path, classes):
    place = link(tmp_path / "imgs" / "cell.png", picture(tmp_path / "store" / "77.png"))
    with Project.create(tmp_path / "p.spml", tmp_path / "imgs", classes) as project:
        place.rename(place.with_name("kern.png"))
        assert project.relink(tmp_path / "imgs") == 1
        assert (project.pictures[0].name, project.pictures[0].path.name) == ("cell", "kern.png")


def test_pictures_of_an_older_project_are_not_added_twice(tmp_path, classes):
    target = picture(tmp_path / "store" / "cell.png")
    place = link(tmp_path / "imgs" / "cell.png", target)
    with Project.create(tmp_path / "p.spml", [target], classes) as project:
        assert project.add_pictures([place]) == ()


def test_a_place_keeps_the_last_name_only(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    link(tmp_path / "way", "real")
    file = picture(tmp_path / "real" / "f.png")
    link(tmp_path / "real" / "g.png", "f.png")
    assert place_of(tmp_path / "way" / "g.png") == file.with_name("g.png")
    assert place_of(tmp_path / "way") == tmp_path / "way"
    monkeypatch.chdir(tmp_path / "real")
    assert place_of(".") == tmp_path / "real"
    assert place_of("..") == tmp_path
