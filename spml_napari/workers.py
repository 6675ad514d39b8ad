"""Threads and child processes of the window: the only file that starts any.

Whatever they bring comes back through a :class:`Mailbox`, in the GUI thread.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import queue
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, QTimer, Signal

from spml_napari.child_main import child_main

T = TypeVar("T")

_log = logging.getLogger(__name__)

# The event loop must come to other things every few milliseconds, even if a child sends without a pause.
_SECONDS_AT_A_TIME = 0.008
_PAUSE_MS = 4
_LETTERS = 256
_SECONDS_TO_DIE = 0.5
_SECONDS_BETWEEN_LOOKS = 0.1
_MAIN_MODULE = threading.Lock()
_SECONDS_FROM_SILENCE_TO_END = 5.0


class Mailbox(QObject):
    """Runs calls that other threads leave, one after the other, in the thread that made it: the GUI's.

    A thread that leaves more than 256 calls is made to wait, so that memory stays bounded.
    """

    _filled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._calls: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_LETTERS)
        self._closed = False
        self._awake = False
        self._filled.connect(self._empty, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def leave(self, call: Callable[[], object]) -> None:
        """Have a call run in the GUI thread; from any other thread. Does nothing once the box is closed."""
        self._room.acquire()
        with self._lock:
            if self._closed:
                self._room.release()
                return
            self._calls.append(call)
            if not self._awake:
                self._awake = True
                try:
                    self._filled.emit()
                except RuntimeError:  # Qt deleted this object, and nobody had closed it
                    self._closed = True

    def close(self) -> None:
        """Drop what wasn't run, and whatever is left from now on. From the GUI thread."""
        with self._lock:
            self._closed = True
            self._calls.clear()
        self._room.release(_LETTERS)

    def _empty(self) -> None:
        until = time.monotonic() + _SECONDS_AT_A_TIME
        while True:
            with self._lock:
                if not self._calls:
                    self._awake = False
                    return
                call = self._calls.popleft()
            self._room.release()
            try:
                call()
            except BaseException:
                QTimer.singleShot(0, self._empty)  # the other calls shall come all the same
                raise
            if time.monotonic() > until:
                QTimer.singleShot(_PAUSE_MS, self._empty)
                return


class ChildProcess(QObject):
    """A process of its own (spawned, never forked) that exchanges messages with the window.

    It can be started once. Its end, by :meth:`close` or of itself, leaves no process, thread or pipe behind.

    Parameters
    ----------
    target : str
        ``"module:function"``; imported in the child only. Called with the child's end of the pipe, then ``arguments``.
    *arguments
        Must pickle.
    farewell : object, optional
        Message that asks the child to end. Without, :meth:`close` ends it at once.
    niceness : int
        By how much the child gives way to the window.
    parent : QObject, optional
    """

    received = Signal(object)
    """A message of the child, in the order sent. None comes after :meth:`close`."""
    ended = Signal(int)
    """The child ended by itself or was killed, and all its messages are delivered: exit code, -N for signal N."""

    def __init__(
        self,
        target: str,
        *arguments: Any,
        farewell: object = None,
        niceness: int = 5,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._target, self._arguments = target, arguments
        self._farewell, self._niceness = farewell, niceness
        self._mailbox = Mailbox(self)
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._threads: tuple[threading.Thread, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether the process was started, and neither closed nor found ended."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process's number while it is alive."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; returns before the target is imported."""
        context = multiprocessing.get_context("spawn")
        self._connection, child_end = context.Pipe()
        self._process = context.Process(
            target=child_main,
            args=(self._target, self._niceness, child_end, *self._arguments),
            name=self._target,
            daemon=True,
        )
        with _no_main_module():
            self._process.start()
        child_end.close()
        self._threads = (
            _thread(self._read, self._connection, self._process.sentinel),
            _thread(self._write, self._connection),
        )

    def send(self, message: object) -> None:
        """Send a message; never waits. Does nothing once the child has ended."""
        if self._process is not None:
            self._outgoing.put((message,))

    def close(self, timeout: float = 1.0) -> None:
        """End the process. Drops messages that weren't delivered yet; more than once does no harm.

        Parameters
        ----------
        timeout : float
            Seconds that a child with a farewell has to end by itself. Then it is terminated, then killed, which takes
            another second at most.
        """
        if self._process is None:
            return
        self._mailbox.close()
        if self._farewell is not None:
            self._outgoing.put((self._farewell,))
            self._process.join(timeout)
        self._reap()

    def _reap(self) -> int:
        """Make sure that the process is dead, and free what it used; its exit code."""
        process, self._process = self._process, None
        assert process is not None and self._connection is not None
        for end in (process.terminate, process.kill):
            if process.exitcode is None:
                end()
                process.join(_SECONDS_TO_DIE)
        code = process.exitcode
        # The child's end is closed now, so neither thread can be stuck in the pipe.
        self._outgoing.put(None)
        for thread in self._threads:
            thread.join(_SECONDS_TO_DIE)
        self._connection.close()
        if code is not None:
            process.close()
        return -9 if code is None else code

    def _on_end(self) -> None:
        if self._process is not None:
            self._process.join(_SECONDS_TO_DIE)  # its pipes are closed a moment before it is gone
            self.ended.emit(self._reap())

    # In threads of their own ------------------------------------------------------------------------

    def _read(self, connection: Connection, sentinel: int) -> None:
        # Bytes first: a pickle that can't be read must not look like the end of the pipe.
        with contextlib.suppress(EOFError, OSError):
            while connection in wait([connection, sentinel]):
                data = connection.recv_bytes()
                try:
                    message = pickle.loads(data)
                except Exception:
                    _log.exception("A message of %s can't be read.", self._target)
                    continue
                self._mailbox.leave(partial(self.received.emit, message))
        wait([sentinel], _SECONDS_FROM_SILENCE_TO_END)
        self._mailbox.leave(self._on_end)

    def _write(self, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            while (letter := self._outgoing.get()) is not None:
                connection.send(*letter)


@contextlib.contextmanager
def asked_process(
    target: str, *arguments: Any, niceness: int = 5, is_wanted: Callable[[], bool] = lambda: True
) -> Iterator[Callable[[object], Any]]:
    """Start a process that answers one question at a time, for a thread that may wait: not for the GUI's.

    Parameters
    ----------
    target : str
        ``"module:function"``; called with the child's end of the pipe, then ``arguments``.
    *arguments
        Must pickle.
    niceness : int
    is_wanted : callable
        Asked while an answer is waited for.

    Yields
    ------
    callable
        Sends a question, and gives the answer. Raises CancelledError once it isn't wanted any more, and EOFError or
        OSError if the process has ended.
    """
    context = multiprocessing.get_context("spawn")
    connection, child_end = context.Pipe()
    arguments = (target, niceness, child_end, *arguments)
    process = context.Process(target=child_main, args=arguments, name=target, daemon=True)
    with _no_main_module():
        process.start()
    child_end.close()

    def ask(question: object) -> Any:
        connection.send(question)
        while not connection.poll(_SECONDS_BETWEEN_LOOKS):
            if not is_wanted():
                raise CancelledError
        return connection.recv()

    try:
        yield ask
    finally:
        connection.close()
        for end in (process.terminate, process.kill):
            if process.exitcode is None:
                end()
                process.join(_SECONDS_TO_DIE)
        if process.exitcode is not None:
            process.close()


class Executor(QObject):
    """Threads of low priority, two by default, for short jobs, such as decoding pictures and making thumbnails.

    Parameters
    ----------
    threads : int
    niceness : int
        By how much the threads give way to others; 0 for what a person waits for.
    parent : QObject, optional
    """

    def __init__(self, threads: int = 2, niceness: int = 10, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._niceness = niceness
        self._mailbox = Mailbox(self)
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._generation = 0
        self._closed = False
        # Daemons, so that a picture on a network drive that doesn't answer can't keep the window's process alive.
        self._threads = tuple(_thread(self._work) for _ in range(threads))

    def submit(
        self,
        job: Callable[..., T],
        *arguments: Any,
        done: Callable[[T], object] | None = None,
        failed: Callable[[Exception], object] | None = None,
    ) -> Future[T]:
        """Run ``job(*arguments)`` in a thread.

        Parameters
        ----------
        job : callable
            Must not touch widgets.
        *arguments
        done, failed : callable, optional
            Called with the result, or with the exception, in the GUI thread; not if the future was cancelled,
            :meth:`forget` or :meth:`close` was called since, or the callable (or that of a ``partial``) belongs to a
            deleted Qt object. Without ``failed`` an exception is logged.

        Returns
        -------
        Future
            ``cancel()`` it if the result isn't wanted any more; don't wait for it in the GUI thread.
        """
        future: Future[T] = Future()
        if self._closed:
            future.cancel()
        else:
            self._jobs.put((future, partial(job, *arguments), done, failed, self._generation))
        return future

    def forget(self) -> None:
        """Want none of the results that are outstanding: jobs not begun are dropped, later answers are stale."""
        self._generation += 1
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()[0].cancel()

    def close(self, timeout: float = 0.2) -> None:
        """Drop all jobs; waits so many seconds at most for those that run."""
        if self._closed:
            return
        self._closed = True
        self.forget()
        self._mailbox.close()
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        _lower_priority(self._niceness)
        while (item := self._jobs.get()) is not None:
            future, job, done, failed, generation = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except Exception as error:
                future.set_exception(error)
                self._mailbox.leave(partial(self._tell, failed or _log_failure, error, generation))
            else:
                future.set_result(result)
                if done is not None:
                    self._mailbox.leave(partial(self._tell, done, result, generation))
            # Else the last picture would stay in memory until the next job.
            del item, future, job, done, failed
            result = None

    def _tell(self, callback: Callable[[Any], object], value: Any, generation: int) -> None:
        owner = getattr(getattr(callback, "func", callback), "__self__", None)
        if generation == self._generation and (not isinstance(owner, QObject) or isalive(owner)):
            callback(value)


def _thread(run: Callable[..., None], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=run, args=arguments, name=f"spml-{run.__name__.strip('_')}", daemon=True)
    thread.start()
    return thread


def _lower_priority(niceness: int) -> None:
    # On Linux priorities are those of threads; elsewhere this would slow the window itself down.
    if niceness and sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


def _log_failure(error: Exception) -> None:
    _log.error("A background job failed.", exc_info=error)


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep a child that is spawned from importing the script that started the window.

    It would import napari for nothing; and a script without the ``if __name__ == "__main__"`` guard would open another
    window.
    """
    with _MAIN_MODULE:  # threads start processes as well
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
