"""Answer: say of a region whether its suggested class is right, or which one is."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import UNTOUCHED, Patch
from spml_napari.session import Session
from spml_napari.tools.region_map import RegionMap
from spml_napari.tools.tool import PictureTool, Place, Surface
from spml_napari.view_state import ShownSuggestion

WAITING = "The picture is being looked at; its regions can be answered in a moment."
_NOTHING_SUGGESTED = "Nothing is suggested here yet: press the number of its class."
_ACCEPTED_ALREADY = "This is accepted already. A number gives it another class."


class AnswerTool(PictureTool):
    """The region under the cursor lights up in its suggested class. A click accepts it, a number gives another class.

    Parameters
    ----------
    session : Session
    surface : Surface
    """

    cursor = "cross"

    def __init__(self, session: Session, surface: Surface) -> None:
        super().__init__(session, surface)
        self._region: int | None = None
        self._picked: set[int] = set()
        self._is_down = False
        self._cursor: Place | None = None
        self._lit: tuple[RegionMap, frozenset[int], int | None] | None = None

    @property
    def region(self) -> int | None:
        """The region that Enter and the number keys answer: the one under the cursor, or chosen by key."""
        return self._region if self._suggestion is not None else None

    @property
    def _suggestion(self) -> ShownSuggestion | None:
        found, raster = self.session.suggestion, self.surface.marks.raster
        return found if found is not None and found.labels.shape == raster.values.shape else None

    # Mouse --------------------------------------------------------------------------------------------

    def press(self, place: Place) -> None:
        """Begin to accept."""
        if self._suggestion is None:
            self.surface.say(WAITING)
            return
        self._is_down, self._picked = True, set()
        self.drag(place)

    def drag(self, place: Place) -> None:
        """Take in the region that the cursor comes to."""
        suggestion = self._suggestion
        if self._is_down and suggestion is not None:
            number = suggestion.regions.number_at(place)
            if number is not None:
                self._picked.add(number)
            self._light(self._picked)

    def release(self, place: Place) -> None:
        """Accept what was suggested for the regions."""
        if self._is_down:
            picked = self._picked
            self._is_down, self._picked = False, set()
            self.accept(picked)
            self.hover(place)

    def cancel(self) -> None:
        """Forget what was clicked."""
        self._is_down, self._picked = False, set()
        self._light(())

    def hover(self, place: Place | None) -> None:
        """Light the region under the cursor up, and say what it is taken for."""
        self._cursor = place
        if self._is_down:
            return
        suggestion = self._suggestion
        number = None if place is None or suggestion is None else suggestion.regions.number_at(place)
        if number != self._region:
            self._region = number
            if number is not None:
                self.surface.say(self._in_words(number))
        self._light(() if number is None else {number})

    def look_again(self) -> None:
        """Another suggestion is there: the region that was lit up keeps its place, not its class."""
        if self._is_down:
            return
        if self._cursor is not None:
            self.hover(self._cursor)
        else:
            self.choose(None)

    # Keys ---------------------------------------------------------------------------------------------

    def choose(self, number: int | None) -> None:
        """Let this be the region that is answered next, until the cursor comes to another one."""
        self._region, self._cursor = number, None
        self._light(() if number is None else {number})
        if number is not None and self._suggestion is not None:
            self.surface.say(self._in_words(number))

    def accept(self, numbers: Collection[int]) -> bool:
        """Make what is suggested in some regions a mark, as one step; whether anything is."""
        suggestion = self._suggestion
        if suggestion is None or not numbers:
            return False
        window = suggestion.regions.window(numbers)
        mask = suggestion.regions.mask(numbers, window)
        codes = np.where(mask, suggestion.labels[window.slices], np.uint8(UNTOUCHED))
        codes[codes >= len(self.session.classes)] = UNTOUCHED
        if (codes == UNTOUCHED).all():
            self.surface.say(_NOTHING_SUGGESTED)
            return False
        patch = Patch(*suggestion.regions.full(codes, window, self.picture), accepted="class")
        if patch in self.session.marks().values():
            self.surface.say(_ACCEPTED_ALREADY)
            return False
        return self.session.add_marks([patch], f"Accept {self._names(codes)}")

    def give(self, class_index: int) -> bool:
        """Give the chosen region a class; whether there is one."""
        suggestion, number = self._suggestion, self.region
        if suggestion is None or number is None or not class_index < len(self.session.classes):
            return False
        window = suggestion.regions.window({number})
        mask = suggestion.regions.mask({number}, window)
        codes = np.where(mask, np.uint8(class_index), np.uint8(UNTOUCHED))
        patch = Patch(*suggestion.regions.full(codes, window, self.picture))
        return self.session.add_marks([patch], f"Answer {self.session.classes.names[class_index]}")

    # Looks --------------------------------------------------------------------------------------------

    def _codes(self, number: int) -> NDArray[np.uint8]:
        """What is suggested for the pixels of a region."""
        suggestion = self._suggestion
        assert suggestion is not None
        window = suggestion.regions.window({number})
        return suggestion.labels[window.slices][suggestion.regions.mask({number}, window)]

    def _in_words(self, number: int) -> str:
        names = self._names(self._codes(number))
        return f"{names}? Click or Enter accepts, a number changes it." if names else _NOTHING_SUGGESTED

    def _names(self, codes: NDArray[np.uint8]) -> str:
        """Classes among codes, the most frequent first."""
        names = self.session.classes.names
        counts = np.bincount(codes.ravel(), minlength=len(names))[: len(names)]
        return ", ".join(names[i] for i in np.argsort(-counts, kind="stable") if counts[i])

    def _light(self, numbers: Collection[int]) -> None:
        """Show regions in the class that is suggested for most of them."""
        suggestion = self._suggestion
        if suggestion is None or not numbers:
            if self._lit is not None:
                self._lit = None
                self.surface.pointer.clear()
            return
        window = suggestion.regions.window(numbers)
        mask = suggestion.regions.mask(numbers, window)
        codes = suggestion.labels[window.slices][mask]
        known = codes[codes < len(self.session.classes)]
        index = int(np.bincount(known).argmax()) if len(known) else None
        lit = (suggestion.regions, frozenset(numbers), index)
        if lit != self._lit:
            self._lit = lit
            self.surface.pointer.show_mask(mask, window, index)
