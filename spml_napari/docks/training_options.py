"""How the next training is to be: preset, time, device, and where it starts from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSettings, QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QFormLayout, QSizePolicy, QVBoxLayout, QWidget

from spml_core.config import PRESETS, TrainConfig
from spml_core.errors import SpmlError
from spml_napari.docks.duration_box import DurationBox
from spml_napari.docks.following import follow
from spml_napari.docks.parts import note
from spml_napari.run_summaries import has_model
from spml_napari.settings import load_settings

if TYPE_CHECKING:
    from spml_napari.session import Session
    from spml_napari.training_control import TrainingControl

_PRESET_WORDS = {
    "quick": ("Quick", "Learns from ready-made picture features: minutes, also without a graphics card."),
    "standard": (
        "Standard",
        "Goes on from quick and adapts the features themselves: slower, finer outlines.",
    ),
}
_FILM_WORDS = {
    "": ("Marked frames only", "Of films only the marked frames teach much, as pictures do."),
    "weclick": (
        "Neighbours, too",
        "More from few marks: frames learn from what their neighbours were taken for, moved along (WeClick).",
    ),
    "etc": ("For steadiness", "Labels shall not flicker from frame to frame (ETC)."),
    "both": ("Neighbours and steadiness", "WeClick and ETC together."),
}
_DEVICE_WORDS = {
    "auto": "Automatic",
    "cpu": "Processor (CPU)",
    "cuda": "Graphics card (CUDA)",
    "mps": "Apple GPU (MPS)",
}


class TrainingOptions(QWidget):
    """Form that fills :attr:`TrainingControl.choices`.

    Parameters
    ----------
    session : Session
    control : TrainingControl
    memory : QSettings, optional
        Where the time budget of each preset is remembered; the program's own place by default.
    """

    def __init__(
        self,
        session: Session,
        control: TrainingControl,
        memory: QSettings | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.control = control
        self._memory = memory if memory is not None else QSettings("spml-napari", "spml-napari")
        self._preferred = load_settings()
        self.preset = _choice("training_preset", "How thoroughly to train")
        for key in PRESETS:
            words = _PRESET_WORDS.get(key, (key.capitalize(), ""))
            self.preset.addItem(words[0], key)
        self.about = note()
        self.time = DurationBox()
        self.time.setObjectName("training_time")
        self.time.setToolTip(
            "Time for all of the training, as minutes:seconds. It ends earlier if nothing more can be learned."
        )
        self.device = _choice(
            "training_device", "What computes. Automatic takes a graphics card if there is one."
        )
        self.beginning = _choice(
            "training_beginning",
            "Going on from the current model is faster and keeps what it has learned.\n"
            "From scratch is right after many marks were corrected.",
        )
        self.films = _choice("training_films", "How to learn from the frames of films")
        for key, (name, about) in _FILM_WORDS.items():
            self.films.addItem(name, key)
            self.films.setItemData(self.films.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        form = self._form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Preset", self.preset)
        form.addRow(self.about)
        form.addRow("Time", self.time)
        form.addRow("Device", self.device)
        form.addRow("Begin with", self.beginning)
        form.addRow("Films", self.films)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        self.set_devices(())
        self.preset.setCurrentIndex(max(0, self.preset.findData(self._preferred.preset)))
        self.device.setCurrentIndex(max(0, self.device.findData(self._preferred.device)))
        self.preset.currentIndexChanged.connect(self._on_preset)
        self.time.valueChanged.connect(self._on_time)
        self.device.currentIndexChanged.connect(self._choose)
        self.beginning.currentIndexChanged.connect(self._choose)
        self.films.currentIndexChanged.connect(self._choose)
        follow(
            self,
            {
                session.runs_changed: self._show_beginning,
                session.project_changed: self._on_project,
                session.pictures_changed: self._show_films,
            },
        )
        self._on_preset()
        self._on_project()

    def set_devices(self, devices: Iterable[str]) -> None:
        """Offer these devices besides ``auto``, the preferred one and the processor."""
        chosen = self.device.currentData()
        with QSignalBlocker(self.device):
            self.device.clear()
            for name in dict.fromkeys(("auto", *devices, "cpu", self._preferred.device)):
                self.device.addItem(_DEVICE_WORDS.get(name, name), name)
            self.device.setCurrentIndex(max(0, self.device.findData(chosen)))

    def _on_preset(self) -> None:
        preset = self.preset.currentData()
        self.about.setText(_PRESET_WORDS.get(preset, ("", ""))[1])
        with QSignalBlocker(self.time):
            self.time.setValue(round(self._budget(preset)))
        self._choose()

    def _budget(self, preset: str) -> float:
        """Seconds: what Preferences say, else what was chosen here last, else what the preset says."""
        if preset == self._preferred.preset and self._preferred.max_seconds is not None:
            return self._preferred.max_seconds
        default = TrainConfig.from_preset(preset).max_seconds
        try:
            return float(self._memory.value(f"training/{preset}/seconds", default))
        except (TypeError, ValueError):
            return default

    def _on_time(self, seconds: int) -> None:
        self._memory.setValue(f"training/{self.preset.currentData()}/seconds", seconds)
        self._choose()

    def _choose(self) -> None:
        self.control.choose(
            preset=self.preset.currentData(),
            max_seconds=float(self.time.value()),
            device=self.device.currentData(),
            from_scratch=self.beginning.currentData() == "scratch",
            video=self.films.currentData(),
        )

    def _on_project(self) -> None:
        self._show_beginning()
        self._show_films()

    def _show_films(self) -> None:
        """Ask about films where there are any."""
        project = self.session.project
        there = project is not None and bool(project.films)
        self.films.setVisible(there)
        label = self._form.labelForField(self.films)
        if label is not None:
            label.setVisible(there)

    def _show_beginning(self) -> None:
        """Offer the current model, if there is one."""
        project, number = self.session.project, None
        try:
            current = None if project is None else project.current_run()
        except SpmlError:
            current = None
        if current is not None and has_model(current):
            number = int(current.id.rpartition("-")[2])
        scratch = self.control.choices.from_scratch and number is not None
        with QSignalBlocker(self.beginning):
            self.beginning.clear()
            if number is not None:
                self.beginning.addItem(f"Run {number} (current)", "current")
            self.beginning.addItem("From scratch", "scratch")
            self.beginning.setCurrentIndex(
                max(0, self.beginning.findData("scratch" if scratch else "current"))
            )
            self.beginning.setEnabled(number is not None)


def _choice(name: str, tip: str) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setToolTip(tip)
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box
