"""One dock, one file."""
