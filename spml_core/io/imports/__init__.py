"""Foreign files to marks. Everything is checked before anything is returned: an import is whole or it isn't.

Every reader takes a path, the pictures' sizes, the classes and a collector of warnings, and returns the marks
of each picture.
"""

from spml_core.io.imports.boxes import read_boxes
from spml_core.io.imports.index_pngs import find_index_pngs, read_masks
from spml_core.io.imports.key_points import key_point_reader, read_key_points
from spml_core.io.imports.labelme import labelme_reader, read_labelme
from spml_core.io.imports.pictures import MarksByPicture, Reader, Sizes
from spml_core.io.imports.points import read_clicks, read_points
from spml_core.io.imports.scribbles import read_scribbles
from spml_core.io.imports.tags import read_tags, tag_reader
from spml_core.io.imports.warnings import ImportWarnings

__all__ = [
    "ImportWarnings",
    "MarksByPicture",
    "Reader",
    "Sizes",
    "find_index_pngs",
    "key_point_reader",
    "labelme_reader",
    "read_boxes",
    "read_clicks",
    "read_key_points",
    "read_labelme",
    "read_masks",
    "read_points",
    "read_scribbles",
    "read_tags",
    "tag_reader",
]
