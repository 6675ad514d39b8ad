"""Names of YOLO's classes, as data.yaml gives them."""

import pytest

from spml_core.io.imports.yolo_names import names_in_yaml

NAMES = {
    "flow": 'names: ["cell", "dog"]',
    "flow over lines": "train: x\nnames: [ cell,   # first\n  'dog',\n]\nnc: 2",
    "map in braces": "names: {0: cell, 1: 'dog'}",
    "list": "nc: 2\nnames:\n- cell\n- dog\nval: y",
    "indented list": "names:\n  # all\n  - cell\n\n  - 'dog'   # and so on",
    "map": 'names:\n  1: "dog"\n  0: cell\ntrain: x',
}


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_names_in_the_usual_forms_of_yaml(tmp_path, text):
    path = tmp_path / "data.yaml"
    path.write_text(text)
    assert names_in_yaml(path) == {0: "cell", 1: "dog"}


ODD_NAMES = [
    "it's",
    'größe: "9"',
    "a, b",
    "c#d",
    "e # f",
    "'x'",
    "two words",
    "",
    "\\",
    "[y]",
    "{",
    "12",
    "its'",
]


@pytest.mark.parametrize("flow", [True, False])
@pytest.mark.parametrize("style", [None, "'", '"'])
@pytest.mark.parametrize("value", [ODD_NAMES, dict(enumerate(ODD_NAMES))], ids=["list", "map"])
def test_names_are_read_as_a_yaml_library_reads_them(tmp_path, value, flow, style):
    yaml = pytest.importorskip("yaml")

    class Name(str):
        pass

    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(
        Name, lambda d, name: d.represent_scalar("tag:yaml.org,2002:str", str(name), style)
    )
    styled = [Name(name) for name in ODD_NAMES]
    if isinstance(value, dict):
        styled = dict(enumerate(styled))
    if flow:
        text = "names: " + yaml.dump(styled, Dumper=Dumper, default_flow_style=True, width=1000)
    else:
        text = yaml.dump({"names": styled, "nc": 3}, Dumper=Dumper, default_flow_style=False)
    assert yaml.safe_load(text)["names"] == value
    path = tmp_path / "data.yaml"
    path.write_text(text)
    assert names_in_yaml(path) == dict(enumerate(ODD_NAMES)), text
