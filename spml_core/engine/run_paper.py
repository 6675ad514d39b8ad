"""The paper's algorithms on a folder of pictures: data, network and settings put together (METHODS.md 1.17)."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from spml_core.config import Variant
from spml_core.devices import find_device
from spml_core.errors import ConfigError
from spml_core.images import SUFFIXES
from spml_core.io.outputs import Kept, check_output_folder
from spml_core.models.paper_network import PaperNetwork
from spml_core.paper.algorithms import run_algorithm
from spml_core.paper.context import PaperContext
from spml_core.paper.data import PaperData
from spml_core.paper.densepose_tree import read_densepose
from spml_core.paper.network import starting_network
from spml_core.paper.presets import PaperPreset, adapted, paper_preset
from spml_core.paper.run_folder import SETTINGS_FILE, RunFolder
from spml_core.paper.voc_tree import read_voc
from spml_core.training.events import Event, Warned

_DATA = SUFFIXES | {".npy", ".mat", ".xml", ".txt"}
"""Endings of what data sets hold."""

_NO_WEIGHTS = (
    "No --weights: the backbone has torchvision's ImageNet weights and stem, not the paper's deep stem."
)


@dataclass(frozen=True)
class PaperOptions:
    """What a user may ask for beside the preset; None leaves the published value.

    Attributes
    ----------
    variant : {"paper", "scripts"}
    backbone : str or None
    width : float
        Factor on the backbone's channels.
    weights : Path or None
        Weights the backbone starts from; without, torchvision's at full width and random ones at any other.
    iterations : int or None
        Of the embedding; the heads' shrink or grow with it.
    batch, crop : int or None
        Pictures in a step, pixels along a crop's side; the size of test pictures goes with the crop.
    seed : int or None
    device : str
    """

    variant: Variant = "paper"
    backbone: str | None = None
    width: float = 1.0
    weights: Path | None = None
    iterations: int | None = None
    batch: int | None = None
    crop: int | None = None
    seed: int | None = None
    device: str = "auto"


def run_paper(
    name: str, folder: Path, out: Path, options: PaperOptions | None = None
) -> Generator[Event, None, None]:
    """Run a preset on a data set, or go on with it where it was broken off.

    Parameters
    ----------
    name : str
        Of the preset.
    folder : Path
        PASCAL VOC's tree (:mod:`spml_core.paper.voc_tree`), or DensePose's
        (:mod:`spml_core.paper.densepose_tree`).
    out : Path
        Where the run keeps what it makes.
    options : PaperOptions, optional

    Yields
    ------
    Event
        See :func:`run_algorithm`; warnings of the reader come first.

    Raises
    ------
    SpmlError
        If parts of the data are missing (before anything is started), a setting is wrong, the folder belongs to
        another run, or a file is damaged.
    """
    options = options or PaperOptions()
    _check_out(out, folder)
    device = find_device(options.device)
    preset = adapted(
        paper_preset(name, options.variant),
        backbone=options.backbone,
        iterations=options.iterations,
        batch=options.batch,
        crop=options.crop,
        seed=options.seed,
    )
    data, warnings = read_data(preset, folder)
    if options.weights is None and options.width == 1:
        warnings = (*warnings, _NO_WEIGHTS)
    # Once before anything is started, so that a wrong name or file shows at once.
    build_network(preset, options, data)
    settings = run_settings(preset, options, data)
    with RunFolder(out, settings) as run:
        for warning in warnings:
            yield Warned(warning)
        context = PaperContext(
            preset, data, run, device, preset.seed, lambda: build_network(preset, options, data)
        )
        yield from run_algorithm(context)


def _check_out(out: Path, data: Path) -> None:
    """See that a run doesn't put its files among those of its data; a folder of its own in there is fine."""
    root = data.resolve()
    around = [each for each in (out.resolve(), *out.resolve().parents) if each.is_relative_to(root)]
    # Stages have names like the folders of some data sets.
    taken = [each for each in around if each != root and _holds_data(each)]
    taken += [root] if around[:1] == [root] else []
    check_output_folder(out, [Kept("data set's folder", folders=taken, beside=True)])


def _holds_data(folder: Path) -> bool:
    if not folder.is_dir() or (folder / SETTINGS_FILE).is_file():
        return False
    return any(path.suffix.lower() in _DATA for path in folder.iterdir())


def read_data(preset: PaperPreset, folder: Path) -> tuple[PaperData, tuple[str, ...]]:
    """The preset's data from a folder, and warnings to show."""
    if preset.data == "densepose":
        return read_densepose(folder)
    return read_voc(folder, preset.annotation)


def build_network(preset: PaperPreset, options: PaperOptions, data: PaperData) -> PaperNetwork:
    """The embedding network before training."""
    return starting_network(preset, data.num_classes, width=options.width, weights=options.weights)


def run_settings(preset: PaperPreset, options: PaperOptions, data: PaperData) -> dict[str, object]:
    """All that the results depend on, the device aside."""
    weights = None
    if options.weights is not None:
        try:
            with options.weights.open("rb") as file:
                weights = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ConfigError(
                f"The weights {options.weights} can't be read: {error.strerror}.", "Check the path."
            ) from error
    return {**asdict(preset), "width": options.width, "weights": weights, "data": data.digest()}
