"""What a press, a drag and a release on the picture do; one tool, one file."""
