from pathlib import Path

import pytest

from greenlight.contract.experiment import Experiment
from greenlight.errors import GreenlightError


def test_an_unknown_run_is_one_short_line_that_names_the_nearest_or_says_where_the_runs_are():
    ids = tuple(f"comparative-{n}-iter1-tiny" for n in range(60))
    experiment = Experiment(folder=Path("exp"), run_ids=ids)
    experiment.require("comparative-7-iter1-tiny")
    with pytest.raises(
        GreenlightError, match=r"^run comparative-7-iter1: .*; did you mean comparative-7-iter1-tiny\?$"
    ):
        experiment.require("comparative-7-iter1")
    with pytest.raises(GreenlightError, match=r"^run zzz: exp has no config/runs/zzz\.yaml; its 60 runs stand there$"):
        experiment.require("zzz")
