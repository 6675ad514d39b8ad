"""Films on the command line: new, add, info, import."""

import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.annotations import Tag
from spml_core.project import Project


@pytest.fixture
def films(tmp_path):
    """A video clip.mp4, a stack s.tif, and a folder bear of pictures."""
    folder = tmp_path / "films"
    (folder / "bear").mkdir(parents=True)
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 48, 3), dtype=np.uint8)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / "bear" / f"{index:05d}.png")
    tifffile.imwrite(folder / "s.tif", frames[:3], photometric="rgb", metadata={"axes": "TYXS"})
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return folder


CLASSES = ("--class", "left", "--class", "right")


def test_new_from_films(films, data, spml):
    made = spml("new", data / "n.spml", "--film", films / "bear", "--film", films / "clip.mp4", *CLASSES)
    assert made.code == 0, made.err
    words = "the films bear (4 frames), clip (4 frames) and the classes left, right"
    assert made.out == f"Made {data / 'n.spml'} with {words}.\n"
    made = spml("new", data / "m.spml", "--images", films / "clip.mp4", *CLASSES, "--json")
    assert made.events == [
        {
            "event": "summary",
            "project": str(data / "m.spml"),
            "pictures": 0,
            "films": ["clip"],
            "classes": ["left", "right"],
        }
    ]
    made = spml("new", data / "b.spml", "--images", data / "images", "--film", films / "s.tif", *CLASSES)
    assert "with 4 pictures and the film s (3 frames) and the classes" in made.out
    # A folder with films in it: the pictures of bear are stills here.
    made = spml("new", data / "f.spml", "--images", films, *CLASSES, "--json")
    assert (made.events[0]["pictures"], made.events[0]["films"]) == (4, ["clip", "s"])


def test_add_and_info(project, films, spml):
    done = spml("add", project, films / "clip.mp4", films / "bear/00000.png")
    assert done.out == f"Added 1 picture and the film clip (4 frames) to {project}.\n"
    done = spml("add", project, "--film", films / "bear")
    assert done.out == f"Added the film bear (4 frames) to {project}.\n"
    done = spml("add", project, films / "clip.mp4", "--json")
    assert done.events == [{"event": "summary", "project": str(project), "pictures": [], "films": []}]
    with Project.open(project) as opened:
        opened.add_marks({opened.picture("clip/2").id: [Tag(1)]}, "")
    text = spml("info", project).out
    assert "film      bear  4 frames of 48 x 32, 0 of them marked\n" in text
    assert "film      clip  4 frames of 48 x 32, 25 a second, 1 of them marked\n" in text
    assert "pictures  5, 0 of them marked" in text
    (facts,) = spml("info", project, "--json").events
    assert [(film["name"], film["marked"]) for film in facts["films"]] == [("bear", []), ("clip", [2])]
    (films / "clip.mp4").unlink()
    assert "missing   1: clip\n" in spml("info", project).out


def test_marks_of_frames_are_imported(project, films, spml, data):
    spml("add", project, "--film", films / "bear")
    (data / "more.csv").write_text("image,x,y,class\nbear/00001,5,9,left\n00003,5,9,right\n")
    done = spml("import", project, "--points", data / "more.csv")
    assert done.out == "Imported 2 points on 2 pictures.\n"
    with Project.open(project, write=False) as opened:
        assert opened.marked_frames(opened.film("bear")) == (1, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "PROJECT", "FILMS/gone.mp4"), "gone.mp4"),
        (("add", "PROJECT", "FILMS/junk.mp4"), "junk.mp4"),
        (("add", "PROJECT", "FILMS/words.txt"), "words.txt"),
        (("add", "PROJECT", "--film", "FILMS/empty"), "empty"),
        (("add", "PROJECT", "FILMS/empty"), "no picture in"),
        (("add", "PROJECT", "FILMS/twin/clip.mp4", "FILMS/clip.mp4"), "share the name 'clip'"),
        (("new", "FILMS/n.spml", "--film", "FILMS/junk.mp4", *CLASSES), "junk.mp4"),
        (("new", "FILMS/n.spml", *CLASSES), "--film PATH"),
        (
            ("new", "FILMS/n.spml", "--images", "FILMS/bear/00000.png", *CLASSES),
            "neither a folder nor a film",
        ),
    ],
)
def test_bad_films_are_one_line_and_change_nothing(project, films, spml, state, words, said):
    (films / "junk.mp4").write_bytes(b"no film" * 99)
    (films / "words.txt").write_text("no picture")
    (films / "empty").mkdir()
    (films / "twin").mkdir()
    (films / "twin/clip.mp4").write_bytes((films / "clip.mp4").read_bytes())
    before = state(project)
    done = spml(*(word.replace("PROJECT", str(project)).replace("FILMS", str(films)) for word in words))
    assert done.code == 2
    assert said in done.err
    assert done.out == ""
    if "Usage" not in done.err:
        assert done.err.count("\n") == 1
    assert state(project) == before
    assert not (films / "n.spml").exists()
