"""Small real data to try the program on; LICENSES.md beside this file tells where it is from.

Each set of pictures holds ``images/``, ``masks/`` (the truth of every picture), ``scribbles/`` and ``points.csv``
(marks on about half of the pictures) and ``classes.json``. The film holds ``film.mp4``, ``labels/`` (the truth of every
frame), ``scribbles/`` (marks on two frames) and ``classes.json``, and in ``sources/`` what it was rendered from.
"""

from __future__ import annotations

from pathlib import Path

from spml_core.errors import PictureError

NAMES = ("nuclei", "people", "film")


def sample_path(name: str) -> Path:
    """Folder of a sample set.

    Parameters
    ----------
    name : str
        ``"nuclei"`` (12 micrographs, 2 classes), ``"people"`` (10 photos, 5 classes) or ``"film"`` (60 frames of
        moving nuclei, 3 classes).

    Raises
    ------
    PictureError
        If there is no such set.
    """
    if name not in NAMES:
        raise PictureError(f"There is no sample {name!r}.", f"The samples are: {', '.join(NAMES)}.")
    return Path(__file__).parent / name
