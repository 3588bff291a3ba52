"""The operators, in files by the criteria of the contract."""

from __future__ import annotations

from benchmarks.review.operators import (
    calls,
    complete,
    configuration,
    data,
    evaluation,
    files,
    honesty,
    hydra,
    learners,
    loading,
    model,
    modes,
    tracking,
)
from benchmarks.review.operators._operator import Files, NotThere, Operator

OPERATORS: tuple[Operator, ...] = (
    *complete.OPERATORS,
    *calls.OPERATORS,
    *hydra.OPERATORS,
    *data.OPERATORS,
    *loading.OPERATORS,
    *model.OPERATORS,
    *learners.OPERATORS,
    *files.OPERATORS,
    *tracking.OPERATORS,
    *configuration.OPERATORS,
    *evaluation.OPERATORS,
    *honesty.OPERATORS,
    *modes.OPERATORS,
)

__all__ = ["OPERATORS", "Files", "NotThere", "Operator"]
