"""What a folder holds besides pictures and films that can be read: said once, with its number."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from spml_core.images.listing import PROJECT_DATABASE

# What nobody takes for a picture or a film, and what often lies beside them.
_NO_PICTURES = frozenset(
    f".{suffix}"
    for suffix in (
        # text, tables, marks
        *("txt", "json", "jsonl", "geojson", "xml", "csv", "tsv", "yaml", "yml", "toml", "ini", "cfg"),
        *("md", "rst", "html", "htm", "log", "names", "data", "srt", "vtt", "doc", "docx", "xls", "xlsx"),
        *("ods", "odt", "ppt", "pptx", "roi"),
        # programs and their leftovers
        *("py", "pyc", "ipynb", "m", "r", "ijm", "groovy", "sh", "bat", "exe", "js", "ts", "d"),
        *("db", "sqlite", "lnk", "url", "xmp", "aae", "thm", "part", "bak", "tmp", "lock"),
        # sound, models
        *("wav", "mp3", "m4a", "aac", "pt", "pth", "onnx", "ckpt", "safetensors"),
    )
)

_MOST_KINDS = 6
_TEXT_BYTES = 512


def left_out(
    folder: Path | str, taken: Collection[Path], folder_suffixes: Collection[str] = ()
) -> tuple[str, ...]:
    """Say what of a folder is left out when some of its files are taken.

    Parameters
    ----------
    folder : path
        Looked through as by :func:`spml_core.images.walk_files`.
    taken : collection of Path
        Pictures and films, and folders that are films, by the paths that were found there.
    folder_suffixes : collection of str
        Folders with one of these aren't looked into.

    Returns
    -------
    tuple of str
        A line on files, where some look like pictures or films or could be some; a line on folders that may not be
        read; a line on links to folders, which aren't followed.
    """
    folder = Path(folder)
    known = set(taken)
    kinds: Counter[str] = Counter()
    locked: list[Path] = []
    linked: list[Path] = []

    def refused(error: OSError) -> None:
        locked.append(Path(error.filename))

    for where, subfolders, files in os.walk(folder, onerror=refused):
        here = Path(where)
        if PROJECT_DATABASE in files or (here in known and here != folder):
            subfolders.clear()
            continue
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".") and Path(name).suffix.lower() not in folder_suffixes
        ]
        linked += [
            here / name for name in subfolders if here / name not in known and (here / name).is_symlink()
        ]
        if here in known:  # a film whose frames are what is in it
            continue
        for name in files:
            path = here / name
            if not name.startswith(".") and path not in known and _may_be_picture(path):
                kinds[path.suffix.lower() or "without a suffix"] += 1
    return (*_on_files(folder, kinds), *_on_folders(locked, linked))


def _may_be_picture(path: Path) -> bool:
    if path.suffix:
        return path.suffix.lower() not in _NO_PICTURES
    try:
        with path.open("rb") as file:
            return b"\0" in file.read(_TEXT_BYTES)
    except OSError:
        return False


def _on_files(folder: Path, kinds: Counter[str]) -> tuple[str, ...]:
    count = kinds.total()
    if not count:
        return ()
    named = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    parts = [f"{number} {suffix}" for suffix, number in named[:_MOST_KINDS]]
    if rest := sum(number for _, number in named[_MOST_KINDS:]):
        parts.append(f"{rest} of other kinds")
    words = "1 file was" if count == 1 else f"{count} files were"
    return (
        f"{words} left out of {folder}, not being pictures or films that can be read: {', '.join(parts)}.",
    )


def _on_folders(locked: list[Path], linked: list[Path]) -> tuple[str, ...]:
    lines = []
    if locked:
        more = f" and {len(locked) - 1} more" if len(locked) > 1 else ""
        lines.append(f"The folder {locked[0]}{more} may not be read, and was left out.")
    if linked:
        more = f" and {len(linked) - 1} more" if len(linked) > 1 else ""
        lines.append(f"The folder {linked[0]}{more} is a link, and wasn't looked into.")
    return tuple(lines)


def twins_line(folder: Path | str, count: int) -> tuple[str, ...]:
    """Say that files were left out because others of their names are there; nothing of none."""
    if not count:
        return ()
    words = "1 file was" if count == 1 else f"{count} files were"
    return (f"{words} left out of {folder}: another picture or film there has the same name.",)
