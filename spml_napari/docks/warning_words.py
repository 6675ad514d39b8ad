"""Several warnings as one text for a notification. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 6


def shortened(warnings: Sequence[str]) -> str:
    """Return the first warnings, a line each, and how many more there are."""
    more = len(warnings) - SHOWN
    lines = [*warnings[:SHOWN], *([f"... and {more} more."] if more > 0 else [])]
    return "\n".join(lines)
