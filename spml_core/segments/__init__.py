"""From pixels to segments: contours, over-segmentation, clustering with location, partition, prototypes."""

from spml_core.segments.contours import edge_strength
from spml_core.segments.hierarchy import Hierarchy, build_hierarchy, oversegment
from spml_core.segments.kmeans import grid_cells, grid_labels, spherical_kmeans
from spml_core.segments.location import color_features, locate, location_features, with_location
from spml_core.segments.partition import intersect, majority_labels
from spml_core.segments.prototypes import normalize, segment_prototypes

__all__ = [
    "Hierarchy",
    "build_hierarchy",
    "color_features",
    "edge_strength",
    "grid_cells",
    "grid_labels",
    "intersect",
    "locate",
    "location_features",
    "majority_labels",
    "normalize",
    "oversegment",
    "segment_prototypes",
    "spherical_kmeans",
    "with_location",
]
