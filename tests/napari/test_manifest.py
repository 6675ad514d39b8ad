"""What napari learns from ``napari.yaml``, and that all of it works."""

import os
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name
from qtpy.QtWidgets import QWidget

import spml_napari
from sample_data import sample_path
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io import read_index_png, write_index_png
from spml_napari import readers
from spml_napari.readers import prefer_this_reader, project_folder, project_reader, sample_reader
from spml_napari.samples import people_layers
from spml_napari.session import Session
from spml_napari.settings import Settings, load_settings
from spml_napari.writers import write_labels

MANIFEST = Path(spml_napari.__file__).parent / "napari.yaml"
DOCKS = ("welcome", "pictures", "classes", "tools", "training", "propagate", "inspect", "export", "film")


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(MANIFEST)


@pytest.fixture
def plugin(npe2pm):
    """Our plugin in a plugin manager of its own."""
    with npe2pm.tmp_plugin(manifest=str(MANIFEST)) as plugin:
        yield plugin


def test_the_manifest_is_valid_and_found(manifest):
    manifest.validate_imports()
    assert manifest.name == "spml-napari"
    assert PluginManifest.from_distribution("spml-napari").contributions == manifest.contributions


def test_every_dock_has_a_widget_that_takes_the_viewer(manifest):
    ids = [widget.command for widget in manifest.contributions.widgets]
    assert ids == [f"spml-napari.make_{name}_dock" for name in DOCKS]
    commands = {command.id: command for command in manifest.contributions.commands}
    for name in ids:
        make = import_python_name(commands[name].python_name)
        assert issubclass(make, QWidget)  # napari hands its viewer to classes only
        assert list(signature(make.__init__).parameters) == ["self", "napari_viewer"]


def test_every_command_is_used_and_every_menu_is_one_of_naparis(manifest):
    contributions = manifest.contributions
    used = {item.command for items in contributions.menus.values() for item in items}
    for group in (
        contributions.widgets,
        contributions.readers,
        contributions.writers,
        contributions.sample_data,
    ):
        used |= {item.command for item in group if hasattr(item, "command")}
    assert used == {command.id for command in contributions.commands}
    assert set(contributions.menus) == {"napari/layers/annotate", "napari/layers/segment"}


# Samples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["nuclei", "people"])
def test_samples_open_in_a_viewer(plugin, make_napari_viewer, key):
    viewer = make_napari_viewer()
    picture, mask = viewer.open_sample("spml-napari", key)
    assert (picture._type_string, mask._type_string) == ("image", "labels")
    assert picture.rgb
    assert picture.data.shape[:2] == mask.data.shape


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """A workbench that is only a session, and a folder for sample projects."""
    from spml_napari import workbench

    class Bench:
        session = Session()

    monkeypatch.setattr(workbench.Workbench, "of", lambda given: Bench)
    monkeypatch.setattr(readers, "samples_folder", lambda: tmp_path)
    yield Bench
    Bench.session.close()


def test_the_film_opens_as_a_project(plugin, make_napari_viewer, bench, tmp_path):
    viewer, opened = make_napari_viewer(), []
    for _ in range(2):  # the second time it is there, and open
        assert viewer.open_sample("spml-napari", "film") == []
        assert list(viewer.layers) == []
        opened.append(bench.session.project)
    assert opened[0] is opened[1]
    assert opened[0].path == tmp_path / "film" / "film.spml"
    assert [film.name for film in opened[0].films] == ["film"]
    assert bench.session.picture.name == "film_000000"


def test_a_film_that_cannot_be_made_is_reported(plugin, make_napari_viewer, bench, tmp_path):
    (tmp_path / "film").mkdir()
    viewer, told = make_napari_viewer(), []
    bench.session.reported.connect(lambda *words: told.append(words))
    assert viewer.open_sample("spml-napari", "film") == []
    assert bench.session.project is None
    ((level, text),) = told
    assert level == "error" and "exists already" in text


def test_only_addresses_of_samples_are_read_as_such():
    assert sample_reader("spml-sample://film") is not None
    for other in ("spml-sample://cats", "spml-sample://", "/film", ["spml-sample://film"]):
        assert sample_reader(other) is None


# Readers ----------------------------------------------------------------------------------------------


def test_projects_are_read_and_nothing_else(small_project, tmp_path):
    path = small_project.path
    assert project_folder(path) == project_folder(str(path / "project.sqlite")) == path
    assert project_reader(str(path)) is not None
    assert project_reader([str(path)]) is None
    (tmp_path / "empty.spml").mkdir()
    for other in (
        tmp_path,
        tmp_path / "empty.spml",
        tmp_path / "images" / "first.png",
        tmp_path / "gone.spml",
    ):
        assert project_reader(str(other)) is None


@pytest.mark.parametrize("inside", [".", "project.sqlite"])
def test_a_project_dropped_on_a_viewer_opens_in_its_session(
    plugin, make_napari_viewer, small_project, monkeypatch, inside
):
    from spml_napari import workbench

    viewer, opened = make_napari_viewer(), []

    class Bench:
        session = Session()

    monkeypatch.setattr(Bench.session, "open", opened.append, raising=False)
    monkeypatch.setattr(workbench.Workbench, "of", lambda given: Bench)
    added = viewer.open(str((small_project.path / inside).resolve()), plugin="spml-napari")
    assert added == []
    assert list(viewer.layers) == []
    assert opened == [small_project.path]


def test_the_open_project_may_be_dropped_again(plugin, make_napari_viewer, session, monkeypatch):
    from spml_napari import workbench

    viewer, told = make_napari_viewer(), []

    class Bench:
        pass

    Bench.session = session
    session.reported.connect(lambda *words: told.append(words))
    monkeypatch.setattr(workbench.Workbench, "of", lambda given: Bench)
    project = session.project
    assert viewer.open(str(project.path), plugin="spml-napari") == []
    assert session.project is project and told == []


def test_napari_need_not_ask_which_plugin_opens_a_project(plugin, small_project):
    from napari.plugins.utils import get_preferred_reader
    from napari.settings import get_settings

    plugins = get_settings().plugins
    before = dict(plugins.extension2reader)
    try:
        plugins.extension2reader = {}
        prefer_this_reader()
        assert get_preferred_reader(small_project.path) == "spml-napari"
        assert get_preferred_reader(small_project.path.parent) is None
        chosen = {f"*.spml{os.sep}": "napari"}
        plugins.extension2reader = chosen
        prefer_this_reader()
        assert plugins.extension2reader == chosen
    finally:
        plugins.extension2reader = before


# Writers ----------------------------------------------------------------------------------------------


def test_a_labels_layer_is_saved_as_an_index_png_with_its_colours(plugin, make_napari_viewer, tmp_path):
    from PIL import Image

    viewer = make_napari_viewer()
    _, mask = viewer.open_sample("spml-napari", "people")
    path = tmp_path / "mask.png"
    with pytest.warns(UserWarning, match="not a valid writer"):  # a picture, too: not ours
        assert viewer.layers.save(str(path), plugin="spml-napari") == []
    viewer.layers.selection = {mask}
    assert viewer.layers.save(str(path), selected=True, plugin="spml-napari") == [str(path)]
    np.testing.assert_array_equal(read_index_png(path), mask.data)
    palette = np.array(Image.open(path).getpalette()).reshape(-1, 3)
    for code in range(1, 5):
        np.testing.assert_allclose(palette[code], mask.get_color(code)[:3] * 255, atol=1)


def test_what_napari_saves_is_what_the_importers_read(tmp_path):
    truth = sample_path("people") / "masks" / "0097.png"
    _, (_, meta, _) = people_layers()
    write_labels(str(tmp_path / "0097.png"), read_index_png(truth), meta)
    np.testing.assert_array_equal(read_index_png(tmp_path / "0097.png"), read_index_png(truth))


@pytest.mark.parametrize("values", [[[0, 1], [2, 253]], [[255, 255], [255, 255]], [[0, 0], [0, 0]]])
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_any_flat_labels_come_back_as_they_were(tmp_path, values, kind):
    labels = np.array(values, kind)
    assert write_labels(str(tmp_path / "a.png"), labels, {}) == [str(tmp_path / "a.png")]
    np.testing.assert_array_equal(read_index_png(tmp_path / "a.png"), labels)
    write_labels(str(tmp_path / "b.png"), [labels, labels[::2, ::2]], {})  # multiscale
    np.testing.assert_array_equal(read_index_png(tmp_path / "b.png"), labels)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.full((4, 4), 254), "254"),
        (np.full((4, 4), 1000), "1000"),
        (np.full((4, 4), -1), "-1"),
        (np.zeros((2, 4, 4), int), r"\(2, 4, 4\)"),
    ],
)
def test_labels_that_are_no_classes_are_refused_and_nothing_is_written(tmp_path, labels, said):
    with pytest.raises(MarkError, match=said):
        write_labels(str(tmp_path / "a.png"), labels, {})
    assert list(tmp_path.iterdir()) == []


def test_the_layers_own_class_names_need_not_fit(tmp_path):
    labels = np.array([[0, 3]])
    write_labels(str(tmp_path / "a.png"), labels, {"metadata": {"classes": ["one", "one"]}})
    write_index_png(tmp_path / "b.png", labels, ClassTable.from_names(["a", "b", "c", "d"]))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


# Preferences ------------------------------------------------------------------------------------------


def test_the_page_in_the_preferences_has_our_defaults(manifest):
    defaults = {
        key: field.default
        for page in manifest.contributions.configurations.values()
        for key, field in page.properties.items()
    }
    settings = Settings()
    assert defaults == {key: getattr(settings, key) for key in defaults}
    assert len(defaults) == 6


def test_preferences_are_read_back(plugin_settings, plugin):
    from napari.settings import get_plugin_settings

    assert load_settings() == Settings()
    page = get_plugin_settings("spml-napari")
    page.training.preset = "standard"
    page.training.minutes = 2.5
    page.window.brush = 20
    assert load_settings() == Settings(preset="standard", minutes=2.5, brush=20)
    assert load_settings().max_seconds == 150
    with pytest.raises(ValueError, match="enum"):
        page.training.device = "abacus"


def test_without_napari_knowing_us_the_defaults_hold(plugin_settings):
    assert load_settings() == Settings()
    assert Settings().max_seconds is None


def test_the_preferences_dialog_shows_our_page(plugin_settings, plugin, qtbot):
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog()
    qtbot.addWidget(dialog)
    titles = [dialog._list.item(row).text() for row in range(dialog._list.count())]
    assert "spml" in titles
    dialog.close()
