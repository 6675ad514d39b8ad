"""The prediction, a suggestion, or what marks were taken for, over the picture, as the overlay view asks for it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QElapsedTimer, QObject, QTimer

from spml_core.classes import IGNORE, ClassTable
from spml_napari.class_following import background_of
from spml_napari.docks.following import follow
from spml_napari.layers.colors import HATCHING, label_colormap
from spml_napari.layers.geometry import placement
from spml_napari.layers.marks_raster import VOID
from spml_napari.layers.outlines import outlines
from spml_napari.layers.raster_layer import give_data, put, raster_layer, show_raster
from spml_napari.session import Session
from spml_napari.view_state import UNSURE, OverlayMode, ShownPrediction, ShownSeeds, ShownSuggestion

MIN_INTERVAL_MS = 200
"""Live previews are shown five times a second at most; what the user does shows at once."""

HEAT_COLORMAP = "inferno"
"""Perceptually uniform, dark for certain; ``docks.heat_legend`` explains it."""


Shown = ShownPrediction | ShownSeeds | ShownSuggestion

_STRIPES = 90
"""Stripes of the hatching along the longer side of a picture, about."""


class Overlay(QObject):
    """Shows prediction, suggestion or seeds as ``session.overlay`` says; while it is held, changes wait.

    Attributes
    ----------
    labels : napari.layers.Labels
        Classes, where a compared run says something else, or seeds.
    heat : napari.layers.Image
        Uncertainty.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.labels: Labels = raster_layer("Prediction", label_colormap(session.classes))
        self.heat = Image(
            np.zeros((1, 1), np.uint8),
            name="Uncertainty",
            colormap=HEAT_COLORMAP,
            contrast_limits=(0, 255),
            visible=False,
        )
        self._held = False
        self._frozen = False
        self._colored: tuple[ClassTable, frozenset[int]] | None = None
        self._shown: tuple[Shown, OverlayMode, int] | None = None
        self._since_last = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.refresh)
        follow(
            self,
            {
                session.prediction_changed: self._on_change,
                session.seeds_changed: self._on_change,
                session.suggestion_changed: self._on_suggestion,
                session.overlay_changed: self.refresh,
                session.classes_changed: self.recolor,
            },
        )
        self.refresh()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, lowest first."""
        return self.labels, self.heat

    def hold(self, held: bool) -> None:
        """While held (a stroke is being drawn) nothing new is shown; what came meanwhile shows afterwards."""
        self._held = held
        if not held:
            self._on_change()

    def freeze(self, frozen: bool) -> None:
        """While frozen all stays as it is: the frame under it does, too. Afterwards :meth:`refresh`."""
        self._frozen = frozen

    @property
    def _wanted(self) -> Shown | None:
        session = self.session
        if session.overlay.mode is OverlayMode.SEEDS:
            return session.seeds
        return session.seen

    def _on_suggestion(self) -> None:
        """Show an answer to what the user just did at once; during the next stroke it waits."""
        if not self._held:
            self.refresh()

    def _on_change(self) -> None:
        shown, now = self._shown, self._wanted
        is_next = shown is not None and now is not None and shown[0].picture_id == now.picture_id
        if is_next and self._held:
            return
        if is_next and self._since_last.isValid() and self._since_last.elapsed() < MIN_INTERVAL_MS:
            if not self._timer.isActive():
                self._timer.start(int(MIN_INTERVAL_MS - self._since_last.elapsed()))
            return
        self.refresh()

    def refresh(self) -> None:
        """Show what the session holds, now."""
        self._timer.stop()
        if self._frozen:
            return
        shown, view = self._wanted, self.session.overlay
        if shown is None:
            # Nothing of another picture may stay, however briefly.
            self._shown = None
            put(self.labels, visible=False)
            put(self.heat, visible=False)
            return
        self._since_last.restart()
        wanted = (shown, view.mode, view.contour)
        if self._shown is None or wanted != self._shown:
            self._shown = wanted
            self._fill(shown, view.mode, view.contour)
        is_heat = view.mode is OverlayMode.UNCERTAINTY
        self.recolor()
        # Outlines cover little, so they are drawn stronger than areas.
        strength = min(1.0, 2 * view.opacity) if view.contour else view.opacity
        put(self.labels, opacity=strength, visible=view.visible and not is_heat)
        has_heat = is_heat and not isinstance(shown, ShownSeeds) and shown.uncertainty is not None
        put(self.heat, opacity=view.opacity, visible=view.visible and has_heat)

    def recolor(self) -> None:
        """Take the colours of the session's class table, without those of hidden classes."""
        classes, view = self.session.classes, self.session.overlay
        hidden = view.hidden
        if view.mode is OverlayMode.SEEDS:
            # Else background couldn't be told from what isn't known.
            hidden -= background_of(classes)
        wanted = (classes, hidden)
        if wanted != self._colored:
            self._colored = wanted
            self.labels.colormap = label_colormap(*wanted)

    def _fill(self, shown: Shown, mode: OverlayMode, contour: int) -> None:
        if isinstance(shown, ShownSeeds):
            values = seed_values(shown, len(self.session.classes), contour)
            show_raster(self.labels, values, shown.shrink)
            return
        if mode is OverlayMode.UNCERTAINTY:
            if shown.uncertainty is not None:
                put(self.heat, **placement(shown.shrink))
                give_data(self.heat, shown.uncertainty)
            return
        if isinstance(shown, ShownSuggestion):
            values = suggestion_values(shown, len(self.session.classes), contour)
        else:
            values = overlay_values(shown, mode, contour)
        show_raster(self.labels, values, shown.shrink)


def overlay_values(prediction: ShownPrediction, mode: OverlayMode, contour: int) -> NDArray[np.uint8]:
    """Raster values of a prediction: class code + 1, 0 where nothing is shown.

    Parameters
    ----------
    prediction : ShownPrediction
    mode : OverlayMode
        ``DIFFERENCE`` leaves out what the compared run says too, and everything as long as that isn't known.
    contour : int
        0 fills the segments; else they are rims so many pixels wide.

    Returns
    -------
    ndarray (h, w), uint8
    """
    values = prediction.labels + np.uint8(1)  # IGNORE, 255, becomes 0
    if contour:
        values = outlines(values, contour)
    if mode is OverlayMode.DIFFERENCE:
        if prediction.difference is None:
            return np.zeros_like(values)
        values = np.where(prediction.difference, values, np.uint8(0))
    return values


def suggestion_values(suggestion: ShownSuggestion, num_classes: int, contour: int) -> NDArray[np.uint8]:
    """Raster values of a suggestion: class code + 1, 0 where nothing is shown, HATCHING for stripes on the unsure.

    The stripes have a colour of their own, so that they are seen on hidden classes, too.

    Parameters
    ----------
    suggestion : ShownSuggestion
    num_classes : int
        K: higher labels are unknown and show nothing, nor are they hatched.
    contour : int
        0 fills the segments; else they are rims so many pixels wide.

    Returns
    -------
    ndarray (h, w), uint8
    """
    codes = np.zeros(256, np.uint8)
    codes[:num_classes] = np.arange(1, num_classes + 1)
    values: NDArray[np.uint8] = codes[suggestion.labels]
    unsure = (suggestion.uncertainty >= UNSURE) & (values > 0)
    if contour:
        values = outlines(values, contour)
    unsure &= _stripes(*values.shape)
    values[unsure] = HATCHING
    return values


@lru_cache(maxsize=2)
def _stripes(height: int, width: int) -> NDArray[np.bool_]:
    """Thin diagonal lines, True on them."""
    period = max(5, round(1.5 * max(height, width) / _STRIPES))
    rows, columns = np.ogrid[:height, :width]
    return np.asarray((rows + columns) % period < max(1, period // 5))


def seed_values(seeds: ShownSeeds, num_classes: int, contour: int) -> NDArray[np.uint8]:
    """Raster values of seeds: class code + 1, 0 where nothing is shown, 255 for void.

    What a person painted is filled. What was made of boxes, tags or key points is hatched inside a rim, so that the
    picture shows through.

    Parameters
    ----------
    seeds : ShownSeeds
    num_classes : int
        K: higher labels are unknown and show nothing.
    contour : int
        0 hatches; else there are only rims so many pixels wide.

    Returns
    -------
    ndarray (h, w), uint8
    """
    values = np.where(seeds.labels < num_classes, seeds.labels + np.uint8(1), np.uint8(0))
    values[seeds.labels == IGNORE] = VOID
    if contour:
        return outlines(values, contour)
    height, width = values.shape
    stripe = max(2, round(max(height, width) / (2 * _STRIPES)))
    rows, columns = np.ogrid[:height, :width]
    is_gap = (rows + columns) // stripe % 2 == 1
    hatched = np.where(is_gap & ~seeds.painted, np.uint8(0), values)
    return np.maximum(hatched, outlines(values, max(1, stripe // 2)))
