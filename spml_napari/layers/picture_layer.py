"""The picture itself, as a napari image: plain, or by levels where it is large."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Layer

from spml_napari.layers.raster_layer import give_data, put
from spml_napari.layers.shown_picture import ShownPicture

NAME = "Picture"


class PictureLayer:
    """Holds the layer of the open picture; another layer takes its place only when levels come or go.

    Parameters
    ----------
    viewer : napari.Viewer
        The layer is put at the bottom of its layers.

    Attributes
    ----------
    layer : napari.layers.Image
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layer = _plain_layer()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer."""
        return (self.layer,)

    def clear(self) -> None:
        """Show nothing."""
        put(self.layer, visible=False)

    def show(self, picture: ShownPicture) -> None:
        """Show a picture over the size its record has, however coarse the given pixels are."""
        levels = picture.levels
        if len(levels) > 1:
            layer = Image(list(levels), rgb=True, multiscale=True, name=NAME, visible=False)
            self._replace(layer)
        elif self.layer.multiscale:
            self._replace(_plain_layer())
        if len(levels) == 1:
            give_data(self.layer, levels[0])
        height, width = levels[0].shape[:2]
        scale = np.array([picture.record.height / height, picture.record.width / width])
        put(self.layer, scale=scale, translate=(scale - 1) / 2, visible=True)

    def _replace(self, layer: Image) -> None:
        layers = self._viewer.layers
        old, self.layer = self.layer, layer
        if old in layers:
            place = layers.index(old)
            was_active = layers.selection.active is old
            layers.insert(place, layer)
            layers.remove(old)
            if was_active:
                layers.selection.active = layer


def _plain_layer() -> Image:
    return Image(np.zeros((1, 1, 3), np.uint8), rgb=True, name=NAME, visible=False)
