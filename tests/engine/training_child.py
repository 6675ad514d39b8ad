"""A training process, really spawned, and our end of its pipe."""

import contextlib
import multiprocessing

from spml_core.config import TrainConfig
from spml_core.engine.background.messages import Failed, Trained, TrainingOrder
from spml_core.engine.background.training_process import serve_training

SECONDS = 240
CONFIG = TrainConfig(
    steps=100_000,  # nobody waits for the end
    scales=(1.0,),
    embedding_dim=8,
    batch=2,
    samples=100,
    regions=(6, 20),
    device="cpu",
    max_seconds=3600,
)


class Child:
    """A spawned training process and our end of its pipe."""

    def __init__(self, order=None):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve_training, args=(theirs,))
        self.process.start()
        theirs.close()
        self.heard = []
        if order is not None:
            self.pipe.send(order)

    def say(self, message):
        self.pipe.send(message)

    def hear(self, until):
        """Listen until a message for which ``until`` says yes; that message."""
        while True:
            assert self.pipe.poll(SECONDS), f"silence after {self.heard[-3:]}"
            message = self.pipe.recv()
            self.heard.append(message)
            if until(message):
                return message
            assert not isinstance(message, Failed | Trained), message

    def hear_kind(self, *kinds):
        return self.hear(lambda message: isinstance(message, kinds))

    def join(self):
        self.process.join(SECONDS)
        return self.process.exitcode

    def end(self):
        with contextlib.suppress(OSError):
            self.pipe.close()
        self.process.join(SECONDS)
        if self.process.exitcode is None:
            self.process.kill()


def order(project, run, **kwargs):
    return TrainingOrder(str(project.path), run.id, **kwargs)
