"""The import rule of DESIGN.md: the core knows no window, and every file imports only from its own floor or below."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import spml_core

ROOT = Path(spml_core.__file__).parent

FLOORS = {
    "errors": 0,
    "spelling": 0,
    "classes": 0,
    "config": 0,
    "cores": 0,
    "devices": 0,
    "generators": 0,
    "wording": 0,
    "images": 1,
    "annotations": 1,
    "metrics": 1,
    "io": 1,
    "films": 1,
    "project": 2,
    "segments": 3,
    "models": 3,
    "relations": 4,
    "seeds": 4,
    "training": 5,
    "labeling": 5,
    "suggesting": 5,
    "paper": 5,
    "video": 5,
    "proposals": 5,
    "engine": 6,
    "cli": 7,
}
WINDOW = ("PyQt5", "PyQt6", "PySide2", "PySide6", "qtpy", "napari", "magicgui", "superqt", "spml_napari")

SCRIPT = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted(ROOT.rglob("*.py"))
MODULES = [module_name(path) for path in FILES]


def imported_names(source, package):
    """Every module that a source imports anywhere in it, also inside functions and for type checkers."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def room(module):
    """The room of a module: the part of its name below the package."""
    return module.split(".")[1] if module.startswith("spml_core.") else None


def test_the_core_never_loads_a_window():
    assert len(MODULES) > 50
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(MODULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "spml_core" in loaded
    assert not loaded & set(WINDOW)


@pytest.mark.parametrize("path", FILES, ids=MODULES)
def test_imports_go_down(path):
    own = room(module_name(path))
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    names = list(imported_names(path.read_text(encoding="utf-8"), package))
    if own is None:  # spml_core/__init__.py
        assert not [name for name in names if name.startswith("spml_core")]
        return
    assert own in FLOORS, f"{own} has no floor; add it to DESIGN.md and here"
    for name in names:
        assert name.split(".")[0] not in WINDOW
        other = room(name)
        if other in FLOORS:
            assert FLOORS[other] <= FLOORS[own], f"{module_name(path)} reaches up to {name}"


def test_the_walk_sees_every_way_to_import():
    source = "def f():\n    from ..engine import info\n    import napari.layers\nfrom spml_core import cli\n"
    names = set(imported_names(source, "spml_core.io"))
    assert {"spml_core.engine", "spml_core.engine.info", "napari.layers", "spml_core.cli"} <= names
