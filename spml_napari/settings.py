"""What the user set on our page of napari's Preferences; ``napari.yaml`` has the same names and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PLUGIN = "spml-napari"


@dataclass(frozen=True)
class Settings:
    """Preferences, with what holds where the user never set any.

    Attributes
    ----------
    preset : str
        ``"quick"`` or ``"standard"``.
    minutes : float
        Time budget of a training, 0..10080; 0 takes the preset's.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    preview_seconds : float
        Least time between two previews of a training, 0.5..600.
    recent_projects : int
        How many the welcome dock lists, 1..50.
    brush : int
        Diameter of the pen at the start, in pixels of the picture, 1..500.
    """

    preset: str = "quick"
    minutes: float = 0.0
    device: str = "auto"
    preview_seconds: float = 1.25
    recent_projects: int = 10
    brush: int = 8

    @property
    def max_seconds(self) -> float | None:
        """Time budget in seconds; None leaves it to the preset."""
        return self.minutes * 60 or None


def load_settings() -> Settings:
    """Read the preferences; the defaults where napari doesn't know us (the plugin is disabled, or not installed)."""
    page = _plugin_page()
    if page is None:
        return Settings()
    training, window = page.training, page.window
    return Settings(
        preset=training.preset,
        minutes=training.minutes,
        device=training.device,
        preview_seconds=training.preview_seconds,
        recent_projects=window.recent_projects,
        brush=window.brush,
    )


def _plugin_page() -> Any:
    """Return our settings model as napari made it from ``napari.yaml``, or None."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        return get_plugin_settings(PLUGIN)
    except KeyError:
        return None
