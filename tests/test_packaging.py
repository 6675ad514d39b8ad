"""What lands on a user's disk: the wheel and its metadata. The scripts of the README are where it says."""

import email
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a clean copy of the tree, so that nothing of an earlier build gets in."""
    copy = tmp_path_factory.mktemp("tree")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, copy], check=True
    )
    (path,) = out.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_code_types_and_sample_data(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"spml_core/py.typed", "spml_core/cli/main.py", "sample_data/__init__.py"} <= set(names)
    shipped = {name for name in names if name.startswith("sample_data/")}
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "sample_data").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == expected
    assert len(expected) > 60
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pyc"))]


@pytest.mark.slow
def test_the_metadata_is_complete(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
        (scripts,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "spml = spml_core.cli.main:run" in archive.read(scripts).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert metadata["Name"] == "spml-napari"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "spml train" in metadata.get_payload()


@pytest.mark.slow
def test_the_wheel_runs_from_elsewhere(wheel, tmp_path):
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, wheel],
        check=True,
    )
    script = (
        "import sample_data, spml_core; from spml_core.images import list_pictures;"
        "print(spml_core.__file__, len(list_pictures(sample_data.sample_path('nuclei') / 'images')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(target)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    where, count = done.stdout.split()
    assert Path(where).is_relative_to(target)
    assert count == "12"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
@pytest.mark.parametrize("script", ["demo", "run-tests", ".ci/run"])
def test_scripts_can_be_started(script):
    path = ROOT / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)
