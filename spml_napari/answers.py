"""What a prediction control needs of the process that answers it. No Qt."""

from __future__ import annotations

from typing import Any, Protocol


class Answers(Protocol):
    """The answering process, as :class:`spml_napari.workers.ChildProcess` is."""

    received: Any
    ended: Any

    def send(self, message: object) -> None:
        """Send a question."""

    def close(self, timeout: float = 1.0) -> None:
        """End the process."""
