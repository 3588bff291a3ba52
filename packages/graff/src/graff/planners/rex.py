"""rex: a hyperbola to zero that stays high for long, by default over wall-clock time."""

from typing import ClassVar

from graff.planners._scheduled import Scheduled
from graff.planners._shape import rex


class Rex(Scheduled):
    """A short warm-up, then REX, a hyperbola that reaches zero when training stops (arXiv 2107.04197).

    Its options are those of :class:`Scheduled`.
    """

    name: ClassVar[str] = "rex"

    def _factor(self, done: float) -> float:
        return rex(done, self._warmup)
