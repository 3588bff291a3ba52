"""wsd: warm-up, stable, linear decay to zero, by default over wall-clock time."""

from typing import ClassVar

from graff.planners._scheduled import Cooled
from graff.planners._shape import wsd


class Wsd(Cooled):
    """A short warm-up, a plateau, then a straight line to zero when training stops (WSD, arXiv 2404.06395).

    MiniCPM, where the name comes from, decays exponentially; the straight line is the form of arXiv 2405.18392.

    Its options are those of :class:`Cooled`.
    """

    name: ClassVar[str] = "wsd"

    def _factor(self, done: float) -> float:
        return wsd(done, self._warmup, self._cooldown)
