"""Where the traceback of a bug goes: into a file of its own, never before a user. Needs no torch."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from spml_core import __version__
from spml_core.engine import state_folder


def log_bug(error: BaseException, doing: str) -> tuple[Path, str | None]:
    """Write an error's traceback into a new file.

    Parameters
    ----------
    error : BaseException
    doing : str
        What the program was doing, for whoever reads the file.

    Returns
    -------
    path : Path
    trouble : str or None
        Why the file couldn't be written; None if it was.
    """
    path = state_folder.state_folder() / f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    text = "".join(traceback.format_exception(error))
    try:
        path.write_text(f"spml {__version__}\n{doing}\n\n{text}", encoding="utf-8", errors="backslashreplace")
    except OSError as error_of_disk:
        return path, error_of_disk.strerror
    return path, None
