"""Films: video files, folders of pictures, TIFF stacks and arrays, read frame by frame as 8-bit RGB."""

from spml_core.films.arrays import film_from_array
from spml_core.films.film import MOST_FRAMES, Film
from spml_core.films.opening import (
    ANIMATION_SUFFIXES,
    COMMON_VIDEO_SUFFIXES,
    VIDEO_SUFFIXES,
    film_hash,
    is_film,
    open_film,
)
from spml_core.films.zarr_store import write_zarr_film

__all__ = [
    "ANIMATION_SUFFIXES",
    "COMMON_VIDEO_SUFFIXES",
    "MOST_FRAMES",
    "VIDEO_SUFFIXES",
    "Film",
    "film_from_array",
    "film_hash",
    "is_film",
    "open_film",
    "write_zarr_film",
]
