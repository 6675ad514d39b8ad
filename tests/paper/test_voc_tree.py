import shutil

import numpy as np
import pytest
from paper_tree import NAMES, TRAIN, VAL, picture
from PIL import Image

from spml_core.classes import IGNORE
from spml_core.errors import ClassError, MarkError
from spml_core.paper.densepose_tree import DENSEPOSE_CLASSES, read_densepose
from spml_core.paper.voc_tree import VOC_CLASSES, read_voc


def test_scribbles(voc):
    data, warnings = read_voc(voc, "scribbles")
    assert warnings == ()
    assert data.names == TRAIN
    assert data.training.class_names == tuple(NAMES)
    assert [p.name for p in data.validation] == VAL
    first = data.training.pictures[0]
    raw = np.asarray(Image.open(voc / "scribbles" / f"{TRAIN[0]}.png"))
    np.testing.assert_array_equal(first.labels(), np.where(raw == 255, 3, raw))  # not annotated isn't void
    assert first.tags.tolist() == [True, True, True]
    truth = data.validation[0].truth()
    np.testing.assert_array_equal(truth, picture(len(TRAIN))[1])
    assert IGNORE in truth
    np.testing.assert_array_equal(data.validation[0].instances(), picture(len(TRAIN))[2])
    assert data.activation is None
    assert data.regions is None


def test_scribbles_in_xml(voc):
    for path in (voc / "scribbles").iterdir():
        path.unlink()
    for name in TRAIN:
        lines = "".join(
            f"<polygon><tag>{word}</tag><point><X>5</X><Y>{row}</Y></point>"
            f"<point><X>15</X><Y>{row}</Y></point></polygon>"
            for word, row in (("disc", 20), ("background", 4))
        )
        (voc / "scribbles" / f"{name}.xml").write_text(f"<annotation>{lines}</annotation>")
    (voc / "scribbles").rename(voc / "pascal_2012_scribble")
    data, _ = read_voc(voc, "scribbles")
    labels = data.training.pictures[2].labels()
    assert labels[20, 10] == 1
    assert labels[19:22, 10].tolist() == [1, 1, 1]  # 3 pixels wide
    assert labels[17, 10] == 3
    assert labels[4, 10] == 0
    assert data.training.pictures[2].tags.tolist() == [True, True, False]


def test_points(voc):
    data, _ = read_voc(voc, "points")
    labels = data.training.pictures[0].labels()
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert 25 <= (labels == 1).sum() <= 32  # a disc 6 pixels across
    (voc / "points.json").write_text('{"2007_000000": [{"x": 3, "y": 3, "cls": 1}]}')
    with pytest.raises(MarkError, match="no click on 5 of 6"):
        read_voc(voc, "points")


def test_background_clicks_of_another_file_are_added(voc):
    (voc / "voc_bg_from_scribbles.json").write_text('{"2007_000001": [{"x": 40, "y": 3, "cls": 0}]}')
    data, _ = read_voc(voc, "points")
    assert data.training.pictures[1].labels()[3, 40] == 0


def test_boxes(voc):
    data, _ = read_voc(voc, "boxes")
    first = data.training.pictures[0]
    assert first.labels is None
    truth = picture(0)[1]
    for box in first.coarse.boxes:
        rows, columns = np.nonzero(truth == box.class_index)
        edges = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        assert (box.top, box.left, box.bottom, box.right) == edges
    assert len(first.coarse.boxes) == 2
    assert first.tags.tolist() == [False, True, True]


def test_tags_come_from_boxes_or_from_masks(voc):
    data, _ = read_voc(voc, "tags")
    shutil.rmtree(voc / "Annotations")
    again, _ = read_voc(voc, "tags")
    for one, other in zip(data.training.pictures, again.training.pictures, strict=True):
        assert one.coarse == other.coarse
        assert one.coarse.complete
        assert one.coarse.tags


def test_activation_maps_and_regions(voc):
    for folder in ("cam", "hed"):
        (voc / folder).mkdir()
    for seed, name in enumerate(TRAIN):
        size = picture(seed)[0].shape[:2]
        maps = {0: np.full(size, 0.5, np.float32), 1: np.full(size, 0.25, np.float32)}
        np.save(voc / "cam" / f"{name}.npy", maps)
        regions = np.arange(size[0] * size[1]).reshape(size) % 300
        Image.fromarray(regions.astype(np.uint16)).save(voc / "hed" / f"{name}.png")
    data, _ = read_voc(voc, "tags")
    maps = data.activation(TRAIN[0])
    assert maps.shape == (2, *picture(0)[0].shape[:2])
    assert maps[0, 3, 3] == 0.5
    assert maps[1, 3, 3] == 0.25
    assert len(np.unique(data.regions(TRAIN[0]))) == 300
    (voc / "hed" / f"{TRAIN[1]}.png").unlink()
    (voc / "cam" / f"{TRAIN[2]}.npy").unlink()
    with pytest.raises(MarkError, match=r"1 of 6 activation maps.*1 of 6 region maps") as error:
        read_voc(voc, "tags")
    assert TRAIN[1] in str(error.value)
    assert TRAIN[2] in str(error.value)


def test_all_missing_parts_are_named_at_once(voc):
    (voc / "ImageSets/Segmentation/val.txt").unlink()
    shutil.rmtree(voc / "scribbles")
    (voc / "JPEGImages" / f"{TRAIN[3]}.jpg").unlink()
    (voc / "JPEGImages" / f"{TRAIN[4]}.jpg").unlink()
    with pytest.raises(MarkError) as error:
        read_voc(voc, "scribbles")
    text = str(error.value)
    for part in ("val.txt", "scribbles/ or pascal_2012_scribble/", "2 of 6 pictures", TRAIN[3], TRAIN[4]):
        assert part in text
    assert "Annotations" not in text  # scribbles need none


def test_nothing_there(tmp_path):
    with pytest.raises(MarkError, match="no folder"):
        read_voc(tmp_path / "nowhere", "tags")
    (tmp_path / "scribbles").mkdir()
    with pytest.raises(
        MarkError, match=r"JPEGImages/.*train_aug\.txt.*val\.txt.*any \.png or \.xml in scribbles/"
    ):
        read_voc(tmp_path, "scribbles")


def test_a_tree_inside_its_usual_folder_and_lists_of_paths(voc, tmp_path):
    inner = tmp_path / "data/VOCdevkit/VOC2012"
    inner.parent.mkdir(parents=True)
    voc.rename(inner)
    lists = inner / "ImageSets/Segmentation"
    (lists / "train_aug.txt").unlink()
    (lists / "train.txt").write_text(f"/JPEGImages/{TRAIN[2]}.jpg /SegmentationClassAug/{TRAIN[2]}.png\n\n")
    data, warnings = read_voc(tmp_path / "data", "scribbles")
    assert data.names == [TRAIN[2]]
    assert "train_aug.txt" in warnings[0]


def test_scribbles_that_dont_fit(voc):
    path = voc / "scribbles" / f"{TRAIN[0]}.png"
    good = np.asarray(Image.open(path))
    Image.fromarray(np.where(good == 1, 7, good).astype(np.uint8)).save(path)
    with pytest.raises(MarkError, match="code 7; there are 3 classes"):
        read_voc(voc, "scribbles")
    Image.fromarray(good[:-1]).save(path)
    with pytest.raises(MarkError, match="full size"):
        read_voc(voc, "scribbles")


def test_without_a_class_table_the_classes_are_vocs(voc):
    (voc / "classes.json").unlink()
    assert len(VOC_CLASSES) == 21
    with pytest.raises(ClassError, match="disc"):
        read_voc(voc, "boxes")
    assert read_voc(voc, "scribbles")[0].num_classes == 21


def test_densepose(densepose):
    data, _ = read_densepose(densepose)
    assert data.names == TRAIN
    first = data.training.pictures[0]
    assert [point.class_index for point in first.coarse.key_points] == [1, 2]
    truth = picture(0)[1]
    assert first.coarse.key_points[0].y == pytest.approx(np.argwhere(truth == 1)[:, 0].mean(), abs=0.06)
    assert len(DENSEPOSE_CLASSES) == 15
    (densepose / "keypoints.csv").unlink()
    (densepose / "masks" / f"{VAL[0]}.png").unlink()
    with pytest.raises(MarkError, match=r"densepose\.json or keypoints\.json.*1 of 2 masks"):
        read_densepose(densepose)


def test_a_training_picture_without_key_points(densepose):
    rows = (densepose / "keypoints.csv").read_text().splitlines()
    (densepose / "keypoints.csv").write_text("\n".join(row for row in rows if TRAIN[5] not in row))
    with pytest.raises(MarkError, match=f"1 of 6.*{TRAIN[5]}"):
        read_densepose(densepose)
