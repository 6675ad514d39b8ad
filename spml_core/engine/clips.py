"""The project's films as clips to learn from."""

from __future__ import annotations

from collections.abc import Callable

from spml_core.project import PictureRecord, Project
from spml_core.training.training_set import Clip, TrainingPicture
from spml_core.video.clip_flows import chosen_frames


def film_clips(
    project: Project, picture: Callable[[PictureRecord], TrainingPicture], most_frames: int
) -> tuple[Clip, ...]:
    """A clip of each film: all of a short film, else the frames ever marked and evenly spaced groups of neighbours.

    Parameters
    ----------
    project : Project
    picture : callable
        Makes a frame's record a picture to train on; its pixels are read when needed.
    most_frames : int
        Frames of all films together, besides marked ones.
    """
    clips = []
    for film in project.films:
        marked = sorted(r.frame for r in project.frames if r.film == film.id and r.frame is not None)
        indices = chosen_frames(film.count, marked, max(2, most_frames // len(project.films)))
        clips.append(Clip(film.name, tuple(picture(project.frame(film, i)) for i in indices), indices))
    return tuple(clips)
