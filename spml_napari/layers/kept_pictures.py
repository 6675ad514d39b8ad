"""Decoded pictures that are kept in memory, as many as there is room for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from spml_napari.layers.shown_picture import ShownPicture

K = TypeVar("K", bound=Hashable)

KEPT_BYTES = 256 << 20
"""Memory for them; the one on the canvas is kept, however large it is."""


class KeptPictures(Generic[K]):
    """Those that were used last."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[K, ShownPicture] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        return key in self._pictures

    def get(self, key: K) -> ShownPicture | None:
        """Use a picture; None if it isn't kept."""
        if key in self._pictures:
            self._pictures.move_to_end(key)
        return self._pictures.get(key)

    def keep(self, key: K, picture: ShownPicture, wanted: K | None) -> None:
        """Keep a picture, and drop others where there is no room; the wanted one is never dropped."""
        self._pictures[key] = picture
        self._pictures.move_to_end(key)
        total = sum(kept.bytes_in_memory for kept in self._pictures.values())
        for other in list(self._pictures):
            if total > KEPT_BYTES and other != wanted:
                total -= self._pictures.pop(other).bytes_in_memory

    def clear(self) -> None:
        """Drop all."""
        self._pictures.clear()
