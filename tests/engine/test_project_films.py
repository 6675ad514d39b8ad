"""Films in what the engine does with a project: training, predicting, suggesting, answering, importing, telling."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Box, KeyPoint, Patch, Point, Scribble, Tag
from spml_core.classes import ClassTable
from spml_core.config import TrainConfig
from spml_core.engine.background.answers import Answers
from spml_core.engine.background.messages import AskWhy, Prediction, Reasons
from spml_core.engine.background.messages import Predict as PredictQuestion
from spml_core.engine.export import export_project
from spml_core.engine.imports import import_marks
from spml_core.engine.info import describe
from spml_core.engine.predict_project import predict_project
from spml_core.engine.run_control import begin_run
from spml_core.engine.suggest import Suggester
from spml_core.engine.train_project import RunPictures, train_project, training_set_of
from spml_core.engine.training_pictures import FRAMES_OF_A_FILM, spaced_frames, training_pictures
from spml_core.errors import MarkError, ProjectError, StorageError
from spml_core.io import read_index_png
from spml_core.project import Project

CLASSES = ClassTable.from_names(["red", "blue"])
CONFIG = TrainConfig(
    steps=3,
    scales=(1.0,),
    embedding_dim=8,
    batch=2,
    samples=100,
    regions=(6, 20),
    device="cpu",
    max_seconds=600,
)


def pixels(seed):
    """Half red, half blue."""
    rgb = np.random.default_rng(seed).integers(0, 40, (48, 64, 3)).astype(np.uint8)
    rgb[:, :32, 0] += 180
    rgb[:, 32:, 2] += 180
    return rgb


def write_sequence(folder, count, digits=5):
    folder.mkdir(parents=True)
    for index in range(count):
        Image.fromarray(pixels(index)).save(folder / f"{index:0{digits}d}.png")
    return folder


@pytest.fixture
def project(tmp_path):
    """Two films, walk of 26 frames and bear of 4, and no still; two frames of walk are marked."""
    films = [write_sequence(tmp_path / "walk", 26), write_sequence(tmp_path / "bear", 4, 3)]
    with Project.create(tmp_path / "p.spml", (), CLASSES, films=films) as made:
        walk = made.film("walk")
        clicks = [Point(0, 20, 12), Point(1, 24, 50)]
        made.add_marks({made.frame(walk, index).id: clicks for index in (3, 7)}, "clicks")
        yield made


def test_a_project_of_films_alone_trains_and_predicts_its_marked_frames(project, tmp_path):
    list(train_project(project, CONFIG))
    run = project.current_run()
    assert run.state == "finished"
    assert (run.facts.marked_pictures, run.facts.pictures) == (2, 2)
    done = list(predict_project(project, tmp_path / "out"))
    assert [(p.name, p.done, p.total) for p in done] == [("walk_00003", 1, 2), ("walk_00007", 2, 2)]
    for predicted in done:
        labels = read_index_png(predicted.path)
        assert (labels[:, :28] == 0).all()
        assert (labels[:, 36:] == 1).all()
    project.undo()
    with pytest.raises(ProjectError, match="holds only films, and no frame is marked"):
        list(predict_project(project, tmp_path / "out"))


def test_unmarked_frames_take_part_evenly_spaced(project):
    walk, bear = project.film("walk"), project.film("bear")
    spaced = spaced_frames(walk)
    assert len(spaced) == len(set(spaced)) == FRAMES_OF_A_FILM
    assert (spaced[0], spaced[-1]) == (0, 25)
    assert set(np.diff(spaced)) == {1, 2}
    assert spaced_frames(bear) == (0, 1, 2, 3)
    records = training_pictures(project)
    bears = [record.frame for record in records if record.film == bear.id]
    walks = [record.frame for record in records if record.film == walk.id]
    assert bears == [0, 1, 2, 3]
    assert walks == sorted({*spaced, 3, 7})
    training_set = training_set_of(project)
    assert [p.name for p in training_set.pictures] == [record.name for record in records]
    assert {p.name for p in training_set.marked} == {"walk_00003", "walk_00007"}
    np.testing.assert_array_equal(training_set.marked[0].rgb(), pixels(3))
    assert training_set.marked[0].labels()[20, 12] == 0
    # A frame stays once it was marked: who resumes finds what was there at the beginning.
    odd = next(index for index in range(26) if index not in spaced and index not in (3, 7))
    project.add_marks({project.frame(walk, odd).id: [Tag(1)]}, "")
    project.undo()
    assert odd in [record.frame for record in training_pictures(project) if record.film == walk.id]


def test_marks_on_a_new_frame_reach_a_training_that_runs(project):
    pictures = RunPictures(project)
    frame = project.frame(project.film("bear"), 2)
    assert pictures.changed([frame.id]) == []
    project.add_marks({frame.id: [Point(1, 5, 5)]}, "")
    (changed,) = pictures.changed([frame.id])
    assert changed.name == "bear_002"
    assert changed.labels()[5, 5] == 1


@pytest.mark.parametrize("begin", [begin_run, lambda p, c: list(train_project(p, c))])
def test_no_run_begins_without_its_films(project, tmp_path, begin):
    (tmp_path / "bear").rename(tmp_path / "elsewhere")
    with pytest.raises(ProjectError, match=r"film 'bear' isn't where it was.*Relink|'bear' isn't at"):
        begin(project, CONFIG)
    shutil.copytree(tmp_path / "walk", tmp_path / "bear")
    with pytest.raises(ProjectError, match=r"'bear' was replaced|26 pictures; the project knows it with 4"):
        begin(project, CONFIG)
    assert project.runs() == ()


def test_suggestions_for_a_frame_learn_from_the_nearest_marked_frames(project):
    suggester = Suggester(project, "cpu")
    shown = suggester.show("walk/00006")
    assert (shown.name, project.frames) == ("walk_00006", project.marked_pictures())
    assert [other.frame for other in suggester._others(shown)] == [7, 3]
    # Nothing of its own is marked: the others' marks decide.
    labels = suggester.suggest(shown).labels
    assert (labels[:, :28] == 0).mean() > 0.9
    assert (labels[:, 36:] == 1).mean() > 0.9
    bear = project.frame(project.film("bear"), 0)
    keys = {suggester.features.key(project.frame(project.film("bear"), index)) for index in range(4)}
    assert len(keys) == 4
    assert len(suggester._others(bear)) == 2


def test_frames_of_one_file_have_answers_of_their_own(tmp_path, untrained_run):
    import tifffile

    classes = ClassTable.from_names(["sky", "tree", "road"])
    frames = np.stack([np.full((64, 80, 3), 10, np.uint8), np.full((64, 80, 3), 240, np.uint8)])
    frames[1, :, 40:] = 0
    tifffile.imwrite(tmp_path / "s.tif", frames, photometric="rgb", metadata={"axes": "TYXS"})
    with Project.create(tmp_path / "p.spml", (), classes, films=[tmp_path / "s.tif"]) as project:
        run = untrained_run(project)
        ids = [project.frame(project.films[0], index).id for index in range(2)]
    answers = Answers(tmp_path / "p.spml")
    found = []
    for number in (*ids, ids[0]):
        steps = answers.answer(PredictQuestion(1, number, run.id, 1))
        found += [step for step in steps if isinstance(step, Prediction)]
    assert [answer.picture_id for answer in found] == [*ids, ids[0]]
    assert not np.array_equal(found[0].probabilities, found[1].probabilities)
    np.testing.assert_array_equal(found[0].probabilities, found[2].probabilities)
    why = [a for n in ids for a in answers.answer(AskWhy(1, n, run.id, 5, 70, 3)) if isinstance(a, Reasons)]
    answers._opened.close()
    assert [answer.picture_id for answer in why] == ids


def test_marks_find_their_frames(project, tmp_path):
    codes = np.full((48, 64), 255, np.uint8)
    codes[5:8, 5:9] = 1
    for name in ("masks/bear/000", "masks/walk/00000", "scribbles/walk_00001"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(codes).save(path)
    (tmp_path / "points.csv").write_text(
        "image,x,y,class\nbear/001,3,3,red\n00002,4,4,blue\nwalk_00002.png,5,5,red\n"
    )
    (tmp_path / "tags.csv").write_text("image,class\nbear_003,red\n")
    (tmp_path / "yolo/bear").mkdir(parents=True)
    (tmp_path / "yolo/bear/002.txt").write_text("0 .5 .5 .25 .5\n")
    (tmp_path / "parts.csv").write_text("image,x,y,class,size\nwalk\\00004.jpg,9,9,blue,5\n")
    (tmp_path / "clicks.json").write_text('{"walk/00005": [{"x": 3, "y": 4, "cls": 1}], "zebra": []}')
    (tmp_path / "labelme").mkdir()
    drawn = {"shapes": [{"label": "blue", "shape_type": "point", "points": [[2, 3]]}]}
    (tmp_path / "labelme/00006.json").write_text(json.dumps(drawn))
    before = project.frames
    done = import_marks(
        project,
        masks=tmp_path / "masks",
        scribbles=tmp_path / "scribbles",
        points=tmp_path / "points.csv",
        tags=tmp_path / "tags.csv",
        boxes=tmp_path / "yolo",
        key_points=tmp_path / "parts.csv",
        clicks=tmp_path / "clicks.json",
        labelme=tmp_path / "labelme",
    )
    assert done.pictures == 10
    walk, bear = project.film("walk"), project.film("bear")

    def kinds(film, index):
        return [type(mark) for mark in project.marks(project.frame(film, index).id).values()]

    assert [kinds(bear, index) for index in range(4)] == [[Patch], [Point], [Box], [Tag]]
    assert [kinds(walk, index) for index in (0, 1, 2, 4, 5, 6)] == [
        [Patch],
        [Patch],
        [Point, Point],
        [KeyPoint],
        [Point],
        [Point],
    ]
    # Rows are made for the marked frames only, and one undo takes all marks back.
    assert len(project.frames) == len(before) + 10
    project.undo()
    assert project.marked_pictures() == before


def test_scribbles_of_a_data_set_of_films_by_folder(project, tmp_path):
    for name in ("bear", "walk"):
        folder = tmp_path / "xml" / name
        folder.mkdir(parents=True)
        (folder / f"{0:0{3 if name == 'bear' else 5}d}.xml").write_text(
            "<annotation><polygon><tag>blue</tag><point><X>4</X><Y>5</Y></point></polygon></annotation>"
        )
    import_marks(project, scribbles=tmp_path / "xml")
    marks = [list(project.marks(project.frame(film, 0).id).values()) for film in project.films]
    assert marks == [[Scribble(1, ((5, 4),), 3.0)]] * 2


def test_files_of_no_frame_and_two_files_of_one_frame_add_nothing(project, tmp_path):
    masks = tmp_path / "masks"
    (masks / "bear").mkdir(parents=True)
    wrong = masks / "bear/00009.png"
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(wrong)
    history, frames = project.history(), project.frames
    # Another film has a frame of that stem, and it is the only one; but its folder is called otherwise.
    with pytest.raises(MarkError, match="isn't 'walk_00009'"):
        import_marks(project, masks=masks)
    wrong.rename(masks / "bear/00099.png")
    with pytest.raises(MarkError, match=r"00099\.png belongs to no picture.*FILM/STEM"):
        import_marks(project, masks=masks)
    (masks / "bear/00099.png").rename(masks / "bear/001.png")
    shutil.copy(masks / "bear/001.png", masks / "bear_001.png")
    with pytest.raises(MarkError, match="Two files belong to the picture 'bear_001'"):
        import_marks(project, masks=masks)
    (tmp_path / "t.csv").write_text("image,class\nbear/9,red\n")
    with pytest.raises(MarkError, match=r"no picture 'bear/9'.*FILM/NUMBER"):
        import_marks(project, tags=tmp_path / "t.csv")
    assert len(project.history()) == len(history)
    assert len(project.frames) == len(frames)


def test_info_and_export(project, tmp_path):
    facts = describe(project)
    assert (facts["pictures"], facts["marked"], facts["missing"]) == (0, 0, [])
    walk = next(film for film in facts["films"] if film["name"] == "walk")
    assert walk == {
        "name": "walk",
        "path": str(tmp_path / "walk"),
        "kind": "sequence",
        "frames": 26,
        "height": 48,
        "width": 64,
        "frame_rate": None,
        "marked": [3, 7],
    }
    with pytest.raises(ProjectError, match="holds films only"):
        list(export_project(project, tmp_path / "out", "index-png"))
    with pytest.raises(StorageError, match="lies in the film"):
        list(export_project(project, tmp_path / "walk", "index-png"))
    Image.fromarray(pixels(0)).save(tmp_path / "still.png")
    project.add_pictures([tmp_path / "still.png"])
    accepted = Patch(0, 0, np.zeros((48, 64), np.uint8), accepted="picture")
    project.add_marks({project.picture(name).id: [accepted] for name in ("still", "bear/000")}, "review")
    done = list(export_project(project, tmp_path / "out", "index-png", only_reviewed=True))
    assert [exported.name for exported in done] == ["still"]
    (tmp_path / "bear").rename(tmp_path / "moved")
    assert describe(project)["missing"] == ["bear"]
