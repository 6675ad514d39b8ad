"""Export formats in words: what they are called, and what they are good for."""

from __future__ import annotations

PICTURE_WORDS = {
    "index-png": ("Index PNG", "One value a class, with the PASCAL VOC palette. Read by most training code."),
    "coco": ("COCO JSON", "One JSON file of polygons and run lengths, an entry for each connected object."),
    "yolo-seg": ("YOLO segmentation", "A text file of polygons for each picture, and data.yaml."),
    "tiff": ("Label TIFF", "One label image a picture, for Fiji, QuPath and the like."),
    "ome-zarr": ("OME-Zarr", "Picture and labels together, for napari and cloud viewers."),
    "overlay": ("Overlay pictures", "The picture with the classes laid over it, to show others."),
}
"""Of exports of pictures."""

FILM_WORDS = {
    "index-png": ("Index PNG", "A PNG for each frame, one value a class, with the PASCAL VOC palette."),
    "overlay-mp4": ("Overlay film", "An MP4 of the film with the classes laid over it, to show others."),
    "tiff": ("TIFF stack", "One stack of label images with the film's frame rate, for Fiji and the like."),
    "ome-zarr": ("OME-Zarr", "Film and labels together, for napari and cloud viewers."),
    "coco": ("COCO JSON", "One JSON file of polygons and run lengths; each image tells its frame and time."),
}
"""Of exports of films."""
