"""What the tests of propagation run in child processes. Not a test module: the children import it by name."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from spml_core.engine.background.messages import Continue, Failed, MarksChanged, Pause, Stop
from spml_core.engine.background.propagate_messages import FrameDone, Propagated, PropagateOrder, Warned
from spml_core.engine.film_results import FilmResults
from spml_core.project import Project


def _begin(connection):
    order = connection.recv()
    assert isinstance(order, PropagateOrder)
    return order


def _frame(order, index, total):
    """Put a result on the disk, as the real process does, and tell of it."""
    with Project.open(Path(order.project), write=False) as project:
        film = project.film(order.film)
        labels = np.full((film.height, film.width), 1, np.uint8)
        found = SimpleNamespace(
            index=index, labels=labels, confidence=0.5, source="forward", final=True, is_cut=False
        )
        with FilmResults.of(project, film) as results:
            results.put(found, "key")
    return FrameDone(index, index + 1, total, (index + 1) / total, 0.5, "forward", True, False, 5.0)


def do_a_few_frames(connection):
    """Three frames, the order as a warning, the end."""
    order = _begin(connection)
    connection.send(Warned(repr(order)))
    connection.send(Warned("the same"))
    connection.send(Warned("the same"))
    for index in range(3):
        connection.send(_frame(order, index, 3))
    connection.send(Propagated(0, 2, 3, 3, 1.0, False, 0.5, 2))


def go_on_until_stopped(connection):
    """A frame every few milliseconds, round and round; say each message back as a warning."""
    order = _begin(connection)
    paused, index = False, 0
    while True:
        if not paused:
            connection.send(_frame(order, index % 30, 30))
            index += 1
        while connection.poll(0.02):
            message = connection.recv()
            connection.send(Warned(f"{type(message).__name__} {index}"))
            if isinstance(message, Stop):
                connection.send(Propagated(0, 29, index, index, 1.0, True, 0.5, None))
                return
            if isinstance(message, Pause | Continue):
                paused = isinstance(message, Pause)
            assert isinstance(message, Pause | Continue | MarksChanged)


def say_why_not(connection):
    _begin(connection)
    connection.send(Failed("The film was moved.", "Put it back."))


def be_killed(connection):
    order = _begin(connection)
    connection.send(_frame(order, 0, 3))
    os.kill(os.getpid(), signal.SIGKILL)


def be_deaf(connection):
    """Take the order, and hear nothing more."""
    order = _begin(connection)
    connection.send(_frame(order, 0, 3))
    while True:
        signal.pause()
