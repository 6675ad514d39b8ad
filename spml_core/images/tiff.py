"""TIFF: mapped into memory where the samples lie plainly in the file, else decoded by strips or tiles."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from spml_core.errors import PictureError
from spml_core.images.pillow_sources import PillowTiffSource
from spml_core.images.sources import Pixels, Source, upright
from spml_core.images.tiff_pages import open_pages

_GREY_OR_RGB = ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE", "TRANSPARENCY_MASK", "CFA", "LINEAR_RAW")
_JPEG_COMPRESSIONS = (6, 7, 33007)
_JPEG_2000_COMPRESSIONS = (33003, 33004, 33005, 34712)
_ORIENTATION_TAG = 274
_ALPHA = (1, 2)
_COLOURS = ("RGB", "YCBCR")


def open_tiff(path: Path, *, as_stored: bool = False) -> Source:
    """Return the one picture in a TIFF file, upright as its orientation tag says, or as it is stored.

    Axes are those tifffile finds: (H, W), (H, W, C) or (C, H, W), with C named C (channel) or S (sample).

    Raises
    ------
    PictureError
        If the file holds several pages that aren't channels, or samples that can't be turned into RGB.
    """
    with open_pages(path) as tiff:
        series = tiff.series[0]
        pages_alike = len(alike(tiff))
        sizes = dict(zip(series.axes, series.shape, strict=True))
        height, width = sizes.pop("Y"), sizes.pop("X")
        channel_axes = [axis for axis, size in sizes.items() if axis in "CS" and size > 1]
        pages = math.prod(size for axis, size in sizes.items() if axis not in channel_axes) * pages_alike
        if len(channel_axes) > 1:
            pages *= sizes["C"]
        if pages > 1:
            raise PictureError(
                f"{path} is a stack of {pages} pages, not one picture.",
                "Split it into one file a page, or add it to a project as a film; if the pages are channels,"
                " save them with axes='CYX'.",
            )
        page = series.keyframe
        photometric = _photometric(page)
        orientation = orientation_of(page)
        as_rgb = photometric == "YCBCR" and page.compression in _JPEG_COMPRESSIONS
        if photometric not in _GREY_OR_RGB and not as_rgb:
            source: Source
            if page.compression in _JPEG_2000_COMPRESSIONS:
                raise PictureError(
                    f"{path} holds JPEG 2000 in the colours {photometric}, which aren't turned into RGB here.",
                    "Save it as an RGB TIFF (uncompressed, deflate or LZW), or as PNG.",
                )
            kind = f"{photometric}, {tifffile.COMPRESSION(page.compression).name}"
            plain = None
            if orientation != 1:
                plain = (
                    (1).to_bytes(2, "little" if tiff.byteorder == "<" else "big"),
                    (page.tags[_ORIENTATION_TAG].valueoffset),
                )
            source = PillowTiffSource(path, height, width, kind, plain)
        else:
            axes = "".join(axis for axis in series.axes if axis in "YX" or axis in channel_axes)
            source = TiffSource(path, tiff, axes, (height, width))
        source.notes += others_note(tiff)
        return source if as_stored else upright(source, orientation)


def alike(tiff: tifffile.TiffFile) -> list[Any]:
    """The first series of a file, and those of its shape and type: together they make a stack."""
    first = tiff.series[0]
    return [other for other in tiff.series if (other.shape, other.dtype) == (first.shape, first.dtype)]


def others_note(tiff: tifffile.TiffFile) -> tuple[str, ...]:
    """What is to be said of a file's pages that aren't of its first picture's size and kind; empty without any.

    Smaller versions that belong to a picture of several levels aren't counted: they show the same.
    """
    known = {id(series) for series in alike(tiff)}
    others = [series for series in tiff.series if id(series) not in known]
    if not others:
        return ()
    count = sum(max(1, len(series.pages)) for series in others)
    sizes = list(dict.fromkeys(" x ".join(map(str, series.shape)) for series in others))
    named = ", ".join(sizes[:3]) + ", ..." * (len(sizes) > 3)
    return (f"holds {count} more page{'s' * (count != 1)} of another size or kind ({named}), left out",)


def orientation_of(page: Any) -> int:
    """Orientation 1 to 8 of a page by its tag; 1 where it says nothing, or nothing that makes sense."""
    value = page.tags.valueof(_ORIENTATION_TAG)
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def colour_channels(page: Any, photometric: str, stored: int) -> int:
    """How many of the channels stored of a picture are no transparency; those are the last ones."""
    extras = [int(extra) for extra in page.extrasamples or ()]
    alphas = 0
    while extras and extras.pop() in _ALPHA:
        alphas += 1
    return 3 if photometric == "PALETTE" else max(1, stored - alphas)


class Light:
    """Turns a page's samples into such as grow with brightness.

    Parameters
    ----------
    page : tifffile.TiffPage
    photometric : str
        What its samples mean, in TIFF's words.
    """

    def __init__(self, page: Any, photometric: str) -> None:
        self._colormap = page.colormap if photometric == "PALETTE" else None
        if photometric == "PALETTE" and (self._colormap is None or np.ndim(self._colormap) != 2):
            raise ValueError("its pixels are numbers of colours, and it has no table of colours")
        self._negative = photometric == "MINISWHITE"
        self._bits: int = page.bitspersample

    def of(self, samples: Pixels) -> Pixels:
        """Samples (..., C) with their palette looked up, few bits spread over 0..255, negatives turned."""
        if self._colormap is not None:
            looked_up: Pixels = (self._colormap >> 8).astype(np.uint8).T[samples[..., 0]]
            return looked_up
        if samples.dtype == bool:
            samples = samples.astype(np.uint8) * np.uint8(255)
        elif samples.dtype == np.uint8 and self._bits < 8:
            samples = samples * np.uint8(255 // (2**self._bits - 1))
        if self._negative:
            samples = ~samples if samples.dtype.kind in "iu" else -samples
        return samples


class TiffSource:
    """Grey, RGB, palette or many-channelled TIFF. An alpha channel of an RGB picture is dropped.

    Parameters
    ----------
    path : Path
        The file; opened anew for every window, so a picture holds no file open.
    tiff : tifffile.TiffFile
        The file, opened, for its header.
    axes : str
        Order of the axes longer than one: YX, or YX with one of C and S before or after.
    size : tuple of int
        Height and width.
    """

    def __init__(self, path: Path, tiff: tifffile.TiffFile, axes: str, size: tuple[int, int]) -> None:
        self.path = path
        series, page = tiff.series[0], tiff.series[0].keyframe
        stored = int(np.prod(series.shape)) // (size[0] * size[1])
        photometric = _photometric(page)
        self.joint_range = photometric in ("RGB", "YCBCR", "PALETTE")
        self._light = Light(page, photometric)
        is_palette = photometric == "PALETTE"
        channels = colour_channels(page, photometric, stored)
        self.notes: tuple[str, ...] = ()
        if photometric in _COLOURS and channels > 3:
            self.notes = (rgb_note(channels),)
            channels = 3
        self.shape = (*size, channels)
        is_small = series.dtype == bool or (series.dtype == np.uint8)
        self.dtype = np.dtype(np.uint8) if is_small or is_palette else np.dtype(series.dtype)
        self.band = max(256, page.tilelength if page.is_tiled else min(page.rowsperstrip or 1, size[0]))
        self._channel_first = axes[0] in "CS"
        self._mapped = None
        segment = 0
        if series.dataoffset is not None and page.is_memmappable:
            order = tiff.byteorder
            # A mapping of its own, read-only: tifffile.memmap would need the file to stay open.
            self._mapped = (
                series.dtype.newbyteorder(order),
                series.dataoffset,
                self._mapped_shape(axes, size, stored),
            )
            self.band = 256
        elif page.is_tiled:
            segment = page.tilelength * page.tilewidth * page.samplesperpixel
        else:
            segment = min(page.rowsperstrip or size[0], size[0]) * size[1] * page.samplesperpixel
        self.piece = max(segment, min(self.band, size[0]) * size[1] * stored) * self.dtype.itemsize

    @staticmethod
    def _mapped_shape(axes: str, size: tuple[int, int], stored: int) -> tuple[int, ...]:
        return (stored, *size) if axes[0] in "CS" else (*size, stored)

    def window(self, top: int, left: int, height: int, width: int) -> Pixels:
        """Return samples (height, width, C); only the strips or tiles that the window touches are decoded."""
        if self._mapped is not None:
            dtype, offset, shape = self._mapped
            plain: Pixels = np.memmap(self.path, dtype, "r", offset, shape)
            if self._channel_first:
                plain = plain.transpose(1, 2, 0)
            samples = plain[top : top + height, left : left + width]
        else:
            samples = self._decode(top, left, height, width)
        return self._light.of(samples)[..., : self.shape[2]]

    def _decode(self, top: int, left: int, height: int, width: int) -> Pixels:
        with tifffile.TiffFile(self.path) as tiff:
            series = tiff.series[0]
            page = series.keyframe
            pages = list(series.pages) if len(series.pages) > 1 else [page]
            planes = page.samplesperpixel if int(page.planarconfig) == 2 else 1
            stored = len(pages) * page.samplesperpixel
            out: Pixels = np.zeros((height, width, stored), page.dtype)
            rows = page.tilelength if page.is_tiled else page.rowsperstrip or page.imagelength
            columns = page.tilewidth if page.is_tiled else page.imagewidth
            rows = min(rows, page.imagelength) if not page.is_tiled else rows
            down, across = -(-page.imagelength // rows), -(-page.imagewidth // columns)
            wanted = itertools.product(
                range(len(pages)),
                range(planes),
                range(top // rows, -(-(top + height) // rows)),
                range(left // columns, -(-(left + width) // columns)),
            )
            for number, plane, row, column in wanted:
                index = (plane * down + row) * across + column
                segment = _segment(tiff, pages[number], page, index)
                if segment is None:  # a tile left out of the file: zeros
                    continue
                first = number * page.samplesperpixel + plane
                _paste(
                    out[..., first : first + segment.shape[2]],
                    segment,
                    row * rows - top,
                    column * columns - left,
                )
            return out


def rgb_note(channels: int) -> str:
    """What is to be said of a colour picture with more channels than red, green and blue."""
    return f"has {channels} channels: red, green and blue are shown, the others left out"


def is_tiff(start: bytes) -> bool:
    """Whether a file that starts like this is a TIFF or BigTIFF."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _photometric(page: Any) -> str:
    """Return the name of a page's colour space."""
    return tifffile.PHOTOMETRIC(page.photometric).name


def _segment(tiff: tifffile.TiffFile, page: Any, keyframe: Any, index: int) -> Pixels | None:
    """Strip or tile ``index`` of a page, decoded: (rows, columns, samples)."""
    count = page.databytecounts[index]
    if count > tiff.filehandle.size:
        raise ValueError("the file is truncated")
    tiff.filehandle.seek(page.dataoffsets[index])
    data = tiff.filehandle.read(count)
    if len(data) < count:
        raise ValueError("the file is truncated")
    segment = keyframe.decode(data, index, jpegtables=keyframe.jpegtables)[0]
    return None if segment is None else segment[0]


def _paste(out: Pixels, segment: Pixels, top: int, left: int) -> None:
    """Copy the part of a segment at (top, left) that falls inside ``out``."""
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + segment.shape[0], out.shape[0]), min(left + segment.shape[1], out.shape[1])
    out[y0:y1, x0:x1] = segment[y0 - top : y1 - top, x0 - left : x1 - left]
