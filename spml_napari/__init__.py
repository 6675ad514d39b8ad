"""The napari plugin (its docks come with the next issue)."""
