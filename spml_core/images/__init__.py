"""Reading pictures lazily: what is in a folder, how large it is, and its pixels as 8-bit RGB."""

from spml_core.images.listing import (
    PROJECT_DATABASE,
    check_stems,
    content_hash,
    list_pictures,
    place_of,
    walk_files,
    walk_pictures,
)
from spml_core.images.names import FrameNames, PictureNames
from spml_core.images.picture import MIN_SIDE, Picture

__all__ = [
    "MIN_SIDE",
    "PROJECT_DATABASE",
    "FrameNames",
    "Picture",
    "PictureNames",
    "check_stems",
    "content_hash",
    "list_pictures",
    "place_of",
    "walk_files",
    "walk_pictures",
]
