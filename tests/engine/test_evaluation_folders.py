"""A mask is scored against the prediction of its own picture, not of one of that name in another folder."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.engine.evaluation import evaluate_folder
from spml_core.errors import MarkError

CLASSES = ClassTable.from_names(["background", "cell"])


def draw(folder, **codes):
    for place, code in codes.items():
        path = folder / f"{place.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5), code, np.uint8)).save(path)
    return folder


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "predictions", tmp_path / "masks"


def test_other_folders_are_other_pictures(folders):
    predictions, masks = folders
    draw(predictions, train__a=1), draw(masks, val__a=1)
    with pytest.raises(MarkError, match=r"val/a\.png has no prediction.*train/a\.png lies in another folder"):
        evaluate_folder(predictions, masks, CLASSES)


def test_the_one_whose_folders_agree_is_scored(folders):
    predictions, masks = folders
    draw(predictions, train__a=1, val__a=0)
    draw(masks, train__a=1, val__a=0)
    scores, count = evaluate_folder(predictions, masks, CLASSES)
    assert (scores.accuracy, count) == (1, 2)


@pytest.mark.parametrize("mask", ["a", "val__a", "labels__a"])
def test_what_contradicts_nothing_is_scored(folders, mask):
    predictions, masks = folders
    draw(predictions, a=1), draw(masks, **{mask: 1})
    assert evaluate_folder(predictions, masks, CLASSES)[0].accuracy == 1


def test_two_masks_of_one_prediction_and_the_other_way_round(folders):
    predictions, masks = folders
    draw(predictions, a=1), draw(masks, val__a=1, train__a=0)
    with pytest.raises(MarkError, match=r"Two masks belong to the prediction .*/a\.png: .*train/a.*val/a"):
        evaluate_folder(predictions, masks, CLASSES)
    with pytest.raises(
        MarkError, match=r"Two files belong to the mask .*predictions/a\.png: .*train/a.*val/a"
    ):
        evaluate_folder(masks, predictions, CLASSES)


def test_composed_and_decomposed_names_are_one(folders):
    predictions, masks = folders
    draw(predictions, **{"gr\u00f6\u00dfe": 1})
    draw(masks, **{unicodedata.normalize("NFD", "gr\u00f6\u00dfe"): 1})
    assert evaluate_folder(predictions, masks, CLASSES)[0].accuracy == 1


def test_links_are_called_as_they_are_called(folders, tmp_path):
    predictions, masks = folders
    draw(predictions, a=1), draw(tmp_path / "store", x=1)
    masks.mkdir()
    (masks / "a.png").symlink_to(tmp_path / "store" / "x.png")
    assert evaluate_folder(predictions, masks, CLASSES)[1] == 1
