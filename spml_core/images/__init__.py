"""Reading pictures lazily: what is in a folder, how large it is, and its pixels as 8-bit RGB."""

from spml_core.images.folders import Folders, common_folder
from spml_core.images.left_out import left_out
from spml_core.images.listing import (
    PROJECT_DATABASE,
    SUFFIXES,
    check_stems,
    content_hash,
    list_pictures,
    place_of,
    walk_files,
    walk_pictures,
)
from spml_core.images.names import FrameNames, Match, PictureNames
from spml_core.images.picture import MIN_SIDE, MOST_PIXELS, Picture

__all__ = [
    "MIN_SIDE",
    "MOST_PIXELS",
    "PROJECT_DATABASE",
    "SUFFIXES",
    "Folders",
    "FrameNames",
    "Match",
    "Picture",
    "PictureNames",
    "check_stems",
    "common_folder",
    "content_hash",
    "left_out",
    "list_pictures",
    "place_of",
    "walk_files",
    "walk_pictures",
]
