"""A spin box for minutes and seconds."""

from __future__ import annotations

import re

from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QSpinBox, QWidget

_LONGEST = 24 * 3600
_DURATION = re.compile(r"\s*(\d{1,4})(?::([0-5]?\d)?)?\s*")


class DurationBox(QSpinBox):
    """Shows seconds as ``minutes:seconds``; a number without a colon that is typed in means minutes."""

    def __init__(self, seconds: int = 180, least: int = 10, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(least, _LONGEST)
        self.setSingleStep(30)
        self.setAccelerated(True)
        self.setValue(seconds)

    def textFromValue(self, value: int) -> str:  # noqa: N802 (Qt's name)
        """Minutes and seconds."""
        return f"{value // 60}:{value % 60:02d}"

    def valueFromText(self, text: str | None) -> int:  # noqa: N802
        """Seconds."""
        match = _DURATION.fullmatch(text or "")
        return self.value() if match is None else int(match[1]) * 60 + int(match[2] or 0)

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Tell Qt whether the text is, or could become, a duration in range."""
        words = text or ""
        if _DURATION.fullmatch(words) and self.minimum() <= self.valueFromText(words) <= self.maximum():
            return QValidator.State.Acceptable, words, position
        could = re.fullmatch(r"[\d: ]*", words) is not None
        return QValidator.State.Intermediate if could else QValidator.State.Invalid, words, position
