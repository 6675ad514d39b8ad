"""The answer to which pictures' marks would teach most."""

from __future__ import annotations

from collections.abc import Callable

from spml_core.engine.background.answer_queue import Steps
from spml_core.engine.background.suggest_messages import Ranked, RankPictures
from spml_core.engine.suggest import Suggester
from spml_core.project import Project

_MEMORY_BYTES = 2**26


class Ranker:
    """Ranks a project's pictures; what it computes of them on the way is there when they are opened."""

    def __init__(self) -> None:
        self._suggester: Suggester | None = None

    def rank(self, question: RankPictures, read_project: Callable[[], Project]) -> Steps:
        """Rank the pictures, a message for each; a step is as long as one picture takes.

        Parameters
        ----------
        question : RankPictures
        read_project : callable
            Gives the project as it is now.

        Raises
        ------
        SpmlError
            From the steps, if the project can't be read.
        """
        project = read_project()
        if self._suggester is None or self._suggester.project is not project:
            # Each picture is looked at once, so little memory does: what was computed is on the disk.
            self._suggester = Suggester(project, memory_bytes=_MEMORY_BYTES)
        best: tuple[str, ...] = ()
        total = 0
        yield None
        for ranked in self._suggester.rank_pictures():
            best, total = ranked.best, ranked.total
            if ranked.done < total:
                yield Ranked(question.request, best, ranked.done, total)
        # Pictures that can't be read are left out, perhaps the last one: the end is told all the same.
        yield Ranked(question.request, best, total, total)
