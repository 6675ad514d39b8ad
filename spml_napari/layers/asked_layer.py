"""The region whose answer would teach most, outlined."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from scipy.ndimage import binary_dilation, binary_erosion

from spml_napari.layers.geometry import Window, placement
from spml_napari.layers.raster_layer import put, raster_layer, show_raster
from spml_napari.session import Session
from spml_napari.view_state import ShownSuggestion, Tool

_LINE, _RIM = 1, 2
_CLEAR = (0.0, 0.0, 0.0, 0.0)
# White on black is seen on any picture and any class's colour.
_COLORS = {None: _CLEAR, 0: _CLEAR, _LINE: (1.0, 1.0, 1.0, 1.0), _RIM: (0.0, 0.0, 0.0, 1.0)}
_THIN = 400
"""A line is one pixel wide in pictures of so many pixels."""


class AskedLayer:
    """Follows ``session.suggestion``: its ``next_region`` is outlined while suggestions are looked at.

    The layer's raster is no larger than the region, so that it costs the screen little.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.layer: Labels = raster_layer("Answer this next", DirectLabelColormap(color_dict=_COLORS))
        self.layer.visible = False
        self._shown: tuple[object, int] | None = None
        self._links = (session.suggestion_changed, session.overlay_changed, session.tool_changed)
        for signal in self._links:
            signal.connect(self.refresh)

    def detach(self) -> None:
        """Follow no more."""
        for signal in self._links:
            signal.disconnect(self.refresh)

    def refresh(self) -> None:
        """Outline what the session's suggestion asks for."""
        suggestion = self.session.suggestion
        is_wanted = self.session.seen_suggestion is not None or self.session.tool is Tool.ANSWER
        number = None if suggestion is None else suggestion.next_region
        if suggestion is None or number is None or not (is_wanted and self.session.overlay.visible):
            put(self.layer, visible=False)
            return
        if self._shown != (suggestion.regions, number):
            self._shown = suggestion.regions, number
            self._outline(suggestion, number)
        put(self.layer, visible=not suggestion.regions.window({number}).is_empty)

    def _outline(self, suggestion: ShownSuggestion, number: int) -> None:
        regions = suggestion.regions
        window, shape = regions.window({number}), regions.labels.shape
        if window.is_empty:
            return
        line = max(1, round(max(shape) / _THIN))
        around = Window(
            window.top - line, window.left - line, window.bottom + line, window.right + line
        ).within(shape)
        inside = regions.mask({number}, around)
        # The picture's border is a border of the region, too.
        core = binary_erosion(inside, iterations=line)
        values = np.zeros(inside.shape, np.uint8)
        values[binary_dilation(inside, iterations=line) & ~inside] = _RIM
        values[inside & ~core] = _LINE
        show_raster(self.layer, values, regions.shrink)
        offset = placement(regions.shrink)["translate"][0]
        top, left = (place * regions.shrink + offset for place in (around.top, around.left))
        put(self.layer, translate=(top, left))
