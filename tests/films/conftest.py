import av
import numpy as np
import pytest

LOSSLESS = {"codec": "ffv1", "pix_fmt": "bgr0"}


def pictures(count, height=48, width=64, seed=0):
    """Frames that all differ: noise that moves, (T, H, W, 3) uint8."""
    base = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(base, (i, 2 * i), (0, 1)) for i in range(count)])


def encode(path, frames, codec="libx264", pix_fmt="yuv420p", *, gop=8, b_frames=2, rate=25, pts=None, **more):
    """Write frames to a video file; ``pts`` in ticks of the encoder's time base (1 / rate)."""
    with av.open(str(path), "w", format=more.pop("format", None)) as out:
        stream = out.add_stream(codec, rate=rate, options=more.pop("options", {}))
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pix_fmt
        stream.gop_size, stream.max_b_frames = gop, b_frames
        if "rotation" in more:
            stream.set_display_rotation(*more.pop("rotation"))
        assert not more
        for i, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts = i if pts is None else pts[i]
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def decode(path):
    """Every frame as plain decoding from the start gives it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]


@pytest.fixture(scope="session")
def make():
    """Ways to make films: ``make.pictures``, ``make.encode``, ``make.decode``, ``make.LOSSLESS``."""

    class Make:
        pass

    Make.pictures, Make.encode, Make.decode = (
        staticmethod(pictures),
        staticmethod(encode),
        staticmethod(decode),
    )
    Make.LOSSLESS = LOSSLESS
    return Make
