import numpy as np
from PIL import Image


def test_a_suggestion_is_written(marked, data, spml):
    out = data / "a.png"
    done = spml("suggest", marked, "a", "--out", out, "--json")
    assert done.code == 0, done.err
    summary = done.events[-1]
    assert summary["event"] == "summary"
    assert summary["picture"] == "a"
    labels, mask = np.asarray(Image.open(out)), np.asarray(Image.open(data / "masks" / "a.png"))
    assert (labels == mask).mean() > 0.9
    assert summary["shares"]["left"] == (labels == 0).mean()


def test_a_picture_without_marks_learns_from_the_others(marked, data, spml):
    out = data / "d.png"
    assert spml("suggest", marked, "d", "--out", out).code == 0
    labels, mask = np.asarray(Image.open(out)), np.asarray(Image.open(data / "masks" / "d.png"))
    assert (labels == mask).mean() > 0.8


def test_without_any_mark_all_is_unlabeled(project, data, spml):
    out = data / "a.png"
    done = spml("suggest", project, "a", "--out", out)
    assert done.code == 0, done.err
    assert (np.asarray(Image.open(out)) == 2).all()


def test_nothing_is_said_by_one_class_of_other_pictures(project, data, spml):
    points = data / "points.csv"
    points.write_text("image,y,x,class\nb,20,10,left\n")
    assert spml("import", project, "--points", points).code == 0
    done = spml("suggest", project, "a", "--out", data / "a.png", "--json")
    assert done.code == 0, done.err
    assert (np.asarray(Image.open(data / "a.png")) == 2).all()
    assert done.events[-1]["uncertainty"] == 1
    assert set(done.events[-1]["shares"].values()) == {0}


def test_a_class_that_the_tags_leave_out_is_not_suggested(marked, data, spml):
    tags = data / "tags.csv"
    tags.write_text("image,class\nd,left\n")
    assert spml("import", marked, "--tags", tags).code == 0
    assert spml("suggest", marked, "d", "--out", data / "d.png").code == 0
    assert set(np.unique(np.asarray(Image.open(data / "d.png")))) == {0}


def test_bad_words_are_told(marked, data, spml):
    done = spml("suggest", marked, "nowhere")
    assert done.code == 2
    assert "nowhere" in done.err
    done = spml("suggest", marked, "a", "--quality", "best", "--out", data / "a.png")
    assert done.code == 2
    assert "best" in done.err
    assert not (data / "a.png").exists()
    done = spml("suggest", marked, "a", "--out", data / "no" / "a.png")
    assert done.code == 2
    assert str(data / "no") in done.err
