"""No command puts its results in place of what the user made, nor into a project; it is told first."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spml_core.engine import propagate
from spml_core.project import Project

ENGINE_TESTS = str(Path(__file__).parents[1] / "engine")
sys.path.insert(0, ENGINE_TESTS)  # pytest puts no test folder there

from rule_propagator import Rules, make_film_project  # noqa: E402


def contents(folder):
    """Every file's bytes, links as such."""
    return {
        path.relative_to(folder): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and not path.name.startswith(("lock", "project.sqlite"))
    }


@pytest.fixture
def refused(spml):
    """Run a command that must be refused and change no file under a folder."""

    def run(folder, *words):
        before = contents(folder)
        line = spml(*words).complaint()
        assert contents(folder) == before
        return line

    return run


def linked(data, kind, name="a.png"):
    """A folder with a link to the picture a."""
    folder = data / "out"
    folder.mkdir()
    (os.link if kind == "hard" else os.symlink)(data / "images" / "a.png", folder / name)
    return folder


def test_predictions_replace_no_picture(project, data, refused):
    assert "holds pictures of the project" in refused(data, "predict", project, "--out", data / "images")
    assert "holds pictures" in refused(data, "predict", project, "--out", data / "images" / "sub")
    (data / "link").symlink_to(data / "images")
    assert "holds pictures" in refused(data, "predict", project, "--out", data / "link")
    for inside in ("", "runs", "predictions/x"):
        line = refused(data, "predict", project, "--out", project / inside)
        assert f"lies in the project {project}" in line


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_links_are_looked_through(project, data, refused, kind):
    out = linked(data, kind)
    assert "is a link to" in refused(data, "predict", project, "--out", out)
    line = refused(data, "export", project, "--format", "index-png", "--out", out)
    assert "is a link to" in line and str(data / "images" / "a.png") in line
    assert "would be replaced" in refused(data, "suggest", project, "a", "--out", out / "a.png")


def test_predictions_replace_no_given_picture(project, data, refused):
    other = data / "other"
    shutil.copytree(data / "images", other)
    line = refused(data, "predict", project, "--images", other, "--out", other)
    assert "holds pictures that are read" in line
    refused(data, "predict", project, "--images", other, "--out", other / "sub")
    # Nor those of the project, when it is asked for others.
    refused(data, "predict", project, "--images", other, "--out", data / "images")


def test_a_suggestion_replaces_no_picture(marked, data, spml, refused):
    line = refused(data, "suggest", marked, "a", "--out", data / "images" / "b.png")
    assert "one of the pictures of the project" in line
    assert "lies in the project" in refused(data, "suggest", marked, "a", "--out", marked / "a.png")
    assert "is a folder" in refused(data, "suggest", marked, "a", "--out", data / "images")
    beside = data / "images" / "a-suggestion.png"
    assert spml("suggest", marked, "a", "--out", beside).code == 0
    assert spml("suggest", marked, "a", "--out", beside).code == 0  # its own file may be replaced
    assert beside.is_file()


def test_propagation_replaces_no_frame(tmp_path, monkeypatch, spml, refused):
    monkeypatch.setattr(propagate, "Propagator", Rules)
    with make_film_project(tmp_path, 4, marked=(1,)) as made:
        path, frames = made.path, made.film("swim").path
    for out in (frames, frames / "labels"):
        assert "lies in the film" in refused(tmp_path, "propagate", path, "swim", "--out", out)
    assert "lies in the project" in refused(tmp_path, "propagate", path, "swim", "--out", path / "out")
    assert spml("propagate", path, "swim", "--out", tmp_path / "out").code == 0
    assert spml("propagate", path, "swim", "--out", tmp_path / "out").code == 0


def test_contours_replace_no_picture(data, project, spml, refused):
    assert "lies in the project" in refused(
        data, "contours", data / "images", "--out", project / "predictions"
    )
    (data / "out").mkdir()
    shutil.copytree(data / "images", data / "out" / "edges")
    refused(data, "contours", data / "out" / "edges", "--out", data / "out")
    assert spml("contours", data / "images", "--out", data / "fine").code == 0
    assert spml("contours", data / "images", "--out", data / "fine").code == 0


def test_a_flicker_map_replaces_nothing_that_is_read(data, project, refused):
    film = data / "film"
    film.mkdir()
    for index in range(3):
        shutil.copy(data / "images" / "a.png", film / f"{index}.png")
    labels = data / "labels"
    labels.mkdir()
    for index in range(3):
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(labels / f"{index}.png")
    words = ("evaluate", "--video", film, "--predictions", labels, "--classes", data / "classes.json")
    for place in (film / "1.png", labels / "2.png"):
        assert "would be replaced" in refused(data, *words, "--flicker", place)
    assert "lies in the project" in refused(data, *words, "--flicker", project / "f.png")


def test_a_project_in_a_project(project, data, refused):
    line = refused(
        data, "new", project / "q.spml", "--images", data / "images", "--classes", data / "classes.json"
    )
    assert "lies in the project" in line


def test_a_paper_run_keeps_out_of_its_data(data, refused):
    tree = data / "voc"
    shutil.copytree(data / "images", tree / "JPEGImages")
    for out in (tree, tree / "JPEGImages", tree / "JPEGImages" / "run"):
        line = refused(data, "run-paper", "paper-tags", "--voc", tree, "--out", out, "--device", "cpu")
        assert "lies in the data set's folder" in line


def test_upper_and_lower_case(project, data, refused, monkeypatch):
    """As where the system knows no case: another spelling is the same folder."""
    plain = Path.stat

    def stat(self, **words):
        spelling = Path(str(self).replace("IMAGES", "images").replace("/A.png", "/a.png"))
        return plain(spelling, **words)

    monkeypatch.setattr(Path, "stat", stat)
    refused(data, "predict", project, "--out", data / "IMAGES")
    refused(data, "suggest", project, "a", "--out", data / "IMAGES" / "A.png")


def test_results_replace_no_picture_of_any_kind(project, data, refused):
    """One that no project knows: in colour, or a TIFF of more than 8 bits."""
    out = data / "out"
    out.mkdir()
    shutil.copy(data / "images" / "a.png", out / "a.png")
    assert "out/a.png is a picture" in refused(data, "predict", project, "--out", out)
    assert "is a picture" in refused(data, "export", project, "--format", "index-png", "--out", out)
    assert "is a picture" in refused(data, "suggest", project, "a", "--out", out / "a.png")
    Image.fromarray(np.full((48, 64), 900, np.uint16)).save(out / "b.tif")
    assert "out/b.tif is a picture" in refused(data, "export", project, "--format", "tiff", "--out", out)


def saved(pixels, path, **options):
    Image.fromarray(pixels).save(path, **options)


@pytest.mark.parametrize(
    "save",
    [
        lambda path, pixels: saved(pixels, path),
        lambda path, pixels: saved(pixels // 8, path),  # a dark one
        lambda path, pixels: saved(pixels.astype(np.uint16) * 200, path),
        lambda path, pixels: Image.fromarray(pixels).convert("LA").save(path),
        lambda path, pixels: saved(pixels, path, format="BMP"),
        lambda path, pixels: saved(pixels, path, format="WebP"),
        lambda path, pixels: path.write_text("my notes"),
    ],
)
def test_results_replace_no_grey_picture_nor_other_file(project, data, refused, save):
    out = data / "out"
    out.mkdir()
    save(out / "b.png", np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8))
    for words in (
        ("predict", project, "--out", out),
        ("export", project, "--format", "index-png", "--out", out),
        ("suggest", project, "b", "--out", out / "b.png"),
    ):
        assert "no map of labels; it would be replaced" in refused(data, *words)


def test_results_replace_no_grey_tiff(project, data, refused):
    out = data / "out"
    out.mkdir()
    saved(np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8), out / "b.tif")
    assert "out/b.tif is a picture" in refused(data, "export", project, "--format", "tiff", "--out", out)


def test_a_suggestion_replaces_no_other_file(project, data, refused):
    assert "a file of another kind" in refused(data, "suggest", project, "a", "--out", data / "classes.json")


def test_labels_of_every_writer_are_known_again(tmp_path):
    """Also where there were more classes before."""
    from spml_core.classes import ClassTable
    from spml_core.io import write_index_png
    from spml_core.io.exports import ExportOptions, LabelledPicture, open_exporter
    from spml_core.io.outputs import check_label_files

    classes = ClassTable.from_names([f"c{number}" for number in range(40)])
    labels = np.arange(48 * 64, dtype=np.int64).reshape(48, 64) % 41
    codes = labels.astype(np.uint8) % 40
    for colored in (True, False):
        write_index_png(tmp_path / f"{colored}.png", labels, classes, colored=colored)
    for format in ("index-png", "tiff"):
        with open_exporter(format, tmp_path, classes, ExportOptions()) as exporter:
            exporter.add(LabelledPicture("x", tmp_path / "x.png", "x.png", codes, lambda: None))
            exporter.finish()
    (tmp_path / "empty.png").touch()
    (tmp_path / "torn.png").write_bytes((tmp_path / "x.png").read_bytes()[:20])
    names = ("True.png", "False.png", "x.png", "x.tif", "empty.png", "torn.png", "missing.png")
    check_label_files([tmp_path / name for name in names], 2)


def test_a_window_saves_no_layer_over_a_picture(data):
    from spml_core.errors import StorageError
    from spml_napari.writers import write_labels

    before = contents(data)
    with pytest.raises(StorageError, match="is a picture"):
        write_labels(str(data / "images" / "a.png"), np.zeros((4, 4), np.uint8), {})
    assert contents(data) == before
    for _ in range(2):
        assert write_labels(str(data / "new.png"), np.zeros((4, 4), np.uint8), {})


def test_earlier_results_may_be_replaced(project, data, spml):
    """What isn't in the way is as it was: a folder of earlier results, and one beside the pictures."""
    shutil.copytree(data / "masks", data / "out")
    for out in (data / "out", data / "images" / "new", data):
        line = spml("predict", project, "--out", out).complaint()
        assert "Nothing was trained yet" in line  # refused for that alone


def test_a_window_saves_no_layer_into_a_project(project):
    from spml_core.errors import StorageError
    from spml_napari.writers import write_labels

    with pytest.raises(StorageError, match="lies in the project"):
        write_labels(str(project / "a.png"), np.zeros((4, 4), np.uint8), {})
    with Project.open(project) as opened:
        assert len(opened.pictures) == 4
