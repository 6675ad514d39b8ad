"""What README and tutorial point to is there, and the tutorial's keys are the window's."""

import importlib.util
import re
from pathlib import Path

import pytest
import typer
from PIL import Image

from spml_core.cli.main import app

ROOT = Path(__file__).parents[1]
README, TUTORIAL = ROOT / "README.md", ROOT / "docs" / "tutorial.md"
WIDEST, HEAVIEST = 1280, 400_000


def links(page):
    return re.findall(r"\]\(((?!http)[^)]+)\)", page.read_text(encoding="utf-8"))


def test_the_tutorial_lists_the_keys_of_the_window():
    pytest.importorskip("qtpy.QtWidgets", reason="needs Qt")
    spec = importlib.util.spec_from_file_location("make_keys_table", ROOT / "docs" / "make_keys_table.py")
    make_keys_table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_keys_table)
    text = TUTORIAL.read_text(encoding="utf-8")
    assert make_keys_table.with_keys(text) == text, "run python docs/make_keys_table.py"
    assert "| <kbd>Ctrl</kbd>+<kbd>Z</kbd> | Undo |" in text
    assert "| <kbd>1</kbd> to <kbd>9</kbd>, <kbd>0</kbd> | Class |" in text


@pytest.mark.parametrize("page", [README, TUTORIAL], ids=lambda page: page.stem)
def test_all_links_lead_somewhere(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
    found = links(page)
    assert len(found) > 5
    for link in found:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        else:
            assert (page.parent / link).exists(), link


def test_every_picture_of_the_window_is_shown_and_of_reasonable_size():
    shown = {(page.parent / link).resolve() for page in (README, TUTORIAL) for link in links(page)}
    pictures = sorted((ROOT / "docs" / "screenshots").iterdir())
    assert len(pictures) >= 8
    for path in pictures:
        assert path in shown, path
        assert path.stat().st_size < HEAVIEST
        with Image.open(path) as image:
            assert image.width <= WIDEST


def test_every_command_of_the_tutorial_exists():
    commands = typer.main.get_command(app).commands
    text = TUTORIAL.read_text(encoding="utf-8")
    used = re.findall(r"(?:^|`)spml (\w+)([^`\n]*)", text, re.MULTILINE)
    assert {"app", "new", "import", "train", "predict", "export"} <= {command for command, _ in used}
    for command, words in used:
        options = {option for parameter in commands[command].params for option in parameter.opts}
        assert options.issuperset(re.findall(r"--[\w-]+", words)), f"spml {command}{words}"
