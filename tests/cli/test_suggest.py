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
