"""How parallel loops share the processor with others. Without torch: it has to be said before torch is loaded."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let threads that wait for their part of a parallel loop sleep; what the environment says already is kept.

    By default they spin for some milliseconds. Alone on a machine that hardly matters. Beside another busy process each
    spinning thread keeps a core from the one it waits for: on two shared cores a forward pass took ten times as long.
    To be called before torch is loaded, which reads it once.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
