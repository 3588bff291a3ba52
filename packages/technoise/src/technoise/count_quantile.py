"""The quantile of a count distribution, by bisection on its own distribution function."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from technoise.checks import LARGEST_COUNT
from technoise.errors import TechnoiseError

Tail = Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float64]]


def smallest_count(
    levels: NDArray[np.float64],
    mean: NDArray[np.float64],
    above: Tail,
    up_to: Tail,
) -> NDArray[np.float64]:
    """Return the smallest count y with P(Y <= y) at least the level.

    Parameters
    ----------
    levels, mean
        Equal shapes; a level is at least 0 and below 1, the mean is where the search starts.
    above, up_to
        Called with counts and the mask of the elements they belong to; return P(Y > y) and P(Y <= y). For a level above
        one half the first decides, as the second has no digits left there.

    Raises
    ------
    TechnoiseError
        For a level outside of [0, 1), and for a quantile above 2^53.
    """
    outside = ~((levels >= 0) & (levels < 1))
    if outside.any():
        raise TechnoiseError(
            f"level of {float(levels[outside].flat[0])}: a level is a probability from 0 to below 1; give one that is"
        )

    def reached(counts: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        level = levels[kept]
        said: NDArray[np.bool_] = np.where(
            level <= 0.5, up_to(counts, kept) >= level, above(counts, kept) <= 1.0 - level
        )
        return said

    low = np.full(levels.shape, -1.0)  # never reaches the level
    high = np.ceil(np.minimum(mean, LARGEST_COUNT))  # reaches it once the loop has doubled it far enough
    pending = np.ones(levels.shape, dtype=np.bool_)
    while pending.any():
        pending[pending] = ~reached(high[pending], pending)
        low[pending] = high[pending]
        high[pending] = 2.0 * high[pending] + 1.0
        if (high > LARGEST_COUNT).any():
            raise TechnoiseError(
                f"quantile above 2^53 at mean {float(mean[high > LARGEST_COUNT].flat[0]):g}: counts end at 2^53; "
                "give a lower level or mean"
            )
    pending = high - low > 1.0
    while pending.any():
        middle = np.floor(0.5 * (low[pending] + high[pending]))
        enough = reached(middle, pending)
        high[pending] = np.where(enough, middle, high[pending])
        low[pending] = np.where(enough, low[pending], middle)
        pending = high - low > 1.0
    return high
