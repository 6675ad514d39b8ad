import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.project import Project


@pytest.fixture
def images(tmp_path):
    """Three pictures, one of them in a subfolder."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, (height, width) in {"b.png": (20, 30), "a.png": (16, 17), "sub/c.png": (24, 18)}.items():
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture
def classes():
    return ClassTable.from_names(["background", "cell", "wall"])


@pytest.fixture
def project(tmp_path, images, classes):
    with Project.create(tmp_path / "p.spml", images, classes) as opened:
        yield opened


def _frame_pixels(index, height=20, width=28):
    return np.random.default_rng(100 + index).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def stack(tmp_path):
    """A TIFF of six pages."""
    path = tmp_path / "films" / "stack.tif"
    path.parent.mkdir(exist_ok=True)
    pages = np.stack([_frame_pixels(index) for index in range(6)])
    tifffile.imwrite(path, pages, photometric="rgb", metadata={"axes": "TYXS"})
    return path


@pytest.fixture
def bear(tmp_path):
    """A folder of five pictures, numbered as in DAVIS."""
    folder = tmp_path / "films" / "bear"
    folder.mkdir(parents=True)
    for index in range(5):
        Image.fromarray(_frame_pixels(index)).save(folder / f"{index:05d}.png")
    return folder


@pytest.fixture
def clip(tmp_path):
    """An mp4 of eight frames, each of one grey that tells which it is."""
    path = tmp_path / "films" / "clip.mp4"
    path.parent.mkdir(exist_ok=True)
    _write_video(path, [np.full((32, 48, 3), 20 + 25 * index, np.uint8) for index in range(8)])
    return path


def _write_video(path, frames, rate=10):
    """Write frames (H, W, 3), uint8, of even height and width as a video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "1"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def frame_pixels():
    """Random pixels of a frame of ``stack`` and ``bear``, by its index."""
    return _frame_pixels


@pytest.fixture
def write_video():
    """Writes frames to a video file."""
    return _write_video
