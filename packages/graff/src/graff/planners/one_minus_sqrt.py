"""one_minus_sqrt: warm-up, plateau, 1 - sqrt cooldown to zero, by default over wall-clock time."""

from typing import ClassVar

from graff.planners._scheduled import Cooled
from graff.planners._shape import one_minus_sqrt


class OneMinusSqrt(Cooled):
    """A short warm-up, a plateau, then ``1 - sqrt`` of the share of the cooldown that is done (arXiv 2405.18392).

    Its options are those of :class:`Cooled`.
    """

    name: ClassVar[str] = "one_minus_sqrt"

    def _factor(self, done: float) -> float:
        return one_minus_sqrt(done, self._warmup, self._cooldown)
