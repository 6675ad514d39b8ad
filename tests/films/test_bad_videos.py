from fractions import Fraction

import av
import numpy as np
import pytest

from spml_core.errors import FilmError
from spml_core.films import is_film, open_film


def refused(path, *words):
    with pytest.raises(FilmError) as caught:
        open_film(path)
    message = str(caught.value)
    for word in (str(path), *words):
        assert word in message
    assert caught.value.remedy
    assert "\n" not in message


def change_of_size(path, groups, codec="mjpeg", pix_fmt="yuvj420p"):
    """Encode groups of frames, each group by an encoder of its own, into one stream."""
    tick = 0
    with av.open(str(path), "w") as out:
        stream = None
        for frames in groups:
            maker = av.CodecContext.create(codec, "w")
            maker.height, maker.width, maker.pix_fmt = *frames[0].shape[:2], pix_fmt
            maker.framerate, maker.time_base = 25, Fraction(1, 25)
            maker.max_b_frames, maker.gop_size = 0, 5
            if stream is None:
                stream = out.add_stream(codec, rate=25)
                stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pix_fmt
            packets = []
            for rgb in frames:
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                frame.pts = tick
                tick += 1
                packets += maker.encode(frame)
            packets += maker.encode(None)
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
    return path


def with_sound(path, seconds=0.2):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 8000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_absent_empty_and_foreign_files(tmp_path):
    refused(tmp_path / "gone.mp4", "There is no film", "moved")
    assert not is_film(tmp_path / "gone.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    refused(empty, "is empty")
    text = tmp_path / "text.avi"
    text.write_text("no film at all\n" * 100)
    refused(text, "no film that can be read")
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n")
    refused(playlist, "no film that can be read")


def test_sound_only(tmp_path):
    refused(with_sound(tmp_path / "sound.mp4"), "sound only")


@pytest.mark.parametrize(
    ("name", "known", "unknown"),
    [("a.mkv", b"V_MPEG4/ISO/AVC", b"V_NONE_/ISO/AVC"), ("a.mp4", b"avc1", b"zzz1")],
)
def test_a_codec_that_is_not_there(make, tmp_path, name, known, unknown):
    path = make.encode(tmp_path / name, make.pictures(5))
    path.write_bytes(path.read_bytes().replace(known, unknown))
    refused(path, "format that can't be decoded here", "Convert")


@pytest.mark.parametrize("name", ["none.mkv", "none.mp4", "none.avi"])
def test_no_frame_at_all(tmp_path, name):
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        out.start_encoding()
    refused(path)


def test_every_frame_damaged(make, tmp_path):
    path = make.encode(tmp_path / "a.mkv", make.pictures(4))
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for position, size in places:
        data[position + 12 : position + size] = b"\xff" * (size - 12)
    path.write_bytes(data)
    refused(path, "no frame that can be decoded")


def test_frames_smaller_than_16(make, tmp_path):
    refused(make.encode(tmp_path / "a.mkv", make.pictures(3, 12, 40), **make.LOSSLESS), "12 x 40", "16 x 16")


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_senseless_frame_rates(make, tmp_path, rate):
    with pytest.raises(FilmError, match="make no film"):
        open_film(make.encode(tmp_path / "a.mp4", make.pictures(2)), frame_rate=rate)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.avi", {"codec": "mpeg4"}),
        ("b.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "b_frames": 0}),
        ("a.mkv", {}),
        ("b.mkv", {"codec": "ffv1", "pix_fmt": "bgr0", "b_frames": 0}),
        ("faststart.mp4", {}),
        ("stream.mpg", {"format": "mpegts"}),
    ],
)
@pytest.mark.parametrize("part", [0.5, 0.8, 0.97])
def test_a_cut_off_film_ends_where_it_can_be_read(make, tmp_path, name, options, part):
    path = make.encode(tmp_path / name, make.pictures(40), **options)
    if name == "faststart.mp4":
        path = faststart(path)
    whole = make.decode(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with open_film(path) as film:
        assert 0 < film.count < 40
        if "mpg" not in name:  # a transport stream doesn't say how long it is
            assert len(film.warnings) == 1
            assert str(path) in film.warnings[0] and "cut off" in film.warnings[0]
        read = [rgb for _, rgb in film.frames()]
        # Where packets ahead of the cut are shown later, some before them are lost: as in any player.
        same = [np.array_equal(rgb, wanted) for rgb, wanted in zip(read, whole, strict=False)]
        assert len(same) - sum(same) <= (2 if "mpg" not in name else 4)
        backward = [rgb for _, rgb in film.frames(film.count - 1, -1, -1)][::-1]
        assert all(np.array_equal(a, b) for a, b in zip(read, backward, strict=True))


@pytest.mark.parametrize(
    ("name", "codec", "form"), [("a.ts", "libx264", None), ("a.mpg", "mpeg2video", None)]
)
def test_half_a_frame_at_the_end_of_a_stream_is_left_out(make, tmp_path, name, codec, form):
    path = make.encode(tmp_path / name, make.pictures(40), codec, format=form)
    whole = make.decode(path)
    data = path.read_bytes()
    dropped = 0
    for part in np.linspace(0.6, 0.95, 8):
        path.write_bytes(data[: int(len(data) * part)])
        with open_film(path) as film:
            read = [rgb for _, rgb in film.frames()]
            for i in reversed(range(film.count)):
                assert np.array_equal(film.frame(i), read[i])
            assert all(any(np.array_equal(rgb, frame) for frame in whole) for rgb in read[:-4])
            dropped += len(film.warnings)
    assert dropped


def faststart(path):
    """The same film with its table of contents in front."""
    target = path.with_name("front.mp4")
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return target


def test_a_recording_without_its_table_of_contents(make, tmp_path):
    path = make.encode(tmp_path / "a.mp4", make.pictures(40))
    path.write_bytes(path.read_bytes()[:5000])
    refused(path, "cut off")


def test_damage_in_the_middle_spoils_no_other_group(make, tmp_path):
    path = make.encode(tmp_path / "a.mkv", make.pictures(40), **make.LOSSLESS)
    whole = make.decode(path)
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][20]
    data = bytearray(path.read_bytes())
    data[packet.pos + 10 : packet.pos + packet.size] = bytes(packet.size - 10)
    path.write_bytes(data)
    with open_film(path) as film:
        for i in [*range(16), *range(24, film.count)]:
            try:
                assert np.array_equal(film.frame(i), whole[i])
            except FilmError as error:
                raise AssertionError(i) from error


def test_the_size_changes_for_good(make, tmp_path):
    groups = [make.pictures(23), make.pictures(17, 32, 40)]
    path = change_of_size(tmp_path / "a.mkv", groups)
    with open_film(path) as film:
        assert film.count == 23
        assert film.size == (48, 64)
        assert "Frame 23" in film.warnings[0] and "32 x 40" in film.warnings[0]
        assert len(list(film.frames())) == 23


def test_the_size_changes_for_a_while(make, tmp_path):
    groups = [make.pictures(10), make.pictures(5, 32, 40), make.pictures(10)]
    path = change_of_size(tmp_path / "a.mkv", groups)
    with open_film(path) as film:
        for i in range(25):
            if 10 <= i < 15:
                with pytest.raises(
                    FilmError, match=rf"Frame {i} of .* is 32 x 40 pixels, frame 0 is 48 x 64"
                ):
                    film.frame(i)
            else:
                assert film.frame(i).shape == (48, 64, 3)


def test_films_glued_together_are_read_in_the_decoders_order(make, tmp_path):
    first = make.encode(tmp_path / "1.ts", make.pictures(20))
    second = make.encode(tmp_path / "2.ts", make.pictures(20, seed=1))
    path = tmp_path / "both.mpg"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    wanted = make.decode(path)
    with open_film(path) as film:
        assert film.count == len(wanted)
        assert (np.diff(film.times) > 0).all()
        for i in [*range(film.count), *reversed(range(film.count))]:
            assert np.array_equal(film.frame(i), wanted[i])


def test_frames_that_are_not_there(make, tmp_path):
    with open_film(make.encode(tmp_path / "a.mp4", make.pictures(5))) as film:
        for index in (-1, 5):
            with pytest.raises(FilmError, match=f"no frame {index}; it has 5"):
                film.frame(index)
        with pytest.raises(FilmError, match="step"):
            next(film.frames(0, 5, 0))
        assert list(film.frames(3, 3)) == []
    with pytest.raises(FilmError, match="closed"):
        film.frame(0)
    film.close()


def test_a_film_replaced_or_gone_under_way(make, tmp_path):
    path = make.encode(tmp_path / "a.mp4", make.pictures(30))
    with open_film(path) as film:
        film.frame(20)
        make.encode(tmp_path / "b.mp4", make.pictures(30, seed=3)).replace(path)
        with pytest.raises(FilmError, match="has changed since it was opened"):
            film.frame(2)
        path.unlink()
        with pytest.raises(FilmError, match="There is no film"):
            film.frame(2)
