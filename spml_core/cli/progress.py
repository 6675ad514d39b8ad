"""A progress bar on a terminal after a second, elsewhere a line every ten seconds."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

_QUIET_SECONDS = 1.0
_LINE_SECONDS = 10.0


class ProgressBar:
    """Tells on stderr how far something is. Use in a ``with`` statement.

    Parameters
    ----------
    stream : text file, optional
        stderr if not given. A bar is drawn only if it is a terminal.
    clock : callable
        Seconds, as ``time.monotonic``.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._start = clock()
        self._last_line = self._start
        self._rich: Progress | None = None
        self._is_terminal = self._stream.isatty()

    def update(
        self, what: str, done: int, total: int, *, note: str = "", seconds_left: float | None = None
    ) -> None:
        """Show that ``done`` of ``total`` is reached.

        Parameters
        ----------
        what : str
            What goes on, in a word or two.
        done, total : int
        note : str
            A figure to show beside it.
        seconds_left : float, optional
            Estimated from the time so far if not given.
        """
        now = self._clock()
        if now - self._start < _QUIET_SECONDS:
            return
        if seconds_left is None:
            seconds_left = (now - self._start) * (total - done) / done if done else math.nan
        left = words_for_seconds(seconds_left)
        if self._is_terminal:
            self._draw(what, done, total, note, left)
        elif now - self._last_line >= _LINE_SECONDS:
            self._last_line = now
            self._print(", ".join(filter(None, [f"{what} {done} of {total}", note, left])))

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._rich is not None:
            self._rich.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._print(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()
            self._rich = None

    def _draw(self, what: str, done: int, total: int, note: str, left: str) -> None:
        if self._rich is None:
            self._rich = self._new_bar()
            self._rich.add_task(what, note="", left="")
        task = self._rich.task_ids[0]
        self._rich.update(task, description=what, completed=done, total=total, note=note, left=left)
        self._rich.start()  # does nothing once it is started

    def _new_bar(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        return Progress(
            TextColumn("{task.description:<16}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
            console=Console(file=self._stream),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def words_for_seconds(seconds: float) -> str:
    """Time left in words: ``"3 min 20 s left"``; empty if it isn't known."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min left"
    return f"{minutes} min {rest:02d} s left" if minutes else f"{rest} s left"
