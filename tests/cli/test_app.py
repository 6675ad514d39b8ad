"""``spml app`` and ``spml demo``; the window itself is replaced by one that only remembers what it was given."""

import os
import subprocess
import sys
import types

import pytest

from spml_core.cli import app as cli_app
from spml_core.project import Project


@pytest.fixture
def window(monkeypatch):
    """A window that notes which projects it was run with, and a screen to show it on."""
    shown = []
    module = types.ModuleType("spml_napari.app")
    module.run = shown.append
    monkeypatch.setitem(sys.modules, "spml_napari.app", module)
    monkeypatch.setenv("DISPLAY", ":0")
    return shown


def test_app_opens_with_and_without_a_project(spml, project, window):
    assert spml("app").code == 0
    assert spml("app", project).code == 0
    assert window == [None, project]
    Project.open(project).close()  # the check before left it free


def test_a_folder_that_is_no_project_is_one_line_before_any_window(spml, tmp_path, window):
    done = spml("app", tmp_path)
    assert done.code == 2
    assert "is no project" in done.err
    assert len(done.err.splitlines()) == 1
    assert window == []


def test_a_project_that_is_open_elsewhere_is_refused(spml, project, window):
    with Project.open(project):
        done = spml("app", project)
    assert done.code == 2
    assert "in use" in done.err
    assert window == []


def test_demo_copies_the_sample_and_opens_it(spml, tmp_path, window):
    for arguments, name in ((), "nuclei"), (("people",), "people"), (("film",), "film"):
        done = spml("demo", *arguments, "--folder", tmp_path)
        assert done.code == 0, done.err
        path = tmp_path / name / f"{name}.spml"
        assert str(path) in done.out
        with Project.open(path) as opened:
            assert len(opened.marked_pictures()) >= (2 if name == "film" else 5)
    assert window == [tmp_path / name / f"{name}.spml" for name in ("nuclei", "people", "film")]


def test_demo_uses_the_programs_own_folder(spml, tmp_path, window, monkeypatch):
    for variable in ("XDG_STATE_HOME", "HOME", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert spml("demo").code == 0
    assert window[0].is_relative_to(tmp_path)


def test_an_unknown_sample_lists_those_that_are(spml, window):
    done = spml("demo", "cats")
    assert done.code == 2
    assert "nuclei" in done.err
    assert "people" in done.err
    assert window == []


@pytest.mark.parametrize("gone", [{"napari"}, {"PyQt5", "PyQt6", "PySide6"}])
@pytest.mark.parametrize("command", ["app", "demo"])
def test_without_napari_or_qt_there_is_one_line_with_the_remedy(spml, window, monkeypatch, gone, command):
    is_installed = cli_app._is_installed
    monkeypatch.setattr(cli_app, "_is_installed", lambda name: name not in gone and is_installed(name))
    done = spml(command)
    assert done.code == 2
    assert 'pip install "spml-napari[gui]"' in done.err
    assert len(done.err.splitlines()) == 1
    assert window == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a screen")
def test_without_a_screen_there_is_one_line(spml, window, monkeypatch):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(variable, raising=False)
    done = spml("app")
    assert done.code == 2
    assert "no screen" in done.err
    assert window == []


def test_the_commands_load_neither_torch_nor_qt_on_their_own_account(tmp_path):
    """The window loads Qt; torch is for its child processes only."""
    script = (
        "import sys, types\n"
        "window = types.ModuleType('spml_napari.app'); window.run = lambda project: None\n"
        "sys.modules['spml_napari.app'] = window\n"
        "from spml_core.cli.main import app\n"
        "try: app(['demo', '--folder', sys.argv[1]])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(sorted({'torch', 'qtpy', 'napari', 'timm'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env={**os.environ, "DISPLAY": ":0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
