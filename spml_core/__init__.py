"""Learn a segmentation from a few marks (no Qt in here)."""

__version__ = "0.1.0"
