"""Opening a video file and reading its packets; whatever is wrong with it is said as a FilmError."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error

from spml_core.errors import FilmError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket
    from av.video.stream import VideoStream

    Packet = AnyPacket[VideoStream]

DAMAGED = "The file may be cut off or damaged: copy it again, or convert it to mp4 with a video converter."

_CONVERT = "Convert it to mp4 (H.264) with a video converter, and open that."
_COVER_ART = 0x0400
_MOST_BOXES = 1000

# Containers of films only: no playlists, which could name other files, and no pictures.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf,flv,ogg,mxf,gif"
)

MOST_PIXELS = 1 << 27
"""Pixels of the largest frame: a decoder holds many at a time, so that it is less than a picture may have."""


def open_video(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open a video file and choose its first film stream (a music file's cover picture is none).

    Raises
    ------
    FilmError
        If the file isn't there, is empty, is no film, holds sound only, or needs a decoder that isn't there.
    """
    if not path.is_file():
        raise FilmError(f"There is no film {path}.", "If it was moved or renamed, say where it is now.")
    try:
        if path.stat().st_size == 0:
            raise FilmError(f"{path} is empty.", "Copy or export the film again.")
        # "file:" keeps names with a colon from being taken for network addresses.
        container = av.open(
            f"file:{path}", options={"format_whitelist": _CONTAINERS}, metadata_errors="replace"
        )
    except (av.error.PermissionError, PermissionError) as error:
        raise FilmError(f"{path} may not be read.", "Change the file's permissions.") from error
    except av.error.EOFError as error:
        raise FilmError(f"{path} holds no frame.", DAMAGED) from error
    except av.error.FFmpegError as error:
        if _lacks_its_table(path):
            raise FilmError(f"{path} lacks the table of its frames.", DAMAGED) from error
        raise FilmError(f"{path} is no film that can be read: {reason_of(error)}.", DAMAGED) from error
    streams = [stream for stream in container.streams.video if not int(stream.disposition) & _COVER_ART]
    if not streams:
        has_sound, is_empty = bool(container.streams.audio), not len(container.streams)
        container.close()
        if has_sound:
            raise FilmError(f"{path} holds sound only.", "Choose a file with a film in it.")
        if is_empty:
            lacks = "the table of its frames" if _lacks_its_table(path) else "any stream of pictures"
            raise FilmError(f"{path} lacks {lacks}.", DAMAGED)
        raise FilmError(f"{path} holds no pictures.", "Choose a file with a film in it.")
    stream = streams[0]
    try:
        context = stream.codec_context
        if context is None:
            raise FilmError(f"The film in {path} is in a format that can't be decoded here.", _CONVERT)
        if context.width * context.height > MOST_PIXELS:
            raise FilmError(
                f"The frames of {path} are {context.height} x {context.width} pixels;"
                f" {MOST_PIXELS / 1e6:.0f} million are the most.",
                "Make it smaller with a video converter.",
            )
        # What the film itself says may be another size than what its container does.
        context.options = {"max_pixels": str(MOST_PIXELS)}
        context.open(strict=False)
    except av.error.FFmpegError as error:
        container.close()
        raise FilmError(f"The film in {path} can't be decoded: {reason_of(error)}.", _CONVERT) from error
    except FilmError:
        container.close()
        raise
    return container, stream


def _lacks_its_table(path: Path) -> bool:
    """Whether a file is an mp4, mov or 3gp without the box ``moov``; what can't be read has none."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            at, kinds = 0, list[bytes]()
            while at + 8 <= size and len(kinds) < _MOST_BOXES:
                file.seek(at)
                start = file.read(16)
                length, kind = int.from_bytes(start[:4], "big"), start[4:8]
                kinds.append(kind)
                if length == 1:
                    length = int.from_bytes(start[8:16], "big")
                if length < 8:  # 0: to the end of the file
                    break
                at += length
    except OSError:
        return False
    return b"ftyp" in kinds and b"moov" not in kinds


def read_packets(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[Packet]:
    """Yield the stream's packets; a cut-off file simply ends.

    Raises
    ------
    FilmError
        If the disk fails.
    """
    packets = iter(container.demux(stream))
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.InvalidDataError, av.error.EOFError):
            return
        except (av.error.FFmpegError, OSError) as error:
            raise FilmError(
                f"{path} can't be read: {reason_of(error)}.",
                "Check the disk, and that the film is still there.",
            ) from error
        if packet.size:  # the one without data asks the decoder to finish
            yield packet


def reason_of(error: Exception) -> str:
    """What an error says of itself, without a full stop."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(reason).rstrip(".")
