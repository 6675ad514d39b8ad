"""The window: mark, train, watch, inspect, correct. What it shows, ``spml_core`` computes in child processes."""
