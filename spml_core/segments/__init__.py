"""From pixels to segments: contours, over-segmentation, clustering with location, partition, prototypes."""

from spml_core.segments.contours import edge_strength
from spml_core.segments.hierarchy import Hierarchy
from spml_core.segments.kmeans import grid_cells, grid_labels, spherical_kmeans
from spml_core.segments.location import color_features, locate, location_features, with_location
from spml_core.segments.oriented_watershed import Arcs, oriented_watershed
from spml_core.segments.partition import intersect, majority_labels
from spml_core.segments.prototypes import normalize, segment_prototypes
from spml_core.segments.ucm import build_ucm
from spml_core.segments.volume import build_hierarchy, oversegment

__all__ = [
    "Arcs",
    "Hierarchy",
    "build_hierarchy",
    "build_ucm",
    "color_features",
    "edge_strength",
    "grid_cells",
    "grid_labels",
    "intersect",
    "locate",
    "location_features",
    "majority_labels",
    "normalize",
    "oriented_watershed",
    "oversegment",
    "segment_prototypes",
    "spherical_kmeans",
    "with_location",
]
