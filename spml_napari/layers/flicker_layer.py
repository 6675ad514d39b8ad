"""The flicker map of a film as a layer over its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject

from spml_core.engine.background.film_score_messages import FilmScored

if TYPE_CHECKING:
    from spml_napari.measure_control import MeasureControl

COLORMAP = "inferno"
"""Perceptually uniform, black where nothing flickers: there the picture shows through."""
_LEAST = 1e-3


class FlickerLayer(QObject):
    """Shows what was measured while it is asked for; the layer is made when first needed.

    Parameters
    ----------
    viewer : napari.Viewer
    control : MeasureControl
    """

    def __init__(self, viewer: Any, control: MeasureControl, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._control = control
        self._shown: FilmScored | None = None
        self.layer: Image | None = None
        control.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Show, or hide, what the control holds."""
        scored = self._control.scored if self._control.shows_flicker else None
        layers = self._viewer.layers
        if scored is None:
            if self.layer is not None and self.layer in layers:
                layers.remove(self.layer)
            self.layer = self._shown = None
            return
        if self.layer is not None and self._shown is scored and self.layer in layers:
            return
        active = layers.selection.active
        if self.layer is not None and self.layer in layers:
            layers.remove(self.layer)
        values = np.nan_to_num(scored.flicker)
        self.layer = Image(
            values,
            name="Flicker",
            colormap=COLORMAP,
            blending="additive",
            contrast_limits=(0.0, max(float(values.max(initial=0.0)), _LEAST)),
        )
        self._shown = scored
        self._viewer.add_layer(self.layer)
        # Tools and keys stay with the picture.
        if active is not None and active in layers:
            layers.selection.active = active
