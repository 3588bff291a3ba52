"""Where the tracker keeps its data and its key unless it is told otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def tracker_home() -> Path:
    """Return the tracker's default folder, ``$XDG_DATA_HOME/greenlight/tracker``."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "greenlight" / "tracker"
