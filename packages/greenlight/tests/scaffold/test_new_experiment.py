"""The experiment that `greenlight new` writes: its files, their style, the review. Its commands run in tests/e2e."""

import subprocess
import sys
from pathlib import Path

import pytest

from greenlight.contract import experiment
from greenlight.scaffold import new
from greenlight.scaffold.experiment import run_ids

ROOT = Path(__file__).parents[4]
IDS = run_ids("first-try")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return new("first-try", tmp_path_factory.mktemp("written"))


def test_the_written_experiment_has_exactly_the_files_of_the_contract(written):
    assert experiment.read(written).run_ids == tuple(sorted(IDS))
    runs = {f"config/runs/{run_id}.yaml" for run_id in IDS}
    found = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert found == {*experiment.FILES, *runs}


def test_the_review_finds_nothing_in_it(written):
    done = subprocess.run(
        [sys.executable, "-m", "greenlight", "review", str(written)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=" ".join)
def test_it_has_the_style_of_the_repository(written, command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), "--no-cache", str(written)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_files_compile_are_short_and_hold_nothing_of_the_template(written):
    for path in written.rglob("*.*"):
        text = path.read_text(encoding="utf-8")
        assert "{{" not in text, path
        assert len(text.splitlines()) < 150, path
        if path.suffix == ".py":
            compile(text, str(path), "exec")
