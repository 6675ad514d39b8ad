"""What an import left out or changed, said in a few lines however many marks it concerns."""

from __future__ import annotations

from spml_core.spelling import printable


class ImportWarnings:
    """Collects warnings: one line for each kind, with its first case and the number of further ones."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._count: dict[str, int] = {}

    def add(self, what: str, case: str) -> None:
        """Note a case, such as "boxes.json, annotation 3 on 'a'", of what happened."""
        self._first.setdefault(what, printable(case))
        self._count[what] = self._count.get(what, 0) + 1

    @property
    def lines(self) -> tuple[str, ...]:
        """The warnings, in the order in which their kinds first came up."""
        return tuple(
            f"{what}: {case}{f' and {self._count[what] - 1} more' if self._count[what] > 1 else ''}."
            for what, case in self._first.items()
        )
