"""What a person does in the window of one project, and what a second pair of eyes finds on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from desktop import Desktop, wait_for
from numpy.typing import NDArray

from spml_core.annotations import Mark
from spml_core.project import PictureRecord, Project, Run

NAMES = ("four", "one", "three", "two")
"""Pictures of the tests' project, in its order."""

SIZE = (96, 128)

MIDDLE = (600, 370)
"""A place of the screen that is on the canvas, and on any picture that was fitted into it."""

SLOW = 120.0
"""Seconds that a busy machine may take for what usually takes a few."""


class ProjectWindow:
    """The program with a project on a desktop; the mouse is over the picture.

    Parameters
    ----------
    desktop : Desktop
    project : Path
    watched : bool
        Whether to start it with a witness; see watched.py.
    *options : str
        Of the witness.
    """

    def __init__(self, desktop: Desktop, project: Path, watched: bool = False, *options: str) -> None:
        self.desktop, self.path = desktop, project
        if watched:
            desktop.start_watched(project, *options)
        else:
            desktop.start("app", project)
        self.number = desktop.window(f"{project.stem} \N{EN DASH} spml", SLOW)
        wait_for(self.picture_is_there, "the picture on the canvas", SLOW)
        desktop.click(*MIDDLE, button=1)  # gives the canvas the keyboard; the tool at the start only moves

    def picture_is_there(self) -> bool:
        """Whether the middle of the canvas isn't empty."""
        return max(self.desktop.color(*MIDDLE)) > 40

    # On the disk ----------------------------------------------------------------------------------------

    def marks(self) -> dict[str, list[Mark]]:
        """Marks of all marked pictures as a reader finds them in the project now, oldest first."""
        with Project.open(self.path, write=False) as project:
            return {record.name: list(project.marks(record.id).values()) for record in marked(project)}

    def count(self) -> int:
        """Number of marks in the project."""
        return sum(len(marks) for marks in self.marks().values())

    def wait_for_count(self, count: int) -> None:
        """Wait until the project has so many marks."""
        wait_for(lambda: self.count() == count, f"{count} marks in the project", SLOW)

    def runs(self) -> list[Run]:
        """The project's runs, oldest first."""
        with Project.open(self.path, write=False) as project:
            return list(project.runs())

    def wait_for_run(self, state: str) -> Run:
        """Wait until there is a run, and the last one has this state."""

        def look() -> Run | None:
            runs = self.runs()
            return runs[-1] if runs and runs[-1].state == state else None

        return wait_for(look, f"a run that is {state}", SLOW)

    def reviewed(self) -> list[str]:
        """Names of the reviewed pictures."""
        with Project.open(self.path, write=False) as project:
            return sorted(record.name for record in project.reviewed_pictures())

    # What the witness says ------------------------------------------------------------------------------

    def wait_for_word(self, kind: str, words: str = "", after: int = 0) -> str:
        """Wait for a line of a kind that begins with these words, and isn't among the first ``after`` of its kind."""

        def look() -> str | None:
            found = [line[0] for line in self.desktop.said_of(kind)[after:] if line[0].startswith(words)]
            return (found[-1] or " ") if found else None

        return wait_for(look, f"{kind} {words!r}", SLOW).strip()

    def button(self, name: str) -> tuple[int, int]:
        """Where on the screen a button of the training dock is, once it is there to be pressed."""

        def look() -> tuple[int, int] | None:
            lines = [line[1:] for line in self.desktop.said_of("button") if line[0] == name]
            return (int(lines[-1][0]), int(lines[-1][1])) if lines and lines[-1][0] else None

        return wait_for(look, f"the button {name}", SLOW)

    # By hand --------------------------------------------------------------------------------------------

    def draw(self, places: Sequence[tuple[float, float]]) -> None:
        """Draw a stroke through places of the screen, and wait until it is in the project."""
        before = self.count()
        self.desktop.drag(places)
        self.wait_for_count(before + 1)


def leaf_picture(seed: int) -> NDArray[np.uint8]:
    """A green disc on brown ground, (96, 128, 3); the disc is right of the middle."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    disc = (rows - 48) ** 2 + (columns - 92) ** 2 < 26**2
    colors = np.where(disc[..., None], (60, 170, 70), (150, 110, 80))
    return np.clip(colors + rng.normal(0, 12, (*SIZE, 3)), 0, 255).astype(np.uint8)


def marked(project: Project) -> list[PictureRecord]:
    """Pictures of a project that have marks, by name."""
    return sorted(project.marked_pictures(), key=lambda record: record.name)
