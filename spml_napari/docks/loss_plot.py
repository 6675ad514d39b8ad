"""Live plot of the loss terms."""

from __future__ import annotations

from collections.abc import Mapping

import pyqtgraph
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QColor, QPalette, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from spml_napari.docks.loss_trace import LossTrace, smooth
from spml_napari.docks.parts import note

# Okabe and Ito's colours, those that stand out on light and on dark ground alike.
_COLORS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#3f87d0")
_NAMES = {
    "total": "total",
    "cross_entropy": "classification",
    "image_similarity": "image similarity",
    "annotation": "annotation",
    "cooccurrence": "co\u2011occurrence",
    "affinity": "affinity",
}
_MS_BETWEEN_DRAWINGS = 250
_FAINT = 70


class LossPlot(QWidget):
    """A smoothed line over a faint raw one for each loss term, with a legend below that tells the latest values.

    It is drawn four times a second at most, and only while it can be seen. It can't be dragged or zoomed, so that the
    wheel scrolls the dock.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("loss_plot")
        self.setToolTip(
            "Loss terms by learning step: the lower, the better the marks are explained.\n"
            "Terms aren't comparable with each other; the total is their weighted sum."
        )
        self._traces: dict[str, LossTrace] = {}
        self._curves: dict[str, tuple[pyqtgraph.PlotCurveItem, pyqtgraph.PlotCurveItem]] = {}
        self._plot = _fixed_plot()
        self._legend = note()
        self._legend.setObjectName("loss_legend")
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._plot)
        layout.addWidget(self._legend)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MS_BETWEEN_DRAWINGS)
        self._timer.timeout.connect(self._draw)
        self._recolor()

    def append(self, step: int, losses: Mapping[str, float]) -> None:
        """Add the terms of a step; drawn a little later."""
        for name, value in losses.items():
            if name not in self._traces:
                self._traces[name] = LossTrace()
            self._traces[name].append(step, value)
        if not self._timer.isActive():
            self._timer.start()

    def clear(self) -> None:
        """Begin anew."""
        self._traces.clear()
        for name in list(self._curves):
            for curve in self._curves.pop(name):
                self._plot.removeItem(curve)
        self._tell()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms that it holds."""
        return tuple(self._traces)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw what came while it was hidden."""
        super().showEvent(event)
        self._draw()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Follow the theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._recolor()

    def _draw(self) -> None:
        if not self.isVisible():
            return
        drawn = {name: trace.points() for name, trace in self._traces.items()}
        for name, (steps, values) in drawn.items():
            raw, smoothed = self._curves_of(name)
            raw.setData(steps, values)
            smoothed.setData(steps, smooth(values, max(5, len(values) // 15)))
        full = [(steps, values) for steps, values in drawn.values() if len(steps)]
        if full:
            # Found once for all, which is much quicker than pyqtgraph's own way, curve by curve.
            self._plot.setRange(
                xRange=(min(steps[0] for steps, _ in full), max(steps[-1] for steps, _ in full)),
                yRange=(min(values.min() for _, values in full), max(values.max() for _, values in full)),
                padding=0.02,
            )
        self._tell()

    def _curves_of(self, name: str) -> tuple[pyqtgraph.PlotCurveItem, pyqtgraph.PlotCurveItem]:
        if name not in self._curves:
            self._curves[name] = pyqtgraph.PlotCurveItem(), pyqtgraph.PlotCurveItem()
            for curve in self._curves[name]:
                self._plot.addItem(curve)
            self._color_curves(name)
        return self._curves[name]

    def _tell(self) -> None:
        entries = [
            f'<span style="white-space: nowrap"><span style="color: {self._color(name).name()}">&#9632;</span>'
            f"&nbsp;{_NAMES.get(name, name).replace(' ', '&nbsp;')}&nbsp;{trace.latest:.3g}</span>"
            for name, trace in self._traces.items()
        ]
        self._legend.setText("&ensp; ".join(entries))

    # Colours ----------------------------------------------------------------------------------------

    def _color(self, name: str) -> QColor:
        if name == "total":
            return self.palette().color(QPalette.ColorRole.WindowText)
        others = [other for other in self._traces if other != "total"]
        return QColor(_COLORS[others.index(name) % len(_COLORS)])

    def _color_curves(self, name: str) -> None:
        faint = self._color(name)
        faint.setAlpha(_FAINT)
        raw, smoothed = self._curves[name]
        raw.setPen(pyqtgraph.mkPen(faint))
        smoothed.setPen(pyqtgraph.mkPen(self._color(name), width=2))

    def _recolor(self) -> None:
        text = self.palette().color(QPalette.ColorRole.WindowText)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setTextPen(text)
            axis.setPen(text)
        for name in self._curves:
            self._color_curves(name)
        if self._traces:
            self._tell()


def _fixed_plot() -> pyqtgraph.PlotWidget:
    plot = pyqtgraph.PlotWidget(background=None)
    plot.setMouseEnabled(x=False, y=False)
    plot.disableAutoRange()
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMinimumHeight(130)
    plot.setMaximumHeight(200)
    plot.getAxis("left").setWidth(34)
    plot.getAxis("bottom").setHeight(20)
    for side in ("left", "bottom"):
        plot.getAxis(side).setStyle(maxTickLevel=0, tickLength=-4)
    # The wheel is for the dock around it.
    plot.viewport().setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    plot.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return plot
