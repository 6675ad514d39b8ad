"""Reading pictures lazily: what is in a folder, how large it is, and its pixels as 8-bit RGB."""

from spml_core.images.listing import PROJECT_DATABASE, content_hash, list_pictures, walk_pictures
from spml_core.images.picture import MIN_SIDE, Picture

__all__ = ["MIN_SIDE", "PROJECT_DATABASE", "Picture", "content_hash", "list_pictures", "walk_pictures"]
