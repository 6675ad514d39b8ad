"""How parallel loops share the processor with others. It has to be said before numpy and torch are loaded."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let waiting threads sleep and numpy multiply in one thread; what the environment says already is kept.

    By default threads that wait for their part of a parallel loop spin for some milliseconds. Alone on a machine that
    hardly matters. Beside another busy process each spinning thread keeps a core from the one it waits for: on two
    shared cores a forward pass took ten times as long. numpy's matrices are small here: dealing them out to threads
    costs more than it gains, and beside a busy process thirty times as much. To be called before numpy and torch are
    loaded, which read it once, and before child processes begin.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
