"""Weights of a ``.caffemodel``, read from its bytes alone: neither Caffe nor protobuf is needed.

The file is one protobuf message. Only five kinds of its fields matter here, by their numbers in ``caffe.proto``::

    NetParameter      2 layers (old), 100 layer
    V1LayerParameter  4 name, 6 blobs           LayerParameter  1 name, 7 blobs
    BlobProto         7 shape, 5 data, 8 double_data, 1 to 4 num, channels, height, width (old)
    BlobShape         1 dim
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError

Floats = NDArray[np.float32]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LAYER_KINDS = {2: (4, 6), 100: (1, 7)}  # field of the net: (field of the name, field of the blobs)


def read_caffemodel(data: bytes | memoryview) -> dict[str, list[Floats]]:
    """Layers with weights, in the order of the file.

    Parameters
    ----------
    data : bytes
        The file's content.

    Returns
    -------
    dict of str to list of ndarray
        Blobs of each layer by its name: for a convolution the kernel (out, in, h, w) and the bias.

    Raises
    ------
    ConfigError
        If the bytes are cut off or no such message.
    """
    layers: dict[str, list[Floats]] = {}
    try:
        for number, value in _fields(memoryview(data)):
            if number in _LAYER_KINDS and isinstance(value, memoryview):
                name, blobs = _layer(value, *_LAYER_KINDS[number])
                if blobs:
                    layers[name] = blobs
    except (IndexError, ValueError) as error:
        raise ConfigError(f"This is no whole caffemodel: {error}.", "Download the file anew.") from error
    if not layers:
        raise ConfigError("This caffemodel holds no weights.", "Give the trained model, not its description.")
    return layers


def _layer(message: memoryview, name_field: int, blob_field: int) -> tuple[str, list[Floats]]:
    name, blobs = "", []
    for number, value in _fields(message):
        if not isinstance(value, memoryview):
            continue
        if number == name_field:
            name = bytes(value).decode("utf-8")
        elif number == blob_field:
            blobs.append(_blob(value))
    return name, blobs


def _blob(message: memoryview) -> Floats:
    sides: dict[int, int] = {}
    shape: tuple[int, ...] | None = None
    parts: list[Floats] = []
    for number, value in _fields(message):
        if isinstance(value, int):
            if 1 <= number <= 4:
                sides[number] = value
        elif number == 7:
            shape = _shape(value)
        elif number in (5, 8):
            parts.append(np.frombuffer(value, "<f4" if number == 5 else "<f8").astype(np.float32))
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if shape is None and sides:
        shape = tuple(sides.get(number, 1) for number in range(1, 5))
    return values if shape is None else values.reshape(shape)


def _shape(message: memoryview) -> tuple[int, ...]:
    sides: list[int] = []
    for number, value in _fields(message):
        if number != 1:
            continue
        if isinstance(value, int):
            sides.append(value)
            continue
        position = 0
        while position < len(value):
            side, position = _varint(value, position)
            sides.append(side)
    return tuple(sides)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of a message: whole numbers as such, all else as bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a field is of the unknown kind {kind}")
        if position + length > len(message):
            raise ValueError("it is cut off")
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """A whole number of 7 bits a byte, lowest first, and where the next field begins."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it is cut off")
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number has more than ten bytes")
