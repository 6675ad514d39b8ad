"""What the tests run in child processes. Not a test module: the children import it by name."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from spml_core.engine.background.messages import (
    Continue,
    Failed,
    Pause,
    Preview,
    ShowPicture,
    Stop,
    Trained,
    TrainingOrder,
)
from spml_core.training.events import CheckpointSaved, StageProgress, StepDone, Warned


def echo(connection, greeting):
    """Send a greeting and the names of loaded modules, then every message back."""
    connection.send((greeting, sorted({name.split(".")[0] for name in sys.modules})))
    while True:
        message = connection.recv()
        if message == "stop":
            return
        connection.send(message)


def crash(connection):
    connection.send("before")
    os._exit(7)


def fail(connection):
    connection.send("before")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the traceback is expected
    raise ValueError("expected")


def kill_self(connection):
    for i in range(50):
        connection.send(i)
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_a_message(connection):
    """Announce more bytes than come."""
    connection.send("before")
    os.write(connection.fileno(), b"\x00\x00\x10\x00half")
    os.kill(os.getpid(), signal.SIGKILL)


class CannotBeRead:
    def __reduce__(self):
        return (int, ("no number",))


def send_nonsense(connection):
    connection.send(CannotBeRead())
    connection.send("after")
    connection.recv()


def flood(connection, count):
    for i in range(count):
        connection.send(i)
    connection.recv()


def deaf(connection):
    """Read nothing, and take no notice of SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.send("ready")
    while True:
        time.sleep(60)


def busy_sender(connection):
    """Send without a pause until the end."""
    block = bytes(100_000)
    while True:
        connection.send(block)


# What a training process does, without the learning ---------------------------------------------------


def _begin(connection):
    """Take the order, write a model into the run's folder, and give the order."""
    order = connection.recv()
    assert isinstance(order, TrainingOrder)
    folder = Path(order.project) / "runs" / order.run_id
    (folder / "model.safetensors").write_text("{}")
    (folder / "checkpoint.safetensors").write_text("")
    connection.send(StageProgress("features", 1, 3, 30.0))
    return order


def _step(number):
    return StepDone(number, 100, {"total": 1.0 / number, "cross_entropy": 0.5 / number}, 10.0)


def train_to_the_end(connection):
    order = _begin(connection)
    connection.send(Warned(f"order {order}"))
    connection.send(Warned("the same"))
    connection.send(Warned("the same"))
    for number in range(1, 6):
        connection.send(_step(number))
    connection.send(Trained(False, 0.75))


def train_until_stopped(connection):
    """Take a step every few milliseconds; repeat every message as a warning, and preview the shown picture."""
    order = _begin(connection)
    shown, paused, number = (order.shown, order.shrink), False, 0
    while True:
        if not paused:
            number += 1
            connection.send(_step(number))
            if shown[0] is not None:
                labels = np.full((2, 3), number % 2, np.uint8)
                connection.send(Preview(shown[0], shown[1], labels, number))
        while connection.poll(0.005):
            message = connection.recv()
            connection.send(Warned(repr(message)))
            if isinstance(message, Stop):
                connection.send(Trained(True, None))
                return
            if isinstance(message, ShowPicture):
                shown = (message.picture_id, message.shrink)
            if isinstance(message, Pause | Continue):
                paused = isinstance(message, Pause)


def train_and_say_why_not(connection):
    connection.recv()
    connection.send(Failed("The picture 'x' can't be read.", "Take it out of the project."))


def train_and_be_killed(connection):
    order = _begin(connection)
    connection.send(_step(1))
    connection.send(CheckpointSaved(40, order.run_id))
    os.kill(os.getpid(), signal.SIGKILL)


def be_killed_before_training(connection):
    connection.recv()
    os.kill(os.getpid(), signal.SIGKILL)


def train_and_not_listen(connection):
    """Never stop, whatever is said, and don't leave on SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _begin(connection)
    connection.send(_step(1))
    while True:
        time.sleep(60)


def train_fast(connection):
    """Send messages as fast as a training does at its quickest, with large previews, until told to stop."""
    order = _begin(connection)
    for number in range(1, 2001):
        connection.send(_step(number))
        if number % 100 == 0:
            connection.send(Preview(order.shown, order.shrink, np.zeros((1500, 2000), np.uint8), number))
    connection.send(Trained(False, 0.5))
