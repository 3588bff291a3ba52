"""The nine criteria of the contract."""

from __future__ import annotations

import enum


class Criterion(enum.IntEnum):
    """A criterion by its number in the contract; ``title`` is what a report calls it."""

    COMPLETE = 1
    HYDRA = 2
    DATA = 3
    MODEL = 4
    FILES = 5
    TRACKING = 6
    CONFIGURATION = 7
    EVALUATION = 8
    MODES = 9

    @property
    def title(self) -> str:
        """The name of the criterion in a report."""
        return _TITLES[self]


_TITLES = {
    Criterion.COMPLETE: "Complete implementation",
    Criterion.HYDRA: "Hydra and the command line",
    Criterion.DATA: "Data pipeline",
    Criterion.MODEL: "Model and optimisation",
    Criterion.FILES: "Files and packaging",
    Criterion.TRACKING: "Tracking with W&B",
    Criterion.CONFIGURATION: "Run configurations",
    Criterion.EVALUATION: "Independent, honest evaluation",
    Criterion.MODES: "Trial and full mode",
}
