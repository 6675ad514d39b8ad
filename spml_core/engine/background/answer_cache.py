"""What the answering process remembers, within a fixed amount of memory. Needs no torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class SizedCache(Generic[Value]):
    """The last used values, as many as fit.

    Parameters
    ----------
    limit : int
        What the sizes of the values may add up to.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """The value, or None if it isn't remembered."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: Hashable, value: Value, size: int) -> None:
        """Remember a value of this size, and forget the longest unused; one larger than the limit isn't kept."""
        self.size -= self._values.pop(key, (None, 0))[1]
        if size > self.limit:
            return
        self._values[key] = (value, size)
        self.size += size
        while self.size > self.limit:
            self.size -= self._values.popitem(last=False)[1][1]
