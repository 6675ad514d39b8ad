"""An export over an earlier one that is broken off: no label is left beside another numbering of the classes."""

import pytest

from spml_core.classes import ClassTable
from spml_core.io.exports import ExportOptions, open_exporter


def begin(format, out, classes, item):
    """An export that is broken off after its first picture."""
    with open_exporter(format, out, classes, ExportOptions()) as exporter:
        exporter.add(item)


@pytest.mark.parametrize(
    ("format", "about"),
    [("index-png", "classes.json"), ("tiff", "classes.json"), ("yolo-seg", "data.yaml")],
)
def test_what_names_the_codes_goes_first_where_it_changes(tmp_path, classes, three, format, about):
    out = tmp_path / "out"
    with open_exporter(format, out, classes, ExportOptions()) as exporter:
        for item in three:
            exporter.add(item)
        exporter.finish()
    before = (out / about).read_bytes()
    begin(format, out, classes, three[0])
    assert (out / about).read_bytes() == before  # it still says what all the files there mean
    begin(format, out, ClassTable.from_names(["background", "other", "cell"]), three[0])
    assert not (out / about).exists()


def test_a_coco_file_is_whole_by_itself_and_stays(tmp_path, classes, three):
    out = tmp_path / "out"
    with open_exporter("coco", out, classes, ExportOptions()) as exporter:
        exporter.add(three[0])
        exporter.finish()
    before = (out / "annotations.json").read_bytes()
    begin("coco", out, ClassTable.from_names(["background", "other"]), three[1])
    assert (out / "annotations.json").read_bytes() == before
