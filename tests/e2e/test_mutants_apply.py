"""The faults of ``test_mutants.py`` run rarely; that each can still be put into the code is asked every time."""

import shutil

import pytest

from tests.e2e.mutants import CHIPSEQ_MUTANTS, GSM8K_MUTANTS
from tests.e2e.small_runs import EXPERIMENTS


@pytest.mark.parametrize("mutant", [*CHIPSEQ_MUTANTS, *GSM8K_MUTANTS], ids=lambda mutant: mutant.name)
def test_every_edit_of_a_fault_applies_once_and_leaves_python(mutant, tmp_path):
    source = EXPERIMENTS / mutant.small.experiment / "src"
    shutil.copytree(source, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    mutant.apply(tmp_path)
    changed = (tmp_path / "src" / mutant.file).read_text(encoding="utf-8")
    assert changed != (source / mutant.file).read_text(encoding="utf-8")
    compile(changed, mutant.file, "exec")
