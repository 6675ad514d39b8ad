"""A project may come from anyone: what opens it writes, deletes and copies nothing outside of it, and never hangs."""

import os
import sqlite3
import time

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point, Tag
from spml_core.engine.export import ExportOptions, export_project
from spml_core.engine.film_results import FilmResults
from spml_core.engine.predictions import PictureSummary, PredictionStore
from spml_core.errors import PictureError, ProjectError, SpmlError
from spml_core.io.own_files import open_to_append, own_folder
from spml_core.paper.run_folder import RunFolder
from spml_core.project import Project
from spml_core.project.lock import WriterLock
from spml_core.spelling import is_file_part

unix = pytest.mark.skipif(os.name == "nt", reason="Windows lets few users make links")


@pytest.fixture
def closed(project):
    """Path of a project with a mark and a run, closed."""
    project.add_marks({1: [Point(1, 3, 3)]}, "")
    project.new_run({"preset": "quick"}).append_metrics({"step": 1})
    project.close()
    return project.path


def change(path, *statements):
    """Do what a hostile program would."""
    connection = sqlite3.connect(path / "project.sqlite", isolation_level=None)
    try:
        for statement in statements:
            connection.execute(*((statement,) if isinstance(statement, str) else statement))
    finally:
        connection.close()


def refused(path, match="", seconds=10):
    """Opening fails, in one line of our family, for reading and for writing, and soon."""
    for write in (False, True):
        start = time.monotonic()
        with pytest.raises(ProjectError, match=match) as error:
            Project.open(path, write)
        assert time.monotonic() - start < seconds
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["../../x", "/tmp/x", "a/b", "a\\b", "..", ".", "", "a\0b", "a\nb", "a\x1b[2Jb", "C:\\x"]
)
@pytest.mark.parametrize("table", ["pictures", "films"])
def test_names_lead_nowhere(closed, name, table):
    if table == "films":
        change(
            closed,
            (
                "INSERT INTO films (name, path, content_hash, stamp, kind, count, height, width)"
                " VALUES (?, 'x.mp4', '', '', 'video', 3, 20, 20)",
                (name,),
            ),
        )
    else:
        change(closed, ("UPDATE pictures SET name = ? WHERE id = 1", (name,)))
    refused(closed, "is damaged: .* is no name of a (picture|film)")


@pytest.mark.parametrize("column", ["name", "path"])
def test_names_of_frames_lead_nowhere(project, bear, column):
    project.add_film(bear)
    film = project.film("bear")
    frame = project.frame(film, 2)
    project.add_marks({frame.id: [Tag(1)]}, "")
    project.close()
    change(project.path, f"UPDATE pictures SET {column} = '../../../x' WHERE film IS NOT NULL")
    refused(project.path, "is no (name of a )?frame")


def test_names_that_are_none_are_refused_when_they_are_added(tmp_path, project):
    if os.name == "nt":
        pytest.skip("there are no such names")
    bad = tmp_path / "more" / "a\\b.png"
    bad.parent.mkdir()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(bad)
    with pytest.raises(PictureError, match=r"can't name results.*Rename"):
        project.add_pictures(bad.parent)


def test_names_of_files():
    assert all(map(is_file_part, ["a", ".a", "a.b", "12:30", "con", "ä ö", "a b", "..a", "x" * 200]))
    assert not any(map(is_file_part, ["", ".", "..", "a/b", "/a", "a\\b", "\\\\host\\x", "\0", "a\r"]))


def test_names_of_files_on_windows(monkeypatch):
    monkeypatch.setattr("spml_core.spelling.os.name", "nt")
    assert not any(map(is_file_part, ["C:x", "con", "NUL.x", "com1", "a?", "a*b", "a|b"]))
    assert all(map(is_file_part, ["a", "console", "com", "ä.b"]))


# Links --------------------------------------------------------------------------------------------------


@unix
@pytest.mark.parametrize(
    "place",
    [
        "lock",
        "lock.pid",
        "project.sqlite",
        "project.sqlite-wal",
        "project.sqlite-shm",
        "project.sqlite-journal",
        "runs",
        "runs/run-0001",
        "predictions",
        "predictions/run-0001",
        "predictions/films",
        "cache",
        "films",
    ],
)
def test_links_in_a_project(closed, tmp_path, place):
    link = closed / place
    outside = tmp_path / "outside"
    if link.exists() and link.is_file():
        outside.write_bytes(link.read_bytes())
        link.unlink()
    elif link.suffix or "lock" in place:
        outside.write_bytes(b"private")
    else:
        outside.mkdir()
        (outside / "mine.png").write_bytes(b"mine")
        if link.exists():
            link.rename(tmp_path / "away")
    link.symlink_to(outside)
    before = outside.read_bytes() if outside.is_file() else sorted(outside.iterdir())
    refused(closed, f"{link} is a link to {outside}")
    assert link.is_symlink()
    assert (outside.read_bytes() if outside.is_file() else sorted(outside.iterdir())) == before


@unix
def test_a_pipe_in_a_project(closed):
    for name in ("lock.pid", "lock"):
        (closed / name).unlink(missing_ok=True)
        os.mkfifo(closed / name)
        refused(closed, "is no plain file")
        (closed / name).unlink()
    (closed / "predictions").rename(closed / "old")
    os.mkfifo(closed / "predictions")
    refused(closed, "is no plain folder")


@unix
def test_metrics_are_not_written_through_a_link(closed, tmp_path):
    private = tmp_path / "private"
    private.write_text("mine")
    with Project.open(closed) as project:
        run = project.run("run-0001")
        metrics = run.folder / "metrics.jsonl"
        metrics.unlink()
        metrics.symlink_to(private)
        with pytest.raises(ProjectError, match="is a link"):
            run.append_metrics({"step": 2})
        metrics.unlink()
        os.mkfifo(metrics)
        assert run.metrics() == []
        with pytest.raises(SpmlError):
            run.append_metrics({"step": 2})
        (run.folder / "config.json").unlink()
        os.mkfifo(run.folder / "config.json")
        with pytest.raises(ProjectError, match="can't be read"):
            _ = run.config
    assert private.read_text() == "mine"


@unix
def test_predictions_go_through_no_link(closed, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(b"mine")
    summary = PictureSummary(0.5, (0.0,), (1.0, 0.0, 0.0))
    with Project.open(closed) as project:
        run, store = project.run("run-0001"), PredictionStore(project)
        folder = project.predictions_folder / run.id
        folder.symlink_to(outside)
        with pytest.raises(ProjectError, match="is a link"):
            store.begin(run, "model")
        folder.unlink()
        store.begin(run, "model")
        (folder / "summary.jsonl").symlink_to(outside / "a.png")
        with pytest.raises(ProjectError, match="is a link"):
            store.store(run, "b", np.zeros((20, 30), np.uint8), summary, ("x", "y", "z"))
    assert (outside / "a.png").read_bytes() == b"mine"
    assert [path.name for path in outside.iterdir()] == ["a.png"]


@unix
def test_film_results_go_through_no_link(project, bear, tmp_path):
    project.add_film(bear)
    outside = tmp_path / "outside"
    (outside / "labels").mkdir(parents=True)
    (outside / "labels" / "000001.png").write_bytes(b"mine")
    place = project.film_folder(project.film("bear"))
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    with (
        FilmResults.of(project, project.film("bear")) as results,
        pytest.raises(ProjectError, match="is a link"),
    ):
        results.forget([1])
    place.unlink()
    place.mkdir()
    (place / "results.sqlite").symlink_to(outside / "x.sqlite")
    (outside / "x.sqlite").write_bytes(b"")
    with FilmResults.of(project, project.film("bear")) as results, pytest.raises(ProjectError, match="link"):
        results.confidences()
    assert (outside / "labels" / "000001.png").read_bytes() == b"mine"


@unix
def test_folders_and_files_deeper_inside(closed, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (closed / "cache" / "flow").symlink_to(outside)
    for place in (closed / "cache" / "flow", closed / "cache" / "flow" / "deep"):
        with pytest.raises(ProjectError, match="is a link"):
            own_folder(place)
    with pytest.raises(ProjectError, match="is a link"), open_to_append(closed / "cache" / "flow" / "x"):
        pass
    (closed / "runs" / "run-0001" / "embedding").symlink_to(outside)
    with (
        RunFolder(closed / "runs" / "run-0001", {}) as run,
        pytest.raises(ProjectError, match="is a link"),
    ):
        run.stage("embedding")
    assert list(outside.iterdir()) == []
    # Outside of a project people may have links as they like.
    assert own_folder(
        tmp_path / "link" if (tmp_path / "link").symlink_to(outside) else tmp_path / "link" / "x"
    )


@unix
def test_locks_of_leftovers_are_no_links(tmp_path):
    (tmp_path / "private").write_text("mine")
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "lock").symlink_to(tmp_path / "private")
    with pytest.raises(ProjectError, match="is a link"):
        WriterLock(tmp_path / "left")
    assert (tmp_path / "private").read_text() == "mine"


@unix
def test_a_project_that_is_reached_by_a_link_opens(closed, tmp_path):
    (tmp_path / "link.spml").symlink_to(closed)
    with Project.open(tmp_path / "link.spml") as project:
        project.add_marks({1: [Tag(1)]}, "")
        project.new_run({}).append_metrics({"step": 1})


# Files of others ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["coco", "yolo-seg"])
def test_an_export_copies_pictures_only(closed, tmp_path, format):
    private = tmp_path / "id_rsa"
    private.write_text("-----BEGIN PRIVATE KEY-----" + "x" * 300)
    change(closed, ("UPDATE pictures SET path = ? WHERE id = 1", (str(private),)))
    with Project.open(closed) as project, pytest.raises(PictureError, match="id_rsa"):
        labels = lambda record: np.zeros((record.height, record.width), np.uint8)  # noqa: E731
        list(
            export_project(
                project, tmp_path / "out", format, labels_of=labels, options=ExportOptions(copy_images=True)
            )
        )
    assert not [path for path in (tmp_path / "out").rglob("*") if b"PRIVATE" in _content(path)]


def _content(path):
    return path.read_bytes() if path.is_file() else b""


# The database -------------------------------------------------------------------------------------------

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"


def without_checks(statement):
    """A statement on a table whose checks are gone, as a hostile program would write it."""
    return ("PRAGMA ignore_check_constraints = ON", statement)


@pytest.mark.parametrize(
    "statements",
    [
        [
            "DROP TABLE marks",
            f"CREATE VIEW marks AS SELECT x AS id, 1 AS picture, '' AS payload, 1 AS active, '' AS accepted"
            f" FROM ({ENDLESS})",
        ],
        [
            "DROP TABLE pictures",
            f"CREATE VIEW pictures AS SELECT x AS id, 'a' || x AS name, '' AS path, '' AS content_hash, 9 AS height,"
            f" 9 AS width, NULL AS film, NULL AS frame FROM ({ENDLESS})",
        ],
        ["DROP TABLE meta", f"CREATE VIEW meta AS SELECT x AS key, '' AS value FROM ({ENDLESS})"],
        [f"CREATE VIEW other AS {ENDLESS}"],
        ["CREATE TRIGGER t AFTER INSERT ON marks BEGIN DELETE FROM marks; END"],
        [
            "DROP TRIGGER events_keep",
            "CREATE TRIGGER events_keep BEFORE DELETE ON events BEGIN DELETE FROM marks; END",
        ],
        ["ALTER TABLE marks ADD COLUMN more AS (length(payload)) VIRTUAL"],
        ["ALTER TABLE pictures ADD COLUMN more AS (zeroblob(1000000000)) VIRTUAL"],
        ["DROP TABLE runs", "CREATE VIRTUAL TABLE runs USING fts5(number, id, created, state)"],
        ["DROP TABLE runs"],
        ["ALTER TABLE runs RENAME COLUMN state TO other"],
    ],
)
def test_what_no_project_has_is_refused(closed, statements):
    try:
        change(closed, "PRAGMA foreign_keys = OFF", *statements)
    except sqlite3.OperationalError as error:
        if "no such module" not in str(error):
            raise
        pytest.skip("this SQLite has no such tables")
    refused(closed, "which no project has|isn't that of a project|is damaged")


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE pictures SET path = x'2e2e2f61'"],
        ["UPDATE pictures SET name = x'ff00' WHERE id = 1"],
        ["UPDATE pictures SET height = x'41' WHERE id = 1"],
        ["UPDATE pictures SET width = 'wide' WHERE id = 1"],
        ["UPDATE pictures SET height = 1.5 WHERE id = 1"],
        ["UPDATE pictures SET height = 100000, width = 100000 WHERE id = 1"],
        ["UPDATE pictures SET height = -3 WHERE id = 1"],
        ["UPDATE pictures SET path = 'a' || char(0) || 'b' WHERE id = 1"],
        ["UPDATE pictures SET name = replace(hex(zeroblob(100000)), '00', 'ab') WHERE id = 1"],
        ["UPDATE classes SET name = x'00' WHERE id = 1"],
        ["UPDATE classes SET position = 'x' WHERE id = 1"],
        ["UPDATE classes SET merged_into = x'01'"],
        ["UPDATE classes SET position = NULL"],
        ["UPDATE runs SET id = x'00'"],
        ["UPDATE meta SET value = x'ff'"],
        [
            "INSERT INTO films VALUES (1, 'f', 'f.mp4', '', '', 'video', 1000000000000, 20, 20, 25.0)",
        ],
        ["INSERT INTO films VALUES (1, 'f', 'f.mp4', '', '', 'video', 10, 20, 20, 9e999)"],
        ["INSERT INTO films VALUES (1, 'f', 'f.mp4', x'00', '', 'video', 10, 20, 20, 25.0)"],
        [
            "INSERT INTO films VALUES (1, 'f', 'f.mp4', '', '', 'video', 10, 20, 20, 25.0)",
            "INSERT INTO pictures VALUES (-1, 'f_1', '', '', 20, 20, 7, 0)",
        ],
    ],
)
def test_values_that_nobody_wrote_are_refused(closed, statements):
    change(closed, "PRAGMA ignore_check_constraints = ON", "PRAGMA foreign_keys = OFF", *statements)
    refused(closed, "damaged")


def test_a_million_classes(closed):
    rows = (
        f"WITH RECURSIVE n(x) AS (SELECT 10 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000)"
        f" INSERT INTO classes SELECT x, {'{}'}, 'c' || x, 0, 0, 0, {'{}'} FROM n"
    )
    change(closed, rows.format("x", "NULL"))
    refused(closed, "classes")
    change(closed, "UPDATE classes SET position = NULL, merged_into = id + 1 WHERE id > 9")
    refused(closed, "classes")


def test_a_chain_of_merged_classes_is_followed_quickly(closed):
    change(
        closed,
        "PRAGMA foreign_keys = OFF",
        "WITH RECURSIVE n(x) AS (SELECT 10 UNION ALL SELECT x + 1 FROM n WHERE x < 9000)"
        " INSERT INTO classes SELECT x, NULL, 'c' || x, 0, 0, 0, x + 1 FROM n",
    )
    start = time.monotonic()
    with Project.open(closed) as project:
        assert len(project.classes) == 3
    change(closed, "UPDATE classes SET merged_into = 1 WHERE id = 9000")
    with Project.open(closed) as project:
        assert project.codes_of([10])[0] == 0
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("payload", ["x'00'", "zeroblob(600000000)", "'{'", "'[]'", "NULL"])
def test_marks_that_nobody_made(closed, payload):
    statement = f"UPDATE marks SET payload = {payload}"
    if payload == "NULL":
        statement = "UPDATE mark_classes SET rank = x'00', class = 'x'"
    change(closed, "PRAGMA foreign_keys = OFF", statement)
    with Project.open(closed, write=False) as project:
        try:
            project.marks(1)
        except SpmlError as error:
            assert "damaged" in str(error) or "big" in str(error)


def test_results_of_films_are_checked_too(project, stack):
    project.add_film(stack)
    film = project.film("stack")
    folder = project.film_folder(film)
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "results.sqlite", isolation_level=None)
    connection.execute(f"CREATE VIEW frames AS {ENDLESS}")
    connection.execute("CREATE TABLE class_lists (id INTEGER PRIMARY KEY, ids TEXT NOT NULL UNIQUE)")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    with FilmResults.of(project, film) as results, pytest.raises(ProjectError, match="view 'frames'"):
        results.confidences()


# Files of a run -----------------------------------------------------------------------------------------


def test_config_and_facts_that_nobody_wrote(closed):
    with Project.open(closed, write=False) as project:
        run = project.run("run-0001")
        for text in (
            "[" * 200_000,
            '{"a":' * 100_000,
            "[]",
            "nothing",
            "\ud800".encode("utf-8", "surrogatepass"),
        ):
            content = text if isinstance(text, bytes) else text.encode()
            (run.folder / "config.json").write_bytes(content)
            (run.folder / "facts.json").write_bytes(content)
            with pytest.raises(ProjectError, match=r"config\.json"):
                _ = run.config
            assert run.facts is None
        with (run.folder / "config.json").open("wb") as file:
            file.truncate(5 << 30)
        with pytest.raises(ProjectError, match="bytes"):
            _ = run.config


def test_metrics_of_gigabytes(closed):
    with Project.open(closed) as project:
        run = project.run("run-0001")
        metrics = run.folder / "metrics.jsonl"
        with metrics.open("r+b") as file:
            file.truncate(6 << 30)
            file.seek(0, 2)
            file.write(b'\n{"event": "finished", "seconds": 3, "held_back_score": 0.5}\n{"torn')
        start = time.monotonic()
        assert run.finished_metrics.seconds == 3
        assert run.metrics()[-1]["event"] == "finished"
        run.append_metrics({"step": 3})
        assert run.metrics()[-1] == {"step": 3}
        assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "line",
    ['{"event": "finished"}', '{"event": "finished", "seconds": "x"}', '["finished"]', '"finished"', "{"],
)
def test_metrics_that_nobody_wrote(closed, line):
    with Project.open(closed, write=False) as project:
        run = project.run("run-0001")
        (run.folder / "metrics.jsonl").write_text(f'{{"event": "finished", "seconds": 2}}\n{line}\n')
        assert run.finished_metrics.seconds == 2
