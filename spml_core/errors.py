"""One family of errors: each says what was wrong, with the value and where, and what to do.

The command line prints the message as one line and exits with code 2; the window shows it as a notification.
"""

from __future__ import annotations

from spml_core.spelling import printable


class SpmlError(Exception):
    """Something a user can mend.

    Parameters
    ----------
    problem : str
        What was wrong, with the offending value or shape and the file it came from.
    remedy : str, optional
        What to do about it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = printable(" ".join(problem.split()))
        self.remedy = printable(" ".join(remedy.split()))
        super().__init__(f"{self.problem} {self.remedy}".strip())


class PictureError(SpmlError):
    """A picture can't be read, or its pixels make no sense."""


class MarkError(SpmlError):
    """A mark, or a file of marks, doesn't fit its picture or the classes."""


class ClassError(SpmlError):
    """A class table, name or index is wrong."""


class ProjectError(SpmlError):
    """The project on disk is missing, damaged, too new, or in use."""


class ConfigError(SpmlError):
    """A setting is unknown or out of range."""


class DeviceError(SpmlError):
    """The asked-for device isn't there."""


class StorageError(SpmlError):
    """The disk is full, or a file can't be written."""


class TrainingError(SpmlError):
    """There is nothing to learn from, or training can't go on."""


class FilmError(SpmlError):
    """A film can't be opened, or a frame of it can't be read."""
