"""The command line: a thin face over the engine. One command, one file."""
