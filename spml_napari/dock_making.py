"""How each dock is made of what a workbench holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from spml_napari.docks.classes import ClassesDock
from spml_napari.docks.export import ExportDock
from spml_napari.docks.film_bar import FilmBar
from spml_napari.docks.inspect import InspectDock
from spml_napari.docks.key_bar import KeyBar
from spml_napari.docks.pictures import PicturesDock
from spml_napari.docks.propagate import PropagateDock
from spml_napari.docks.suggest_options import SuggestOptions
from spml_napari.docks.tools import ToolsDock
from spml_napari.docks.training import TrainingDock
from spml_napari.docks.welcome import WelcomeDock

if TYPE_CHECKING:
    from spml_napari.workbench import Workbench


def _welcome(bench: Workbench) -> QWidget:
    return WelcomeDock(bench.session, bench.executor.submit, bench.viewer)


def _pictures(bench: Workbench) -> QWidget:
    control = bench.predictions
    return PicturesDock(
        bench.session, bench.executor.submit, control.predicted_ids, control.go_to_next, bench.films
    )


def _tools(bench: Workbench) -> QWidget:
    dock = ToolsDock(bench.session, SuggestOptions(bench.session, bench.suggestions, bench.ranking))
    dock.region_count_changed.connect(bench.predictions.set_region_count)
    dock.region_count_changed.connect(bench.suggestions.set_level)
    return dock


def _training(bench: Workbench) -> QWidget:
    dock = TrainingDock(bench.session, bench.training)
    dock.set_devices(bench.predictions.devices)
    return dock


def _propagate(bench: Workbench) -> QWidget:
    return PropagateDock(bench.session, bench.propagation, bench.films, bench.measuring)


def _inspect(bench: Workbench) -> QWidget:
    dock = InspectDock(bench.session, bench.predictions, bench.seeds, bench.executor.submit)
    dock.place_chosen.connect(bench.go_to_place)
    return dock


def _classes(bench: Workbench) -> QWidget:
    return ClassesDock(bench.session)


def _export(bench: Workbench) -> QWidget:
    return ExportDock(bench.session, bench.executor.submit)


def _film(bench: Workbench) -> QWidget:
    bar = FilmBar(bench.session, bench.player, bench.films)
    bar.set_worst_frame(bench.propagation.worst_frame)
    return bar


def _keys(bench: Workbench) -> QWidget:
    return KeyBar(bench.session)


DOCKS: dict[str, Callable[[Workbench], QWidget]] = {
    "welcome": _welcome,
    "pictures": _pictures,
    "classes": _classes,
    "tools": _tools,
    "training": _training,
    "propagate": _propagate,
    "inspect": _inspect,
    "export": _export,
    "film": _film,
    "keys": _keys,
}
"""By the docks' names."""
