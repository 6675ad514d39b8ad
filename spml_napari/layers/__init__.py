"""Napari layers that show what the session holds."""
