"""Whatever goes wrong in a command becomes one line on stderr and an exit code; never a traceback."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from spml_core.errors import SpmlError

USER_ERROR = 2
BUG = 1
INTERRUPTED = 130

P = ParamSpec("P")


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command: errors leave it as one line on stderr and an exit code.

    ======================  ====  ===============================================
    what was raised         code  line
    ======================  ====  ===============================================
    SpmlError               2     its problem and its remedy
    out of memory           2     what to make smaller
    Ctrl-C                  130   interrupted
    reader of stdout gone   0     none
    anything else           1     that it is a bug, and where the traceback is
    ======================  ====  ===============================================
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise  # typer's own
        except BrokenPipeError:
            # `spml info | head`: Python would complain once more when it flushes stdout at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (Exception, KeyboardInterrupt) as error:
            code, line = explain(error)
            typer.echo(f"spml: {line}", err=True)
            raise typer.Exit(code) from None

    return run


def explain(error: BaseException) -> tuple[int, str]:
    """Exit code and line for an error; a bug's traceback goes to a log file."""
    if isinstance(error, SpmlError):
        return USER_ERROR, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted; what was finished before is saved."
    if _is_out_of_memory(error):
        return USER_ERROR, (
            "The memory is full. Close other programs, or use smaller pictures,"
            " --preset quick or --device cpu."
        )
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    return BUG, f"This is a bug in spml, sorry: {summary[:200]}. {_log(error)}"


def _is_out_of_memory(error: BaseException) -> bool:
    # By its words: torch, whose errors these are, may not be loaded, and has no class for it on the CPU.
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
    )


def _log(error: BaseException) -> str:
    from spml_core.engine.bug_log import log_bug

    path, trouble = log_bug(error, " ".join(sys.argv))
    if trouble is not None:
        return f"Its traceback couldn't be written to {path}: {trouble}."
    return f"Please report it with the traceback in {path}."
