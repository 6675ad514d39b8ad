"""Which classes label codes stand for, by ids that never change: these are kept with codes on the disk. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE
from spml_core.project import Project


def class_ids(project: Project) -> tuple[int, ...]:
    """Id of each class of the project, in the order of today's label codes."""
    return tuple(project._classes.ids)


def todays_codes_of(project: Project, ids: Sequence[int]) -> NDArray[np.uint8]:
    """How to read label codes of a time when the classes had these ids; as :meth:`Project.codes_of_run`.

    Returns
    -------
    ndarray, (256,) uint8
        At each code of then, today's: that of the same class, of the class it was merged into, or K of today
        (UNLABELED) if it was deleted or was no class. IGNORE stays.
    """
    codes = np.full(256, len(project.classes), np.uint8)
    codes[IGNORE] = IGNORE
    for then, number in enumerate(ids):
        codes[then] = project._classes.codes.get(number, len(project.classes))
    return codes
