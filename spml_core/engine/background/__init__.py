"""What runs in child processes, and the messages that go to and fro. Imports neither Qt nor, in the parent, torch."""
