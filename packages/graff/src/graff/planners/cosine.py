"""cosine: half a cosine to zero, by default over wall-clock time."""

from typing import ClassVar

from graff.planners._scheduled import Scheduled
from graff.planners._shape import cosine


class Cosine(Scheduled):
    """A short warm-up, then half a cosine that reaches zero when training stops (arXiv 1608.03983).

    Its options are those of :class:`Scheduled`.
    """

    name: ClassVar[str] = "cosine"

    def _factor(self, done: float) -> float:
        return cosine(done, self._warmup)
