"""Names of YOLO's class numbers, from the files that lie beside the labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

from spml_core.errors import MarkError
from spml_core.io.imports.files import find_files, read_bytes
from spml_core.io.imports.yolo_lines import Hints

_TASKS = ("detect", "segment", "pose", "obb")
_LISTS = ("classes.txt", "obj.names")


def find_hints(source: Path) -> Hints:
    """What the YAML files say, those of ``find_names``, of the lines: the first that says something counts.

    Raises
    ------
    MarkError
        If a file can't be read, or ``kpt_shape`` isn't understood.
    """
    for nearby in _nearby(source):
        for path in nearby:
            if path.suffix.lower() in (".yaml", ".yml"):
                hints = hints_in_yaml(path)
                if hints.key_points is not None or hints.task:
                    return hints
    return Hints()


def find_names(source: Path) -> tuple[Path, dict[int, str]] | None:
    """Names by class number, and the file they come from.

    Looked for in the folder with its subfolders, then in the folder above, where data sets have theirs:
    ``data.yaml`` (or the only YAML file with names), then ``classes.txt``, then ``obj.names``.

    Parameters
    ----------
    source : Path
        The labels' folder, or one of its files.

    Returns
    -------
    tuple or None
        None if there is no such file.

    Raises
    ------
    MarkError
        If a file can't be read, or ``names`` in ``data.yaml`` isn't understood.
    """
    for nearby in _nearby(source):
        for path in nearby:
            if path.suffix.lower() in (".yaml", ".yml"):
                names = names_in_yaml(path)
                if names is not None:
                    return path, names
        for wanted in _LISTS:
            for path in nearby:
                if path.name.lower() == wanted:
                    lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
                    return path, {i: line.strip() for i, line in enumerate(lines) if line.strip()}
    return None


def _nearby(source: Path) -> tuple[list[Path], list[Path]]:
    """Files in the folder, and then those of the folder above; of each those called data first."""
    folder = source if source.is_dir() else source.parent
    inside = find_files(folder, (".yaml", ".yml", ".txt", ".names"), "boxes")
    try:
        above = sorted(path for path in folder.resolve().parent.iterdir() if path.is_file())
    except OSError:  # another's folder: no place for names of ours
        above = []
    one, two = (sorted(paths, key=lambda path: path.stem.lower() != "data") for paths in (inside, above))
    return one, two


def hints_in_yaml(path: Path) -> Hints:
    """The entries ``kpt_shape`` (``[17, 3]``, or a number a line) and ``task`` of a YAML file.

    Raises
    ------
    MarkError
        If ``kpt_shape`` isn't two whole numbers, or the file can't be read.
    """
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    task = re.search(r"""^task\s*:\s*["']?(\w+)""", text, re.MULTILINE)
    known = task[1].lower() if task and task[1].lower() in _TASKS else ""
    said = re.search(r"^kpt_shape[ \t]*:(.*(?:\n[ \t]*-.*)*)", text, re.MULTILINE)
    if said is None:
        return Hints(path, None, known)
    shape = re.fullmatch(
        r"\s*(?:[\[(]\s*(\d{1,4})\s*,\s*([23])\s*,?\s*[\])]|-\s*(\d{1,4})\s*\n\s*-\s*([23]))\s*",
        "\n".join(_uncommented(line) for line in said[1].split("\n")),
    )
    if shape is None or not int(shape[1] or shape[3]):
        raise MarkError(
            f"{path}: kpt_shape is not understood: {said[1].strip()[:60]!r}.",
            "Write kpt_shape: [number of key points, 2 or 3].",
        )
    return Hints(path, (int(shape[1] or shape[3]), int(shape[2] or shape[4])), known)


def names_in_yaml(path: Path) -> dict[int, str] | None:
    """The entry ``names`` of a YAML file: a list, or numbers with names; None if there is no such entry.

    Read are its usual forms: ``[a, b]`` and ``{0: a, 1: b}``, on one line or several, and one ``- a`` or
    ``0: a`` a line, with or without quotes. YAML can say more, but not here.

    Raises
    ------
    MarkError
        If the entry has another form, or the file can't be read.
    """
    lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
    start = next((i for i, line in enumerate(lines) if re.match(r"names\s*:", line)), None)
    if start is None:
        return None
    first = _uncommented(lines[start].split(":", 1)[1])
    # Up to the next entry: a line that begins at its left end and is no item of a list.
    rest: list[str] = []
    for line in lines[start + 1 :]:
        if line[:1] not in ("", " ", "\t", "-", "#", "]", "}"):
            break
        rest.append(_uncommented(line))
    try:
        if first[:1] in ("[", "{"):
            return _flow(" ".join([first, *rest]).strip())
        if not first:
            items = [line for line in rest if line]
            dashes = [line.startswith("-") for line in items]
            if items and all(dashes):
                return {i: _scalar(line[1:]) for i, line in enumerate(items)}
            if items and not any(dashes):
                return dict(_pair(line) for line in items)
        raise ValueError(first or "nothing")
    except ValueError as error:
        raise MarkError(
            f"{path}, line {start + 1}: names is not understood: {str(error)[:60]!r}.",
            "Write names: [cell, nucleus], or one line for each class.",
        ) from error


def _flow(text: str) -> dict[int, str]:
    """Items between brackets or braces, parted by commas outside quotes."""
    close = {"[": "]", "{": "}"}[text[0]]
    if not text.endswith(close):
        raise ValueError(text)
    parts = re.findall(r"""(?:(?<=\w)["']|"(?:\\.|[^"\\])*"|'(?:''|[^'])*'|[^,"'])+""", text[1:-1])
    items = [part.strip() for part in parts if part.strip()]
    if close == "]":
        return {i: _scalar(item) for i, item in enumerate(items)}
    return dict(_pair(item) for item in items)


def _pair(text: str) -> tuple[int, str]:
    match = re.fullmatch(r"""["']?(\d+)["']?\s*:\s+(.+)""", text)
    if match is None:
        raise ValueError(text)
    return int(match[1]), _scalar(match[2])


def _scalar(text: str) -> str:
    text = text.strip()
    if not text or text[0] in "[{&*!|>%@`":
        raise ValueError(text)
    if text.startswith('"'):
        # JSON's escapes are YAML's too, but for those of two digits behind an x.
        escapes = re.sub(r"\\(x[0-9A-Fa-f]{2}|.)", lambda m: f"\\u00{m[1][1:]}" if m[1][1:] else m[0], text)
        return str(json.loads(escapes))
    if text.startswith("'"):
        if len(text) < 2 or not text.endswith("'"):
            raise ValueError(text)
        return text[1:-1].replace("''", "'")
    return text


def _uncommented(line: str) -> str:
    """The line without a comment: ``#`` at its start or behind a space, outside quotes."""
    match = re.match(r"""(?:(?<=\w)["']|"(?:\\.|[^"\\])*"|'(?:''|[^'])*'|[^#"']|(?<=\S)#)*""", line)
    return (match[0] if match else "").strip()
