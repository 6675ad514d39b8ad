"""Where the program keeps what belongs to no project: logs."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def state_folder() -> Path:
    """Folder for logs, made if it isn't there: the system's usual one, or else that for temporary files."""
    usual = _usual()
    try:
        usual.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return usual if os.access(usual, os.W_OK) else Path(tempfile.gettempdir())


def _usual() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "spml"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Logs" / "spml"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "spml"
