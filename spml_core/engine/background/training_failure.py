"""What the window is told when training breaks. Needs no torch."""

from __future__ import annotations

from spml_core.engine.background.messages import Failed
from spml_core.engine.bug_log import log_bug
from spml_core.errors import SpmlError

_LONGEST = 200


def training_failure(error: Exception) -> Failed:
    """What to tell the window; the traceback of a bug goes to a log file."""
    if isinstance(error, SpmlError):
        return Failed(error.problem, error.remedy)
    # By its words: torch has no class of its own for it on the CPU.
    words = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words:
        return Failed(
            "The memory is full; training can go on from its last checkpoint.",
            "Close other programs, or train with smaller pictures, the quick preset or on the CPU.",
        )
    summary = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
    return Failed(f"Training broke, which is a bug in spml, sorry: {summary}", _log(error))


def _log(error: Exception) -> str:
    path, trouble = log_bug(error, "training process")
    if trouble is not None:
        return f"Report it. Its traceback couldn't be written to {path}: {trouble}."
    return f"Report it with the traceback in {path}."
