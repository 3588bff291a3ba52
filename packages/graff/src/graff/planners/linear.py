"""linear: a straight line to zero, by default over wall-clock time; the bar to beat."""

from typing import ClassVar

from graff.planners._scheduled import Scheduled
from graff.planners._shape import linear


class Linear(Scheduled):
    """A short warm-up, then a straight line that reaches zero when training stops (arXiv 1905.04753, 2502.15938).

    Its options are those of :class:`Scheduled`.
    """

    name: ClassVar[str] = "linear"

    def _factor(self, done: float) -> float:
        return linear(done, self._warmup)
