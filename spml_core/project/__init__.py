"""The project on disk: pictures, films, classes, marks with their history, and training runs (DESIGN.md)."""

from spml_core.project.choosing import Images
from spml_core.project.films import FilmRecord
from spml_core.project.history import HistoryEntry
from spml_core.project.mark_store import PictureState
from spml_core.project.pictures import PictureRecord, Progress
from spml_core.project.project import Project
from spml_core.project.runs import RUN_STATES, FinishedMetrics, Run, RunFacts, RunState
from spml_core.project.schema import SCHEMA_VERSION

__all__ = [
    "RUN_STATES",
    "SCHEMA_VERSION",
    "FilmRecord",
    "FinishedMetrics",
    "HistoryEntry",
    "Images",
    "PictureRecord",
    "PictureState",
    "Progress",
    "Project",
    "Run",
    "RunFacts",
    "RunState",
]
