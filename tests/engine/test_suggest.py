import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spml_core.annotations import Box, Erasure, Point, Scribble, Tag
from spml_core.engine.feature_store import FeatureStore
from spml_core.engine.suggest import Suggester
from spml_core.errors import MarkError, ProjectError

ROWS, COLUMNS = 64, 80


@pytest.fixture(scope="module")
def project(tmp_path_factory, picture_project):
    with picture_project(tmp_path_factory.mktemp("suggest"), 3) as made:
        other = made.picture("p1")
        made.add_marks({other.id: [Scribble(1, ((8.0, 8.0), (8.0, 30.0)), 3.0), Point(2, 40, 60)]}, "marks")
        yield made


@pytest.fixture(scope="module")
def suggester(project):
    return Suggester(project)


places = st.tuples(st.floats(-5, ROWS + 5), st.floats(-5, COLUMNS + 5))
paths = st.lists(places, min_size=1, max_size=3).map(tuple)
widths = st.floats(1, 12)
classes = st.integers(0, 2)
marks = st.one_of(
    st.builds(Scribble, classes, paths, widths),
    st.builds(Erasure, paths, widths),
    st.builds(
        lambda c, p: Point(c, *p), classes, st.tuples(st.floats(0, ROWS - 1), st.floats(0, COLUMNS - 1))
    ),
    st.builds(lambda c, p: Box(c, p[0], p[1], p[0] + 20, p[1] + 30), classes, places),
)
actions = st.lists(st.one_of(st.tuples(st.just("add"), marks), st.just(("undo", None))), max_size=8)


@given(actions)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_step_by_step_is_the_same_as_from_scratch(project, suggester, actions):
    record = suggester.show("p0")
    active = []
    while suggester.marks(record):
        suggester.undo()
    for what, mark in actions:
        if what == "add":
            labels = suggester.add(mark)
            active.append(mark)
        else:
            labels = suggester.undo()
            del active[-1:]
        assert suggester.marks(record) == tuple(active)
        assert np.array_equal(labels, suggester.suggest(record).labels)
    # Another one, that never saw the other marks and reads the features from the disk.
    fresh = Suggester(project)
    scratch = fresh.suggest(fresh.show("p0"), active)
    stepwise = suggester.suggest(record)
    assert np.array_equal(stepwise.labels, scratch.labels)
    assert np.array_equal(stepwise.uncertainty, scratch.uncertainty)
    assert stepwise.next_region == scratch.next_region


def test_marks_of_other_pictures_give_a_first_suggestion(project):
    suggester = Suggester(project)  # to the shared one marks were added
    found = suggester.suggest(suggester.show("p2"), [])
    assert set(np.unique(found.labels)) <= {1, 2}


def test_only_what_is_ready_takes_part_unless_waited_for(picture_project, tmp_path):
    with picture_project(tmp_path, 2) as project:
        record, other = project.pictures
        lines = [Scribble(c, ((8.0 * c, 8.0), (8.0 * c, 70.0)), 3.0) for c in (1, 2)]
        project.add_marks({other.id: lines}, "marks")
        suggester = Suggester(project)
        assert (suggester.suggest(record, wait=False).labels == 3).all()
        for _ in suggester.prepare(record):
            pass
        assert set(np.unique(suggester.suggest(record, wait=False).labels)) == {1, 2}


def test_it_can_be_stopped(suggester):
    assert suggester.suggest(suggester.show("p0"), [Point(0, 5, 5)], keep_going=lambda: False) is None


def test_a_mark_of_no_class_is_refused_and_not_kept(suggester):
    record = suggester.show("p2")
    before = suggester.marks(record)
    with pytest.raises(MarkError, match="class index 7"):
        suggester.add(Point(7, 3, 3))
    assert suggester.marks(record) == before


def test_a_picture_has_to_be_shown_first(project):
    with pytest.raises(ProjectError, match="show"):
        Suggester(project).add(Point(0, 1, 1))


def test_a_class_that_is_deleted_meanwhile(picture_project, tmp_path):
    with picture_project(tmp_path, 2) as project:
        record = project.picture("p0")
        drawn = [Scribble(c, ((8.0 + 20 * c, 8.0), (8.0 + 20 * c, 70.0)), 3.0) for c in range(3)]
        project.add_marks({record.id: drawn}, "marks")
        suggester = Suggester(project)
        assert set(np.unique(suggester.suggest(record).labels)) == {0, 1, 2}
        project.delete_class(1)
        found = suggester.suggest(record)
        assert set(np.unique(found.labels)) == {0, 1}
        with pytest.raises(MarkError, match="class index 2"):
            suggester.suggest(record, drawn)


def test_a_picture_that_is_gone_is_an_error_with_its_path(picture_project, tmp_path):
    with picture_project(tmp_path, 1) as project:
        record = project.picture("p0")
        record.path.unlink()
        with pytest.raises(ProjectError, match=r"p0\.png"):
            Suggester(project).suggest(record)


def test_regions_are_nested_cuts_of_full_size(suggester, project):
    record = project.picture("p0")
    coarse, fine = suggester.regions(record, 5), suggester.regions(record, 40)
    assert coarse.shape == (ROWS, COLUMNS)
    assert coarse.max() + 1 <= 5 < fine.max() + 1 <= 40
    for region in range(fine.max() + 1):
        assert len(np.unique(coarse[fine == region])) == 1


def test_pictures_are_ranked_one_by_one_and_it_can_be_stopped(project):
    suggester = Suggester(project)  # to the shared one marks were added
    seen = list(suggester.rank_pictures())
    assert [step.done for step in seen] == [1, 2, 3]
    assert {step.name for step in seen} == {"p0", "p1", "p2"}
    assert seen[-1].best[-1] == "p1"  # the one with marks
    answers = iter([True, False])
    assert len(list(suggester.rank_pictures(lambda: next(answers, False)))) <= 1


def test_the_current_model_takes_part(picture_project, untrained_run, tmp_path):
    with picture_project(tmp_path, 2) as project:
        record = project.picture("p0")
        assert (Suggester(project).suggest(record).labels == 3).all()
        untrained_run(project)
        with_model = Suggester(project).suggest(record).labels
        assert set(np.unique(with_model)) <= {0, 1, 2}
        assert (Suggester(project, use_model=False).suggest(record).labels == 3).all()


def test_memory_and_disk_are_bounded(picture_project, tmp_path):
    with picture_project(tmp_path, 3) as project:
        size = FeatureStore(project).get(project.picture("p0")).nbytes
        one_file = next((project.cache_folder / "suggest").glob("*.npz")).stat().st_size
        store = FeatureStore(
            project, memory_bytes=2 * size + size // 2, disk_bytes=2 * one_file + one_file // 2
        )
        for record in project.pictures:
            store.get(record)
        assert len(list((project.cache_folder / "suggest").glob("*.npz"))) <= 2
        assert store._memory.size <= store._memory.limit


def test_a_damaged_or_missing_cache_only_costs_time(picture_project, tmp_path):
    with picture_project(tmp_path, 1) as project:
        record = project.picture("p0")
        first = FeatureStore(project).get(record)
        file = next((project.cache_folder / "suggest").glob("*.npz"))
        again = FeatureStore(project).get(record)
        file.write_bytes(file.read_bytes()[:1000])
        damaged = FeatureStore(project).get(record)
        file.unlink()
        file.parent.rmdir()
        file.parent.write_text("a file where the folder should be")
        blocked = FeatureStore(project).get(record)
        for other in (again, damaged, blocked):
            assert np.array_equal(first.features, other.features)
            assert np.array_equal(first.spread, other.spread)
            assert np.array_equal(first.regions, other.regions)


def test_another_file_has_other_features(picture_project, tmp_path):
    from PIL import Image

    with picture_project(tmp_path, 2) as project:
        record, other = project.pictures
        store = FeatureStore(project)
        first = store.get(record)
        Image.open(other.path).save(record.path)
        assert not np.array_equal(first.features, store.get(record).features)


def test_a_class_marked_in_other_pictures_alone_is_not_painted_here(tmp_path, picture_project):
    with picture_project(tmp_path, 3) as made:
        made.add_marks({made.picture("p1").id: [Scribble(1, ((8.0, 8.0), (8.0, 30.0)), 3.0)]}, "marks")
        suggester = Suggester(made)
        nothing = len(made.classes)
        assert (suggester.suggest(made.picture("p0")).labels == nothing).all()
        assert (suggester.suggest(made.picture("p1")).labels == 1).any()


def test_the_command_says_nothing_where_nothing_can_be_said(tmp_path, picture_project, monkeypatch):
    from typer.testing import CliRunner

    from spml_core.cli.main import app
    from spml_core.io import read_index_png

    with picture_project(tmp_path, 3) as made:
        path = made.path
        made.add_marks({made.picture("p1").id: [Scribble(1, ((8.0, 8.0), (8.0, 30.0)), 3.0)]}, "marks")
    done = CliRunner().invoke(app, ["suggest", str(path), "p0", "--out", str(tmp_path / "s.png")])
    assert done.exit_code == 0, done.output
    assert not np.isin(read_index_png(tmp_path / "s.png"), [0, 1, 2]).any()


def test_a_complete_list_of_tags_holds_in_suggestions(tmp_path, picture_project):
    with picture_project(tmp_path, 3) as made:
        strokes = [Scribble(c, ((8.0 + 20 * c, 8.0), (8.0 + 20 * c, 60.0)), 5.0) for c in range(3)]
        made.add_marks({made.picture("p1").id: strokes}, "marks")
        assert 2 in Suggester(made).suggest(made.picture("p0")).labels
        made.add_marks({made.picture("p0").id: [Tag(1, complete=True)]}, "all there is")
        assert 2 not in Suggester(made).suggest(made.picture("p0")).labels


def test_marks_of_a_picture_whose_file_was_replaced_teach_nothing(tmp_path, picture_project):
    with picture_project(tmp_path, 3) as made:
        strokes = [Scribble(c, ((8.0 + 20 * c, 8.0), (8.0 + 20 * c, 60.0)), 5.0) for c in range(3)]
        made.add_marks({made.picture("p1").id: strokes}, "marks")
        record, marked = made.picture("p0"), made.picture("p1")
        nothing = len(made.classes)
        assert (Suggester(made).suggest(record).labels != nothing).any()
        kept = marked.path.read_bytes()
        marked.path.write_bytes(made.picture("p2").path.read_bytes())
        assert (Suggester(made).suggest(record).labels == nothing).all()
        marked.path.write_bytes(kept)
        assert (Suggester(made).suggest(record).labels != nothing).any()
        marked.path.write_bytes(made.picture("p2").path.read_bytes())
        made.accept_replaced()
        assert (Suggester(made).suggest(made.picture("p0")).labels != nothing).any()


def test_a_marked_picture_that_is_gone_keeps_no_other_from_being_suggested(tmp_path, picture_project):
    with picture_project(tmp_path, 3) as made:
        made.add_marks({made.picture("p1").id: [Point(1, 8, 8)]}, "marks")
        made.picture("p1").path.unlink()
        suggester = Suggester(made)
        assert len(list(suggester.prepare(made.picture("p0")))) > 1


def test_the_command_tells_of_a_marked_picture_whose_file_was_replaced(tmp_path, picture_project):
    from typer.testing import CliRunner

    from spml_core.cli.main import app

    with picture_project(tmp_path, 2) as made:
        made.add_marks({made.picture("p0").id: [Point(1, 8, 8), Point(2, 40, 60)]}, "marks")
        path, file = made.path, made.picture("p0").path
        words = ["suggest", str(path), "p0", "--out", str(tmp_path / "s.png")]
        before = CliRunner().invoke(app, words)
        file.write_bytes(made.picture("p1").path.read_bytes())
    after = CliRunner().invoke(app, words)
    assert (before.exit_code, before.stderr) == (0, "")
    assert after.exit_code == 0 and "no longer the one that was marked" in after.stderr
    assert "spml relink PROJECT DIR" in after.stderr


def test_a_picture_of_which_nothing_is_known_comes_first(picture_project, tmp_path):
    """One class is marked: of no other picture can be said where it is, so none is certain."""
    with picture_project(tmp_path, 3) as project:
        first, second, third = project.pictures
        project.add_marks({first.id: [Scribble(1, ((8.0, 8.0), (8.0, 30.0)), 3.0)]}, "one class")
        suggester = Suggester(project)
        assert (suggester.suggest(second).labels == 3).all()
        # Of the third it is known that it is all background.
        project.add_marks({third.id: [Tag(0)]}, "nothing is there")
        suggester = Suggester(project)
        assert (suggester.suggest(third).labels == 0).all()
        assert suggester._summary(second, lambda: True).uncertainty == 1
        assert suggester._summary(third, lambda: True).uncertainty == 0
        assert list(suggester.rank_pictures())[-1].best[0] == second.name


def test_a_complete_list_of_tags_is_kept_to(picture_project, untrained_run, tmp_path):
    with picture_project(tmp_path, 2) as project:
        record, other = project.pictures
        lines = [Scribble(c, ((8.0 + 20 * c, 8.0), (8.0 + 20 * c, 70.0)), 3.0) for c in range(3)]
        project.add_marks({other.id: lines}, "marks")
        untrained_run(project)
        assert 2 in Suggester(project).suggest(record).labels
        project.add_marks({record.id: [Tag(1)]}, "all that is there")
        assert set(np.unique(Suggester(project).suggest(record).labels)) <= {0, 1}
        project.add_marks({record.id: [Tag(2, complete=False)]}, "not all")
        assert 2 in Suggester(project).suggest(record).labels
