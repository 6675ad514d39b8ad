"""Seeds: pixels from marks that name none (tags, boxes, key points), and what they are taken from.

The parts that need torch are imported by their own names, so that the others stay quick to load:
``spml_core.seeds.tag_classifier`` and ``spml_core.seeds.picture_activation``.
"""

from spml_core.seeds.activation import (
    VIEW_SCALES,
    aggregate_views,
    normalise_psa,
    normalise_seam,
    with_background,
)
from spml_core.seeds.box_seeds import box_seeds
from spml_core.seeds.cam_files import ActivationMaps, read_activation_maps, write_activation_maps
from spml_core.seeds.combining import combine_seeds
from spml_core.seeds.grid import resize_bilinear
from spml_core.seeds.key_point_seeds import key_point_seeds
from spml_core.seeds.shortening import RATIOS, Anchor, shorten_raster, shorten_scribbles
from spml_core.seeds.tag_seeds import tag_seeds

__all__ = [
    "RATIOS",
    "VIEW_SCALES",
    "ActivationMaps",
    "Anchor",
    "aggregate_views",
    "box_seeds",
    "combine_seeds",
    "key_point_seeds",
    "normalise_psa",
    "normalise_seam",
    "read_activation_maps",
    "resize_bilinear",
    "shorten_raster",
    "shorten_scribbles",
    "tag_seeds",
    "with_background",
    "write_activation_maps",
]
