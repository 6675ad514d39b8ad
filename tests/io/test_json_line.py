import json
import math

import pytest

from spml_core.io import json_line


def test_nan_and_infinities_become_null_at_any_depth():
    values = {"a": math.nan, "b": [1.5, -math.inf], "c": {"d": (math.inf, "x", True, None, 3)}}
    line = json_line(values)
    assert "\n" not in line
    assert json.loads(line) == {"a": None, "b": [1.5, None], "c": {"d": [None, "x", True, None, 3]}}


def test_any_text_survives_as_one_ascii_line():
    text = "grün\n\u2028 \udcff"
    line = json_line({"name": text})
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {"name": text}


def test_what_json_does_not_have_is_refused():
    with pytest.raises(TypeError):
        json_line({"a": object()})
