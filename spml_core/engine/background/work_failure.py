"""What the user of the window is told when work in the background breaks. Needs no torch."""

from __future__ import annotations

from spml_core.engine.background.messages import Failed
from spml_core.engine.bug_log import log_bug
from spml_core.errors import SpmlError

_LONGEST = 200


def training_failure(error: Exception) -> Failed:
    """What to tell the window of a training; the traceback of a bug goes to a log file."""
    when_full = Failed(
        "The memory is full; training can go on from its last checkpoint.",
        "Close other programs, or train with smaller pictures, the quick preset or on the CPU.",
    )
    return _failure(error, "training", when_full)


def propagation_failure(error: Exception) -> Failed:
    """What to tell the window of a propagation; the traceback of a bug goes to a log file."""
    when_full = Failed(
        "The memory is full; what was propagated so far is kept.",
        "Close other programs and propagate again.",
    )
    return _failure(error, "propagation", when_full)


def job_failure(error: Exception) -> Failed:
    """What to tell the user of a short job of the window; the traceback of a bug goes to a log file."""
    when_full = Failed("The memory is full.", "Close other programs and try again.")
    return _failure(error, "the window", when_full)


def _failure(error: Exception, work: str, when_full: Failed) -> Failed:
    if isinstance(error, SpmlError):
        return Failed(error.problem, error.remedy)
    # By its words: torch has no class of its own for it on the CPU.
    words = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words:
        return when_full
    summary = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
    path, trouble = log_bug(error, f"{work} process")
    remedy = f"Report it with the traceback in {path}."
    if trouble is not None:
        remedy = f"Report it. Its traceback couldn't be written to {path}: {trouble}."
    return Failed(f"{work[0].upper()}{work[1:]} broke, which is a bug in spml, sorry: {summary}", remedy)
