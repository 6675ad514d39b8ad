"""Regions of a suggestion are answered: by clicks, by numbers, and where the program asks."""

import numpy as np
import pytest
from answers import shown

from spml_core.annotations import UNTOUCHED, Patch
from spml_napari.tools.region_map import RegionMap
from spml_napari.view_state import Tool

SIZE = (48, 64)


@pytest.fixture
def answering(canvas, mouse):
    """The canvas with a suggestion of class 1, and the tool to answer it."""
    canvas.session.show_suggestion(shown(canvas.session.picture.id))
    canvas.session.set_tool(Tool.ANSWER)
    canvas.told = []
    canvas.said.connect(canvas.told.append)
    return canvas


def new_marks(canvas, before):
    return [mark for number, mark in canvas.session.marks().items() if number not in before]


def test_a_click_accepts_what_is_suggested(answering, mouse):
    before = set(answering.session.marks())
    mouse.click((20, 50))
    (patch,) = new_marks(answering, before)
    assert patch == Patch(0, 32, np.ones((48, 32), np.uint8), accepted="class")
    assert "Accept leaf" in answering.session.project.can_undo().note
    mouse.click((20, 50))
    assert len(new_marks(answering, before)) == 1, "it is marked already"
    answering.session.undo()
    mouse.drag((20, 50), (20, 40), (20, 10))
    (patch,) = new_marks(answering, before)
    assert patch.labels.shape == SIZE, "a drag accepts all regions that it comes across"


def test_a_number_gives_the_region_under_the_cursor_a_class(answering, mouse):
    before = set(answering.session.marks())
    mouse.move((20, 10))
    assert answering.answer.region == 0
    assert any("leaf? Click or Enter" in text for text in answering.told)
    assert answering.pointer.layer.data[20, 10] == 2 and answering.pointer.layer.data[20, 50] == 0
    assert answering.answer.give(2) and not answering.answer.give(3)
    (patch,) = new_marks(answering, before)
    assert patch == Patch(0, 0, np.full((48, 32), 2, np.uint8))


def test_only_what_has_a_class_is_accepted(answering, mouse):
    session, before = answering.session, set(answering.session.marks())
    suggestion = shown(session.picture.id)
    suggestion.labels[:, 50:] = 3
    session.show_suggestion(suggestion)
    assert answering.answer.accept({1})
    (patch,) = new_marks(answering, before)
    assert (patch.labels[:, :18] == 1).all() and (patch.labels[:, 18:] == UNTOUCHED).all()
    session.undo()
    session.show_suggestion(shown(session.picture.id, label=3))
    mouse.click((20, 50))
    assert new_marks(answering, before) == [] and "press the number" in answering.told[-1]
    session.show_suggestion(None)
    mouse.click((20, 50))
    assert new_marks(answering, before) == []
    assert not answering.answer.accept({1}) and not answering.answer.give(1)


def test_where_to_click_next_is_outlined_and_gone_to(answering, mouse):
    session, layer = answering.session, answering.asked.layer
    assert layer.visible and layer.data.shape == (48, 33)
    np.testing.assert_allclose(layer.translate, (0, 31))
    assert (layer.data[:, 0] == 2).all() and (layer.data[5:40, 1] == 1).all() and layer.data[20, 10] == 0
    session.set_tool(Tool.SCRIBBLE)
    camera = answering.viewer.scene.camera
    before = camera.center
    assert answering.go_to_asked() and answering.answer.region == 1
    assert session.tool is Tool.ANSWER and camera.center == before, "it is in view"
    camera.zoom, camera.center = 40, (0, 24, 3)
    assert answering.go_to_asked() and camera.center[2] > 32
    assert answering.answer.accept({answering.answer.region})
    session.view(visible=False)
    assert not layer.visible
    session.view(visible=True)
    session.show_suggestion(None)
    assert not layer.visible and not answering.go_to_asked()


def test_regions_find_places_and_places_regions():
    labels = np.full((4, 6), -1, np.int32)
    labels[:3, :2], labels[2, 2:5] = 0, 2
    regions = RegionMap(labels, 3)
    assert [regions.number_at(place) for place in ((0, 0), (8.4, 5.4), (8, 6), (11, 0), (0, 18))] == [
        0,
        0,
        2,
        None,
        None,
    ]
    assert regions.window({1}).is_empty and regions.middle(1) is None and regions.middle(7) is None
    assert (regions.window({0, 2}).shape, regions.middle(2)) == ((3, 5), (7.0, 10.0))
