"""One JSON object a line, as standard JSON knows it: NaN and infinities become null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_line(values: Mapping[str, Any]) -> str:
    """Return ``values`` as one line of JSON, without the newline.

    Raises
    ------
    TypeError
        If a value is neither a number, text, a boolean, None, nor a mapping or sequence of these.
    """
    return json.dumps(_plain(values), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
