import json
import shutil

import pytest

from spml_napari.recent import RecentProjects


@pytest.fixture
def recent(tmp_path):
    return RecentProjects(tmp_path / "recent.json")


def test_the_newest_comes_first_and_once(recent, small_project, tmp_path):
    recent.remember(small_project)
    (first,) = recent.entries()
    assert (first.path, first.name, first.pictures) == (small_project.path, "small", 3)
    assert first.first.path == small_project.pictures[0].path
    assert first.is_there()
    twin = json.loads((tmp_path / "recent.json").read_text())[0] | {"path": str(tmp_path / "other.spml")}
    (tmp_path / "recent.json").write_text(
        json.dumps([twin, *json.loads((tmp_path / "recent.json").read_text())])
    )
    assert [entry.name for entry in recent.entries()] == ["other", "small"]
    recent.remember(small_project)
    assert [entry.name for entry in recent.entries()] == ["small", "other"]
    assert [entry.name for entry in recent.entries(1)] == ["small"]
    assert not recent.entries()[1].is_there()


def test_a_forgotten_project_keeps_its_files(recent, small_project):
    recent.remember(small_project)
    recent.forget(small_project.path)
    assert recent.entries() == ()
    assert (small_project.path / "project.sqlite").is_file()


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "null", "7", '[1, null, "a"]', '[{"path": "relative", "pictures": 1}]',
        '[{"path": "/x", "pictures": "many"}]', '{"path": "/x", "pictures": 1}',
    ],
)  # fmt: skip
def test_a_damaged_list_is_an_empty_one_and_is_mended(recent, small_project, tmp_path, content):
    (tmp_path / "recent.json").write_text(content)
    assert recent.entries() == ()
    recent.remember(small_project)
    assert len(recent.entries()) == 1


def test_a_thumbnail_of_a_strange_name_is_not_looked_for(recent, tmp_path):
    """The hash becomes part of a path."""
    row = {"path": str(tmp_path / "a.spml"), "pictures": 2}
    row["first"] = {"path": str(tmp_path / "a.png"), "content_hash": "../../etc"}
    (tmp_path / "recent.json").write_text(json.dumps([row]))
    (entry,) = recent.entries()
    assert entry.first is None


def test_a_list_that_cannot_be_written_stops_nobody(small_project, tmp_path):
    recent = RecentProjects(tmp_path / "nowhere" / "recent.json")
    recent.remember(small_project)
    recent.forget(small_project.path)
    assert recent.entries() == ()


def test_many_projects_push_the_oldest_out(recent, small_project, tmp_path):
    rows = [{"path": str(tmp_path / f"{i}.spml"), "pictures": i} for i in range(60)]
    (tmp_path / "recent.json").write_text(json.dumps(rows))
    recent.remember(small_project)
    entries = recent.entries()
    assert len(entries) == 50
    assert entries[0].path == small_project.path
    shutil.rmtree(small_project.path / "cache")
