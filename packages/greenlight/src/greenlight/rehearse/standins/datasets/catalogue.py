"""All data sets whose columns are known, by every id under which they are loaded."""

from __future__ import annotations

from greenlight.rehearse.standins.datasets import (
    classification,
    images,
    instructions,
    mathematics,
    pairs,
    questions,
    texts,
)
from greenlight.rehearse.standins.datasets.schema import DataSet

SETS: tuple[DataSet, ...] = (
    *mathematics.SETS,
    *pairs.SETS,
    *classification.SETS,
    *questions.SETS,
    *texts.SETS,
    *instructions.SETS,
    *images.SETS,
)
# The hub does not tell upper from lower case in an id that it redirects; clients write both.
_BY_ID = {name.lower(): known for known in SETS for name in (known.id, *known.names)}


def data_set(dataset_id: str) -> DataSet | None:
    """Return what is known of a data set of the public hub, or None if it is not in the catalogue.

    Parameters
    ----------
    dataset_id
        Its id, or one from before owners were mandatory.

    Examples
    --------
    >>> list(data_set("gsm8k").configurations)
    ['main', 'socratic']
    """
    return _BY_ID.get(dataset_id.lower())
