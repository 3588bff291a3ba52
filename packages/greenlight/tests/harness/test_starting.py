"""How a training program starts; the whole commands are tested end to end."""

import subprocess
import sys
from pathlib import Path

import pytest

from greenlight.errors import GreenlightError
from greenlight.harness.sections import Section
from greenlight.harness.starting import command_line, one_line_errors

EXPERIMENTS = Path(__file__).parents[4] / "experiments"


class Config(Section):
    rate: float


@pytest.mark.parametrize("error", [GreenlightError("rate 0: it is positive"), KeyError("rate 0")])
def test_what_a_user_can_mend_ends_the_program_with_one_line(error):
    with pytest.raises(SystemExit) as ended, one_line_errors(KeyError):
        raise error
    # An exit with a text is written to standard error by the interpreter and has status 1.
    assert ended.value.code == f"error: {error}"


def test_any_other_error_passes():
    with pytest.raises(KeyError), one_line_errors(ValueError):
        raise KeyError("a defect")


def test_a_key_that_does_not_exist_ends_the_program_before_it_begins():
    begun = []
    with pytest.raises(SystemExit) as ended, command_line(["rat=1"], Config, loggers=()):
        begun.append(True)
    assert ended.value.code == "error: rat: no key 'rat' at the top; did you mean 'rate'?"
    assert not begun


def test_ctrl_c_is_status_130_and_other_ends_are_their_own():
    with pytest.raises(SystemExit) as ended, command_line(["rate=1"], Config, loggers=()):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    with pytest.raises(ZeroDivisionError), command_line(["rate=1"], Config, loggers=()):
        raise ZeroDivisionError
    with command_line(["rate=1"], Config, loggers=()):
        pass


TELLING = """
import logging
from greenlight.harness.starting import command_line
from greenlight.harness.sections import Section
with command_line([], Section, loggers=("shown",)):
    logging.getLogger("shown.below").info("this")
    logging.getLogger("other").info("not this")
    logging.getLogger("other").warning("but this")
"""


def test_the_information_of_the_named_loggers_is_shown_and_of_others_warnings_alone():
    done = subprocess.run([sys.executable, "-c", TELLING], capture_output=True, text=True, check=True)
    assert [line.split(" ", 1)[1] for line in done.stderr.splitlines()] == ["shown.below: this", "other: but this"]


PROGRAM = """
import runpy, sys
sys.argv = ["main", "run=nothing", "mode=trial", "results_dir=r"]
try:
    runpy.run_module("src.main", run_name="__main__")
except SystemExit as ended:
    print(ended.code)
print(*({"torch", "wandb", "transformers", "optuna", "src.train"} & set(sys.modules)))
"""


@pytest.mark.parametrize("experiment", ["gsm8k", "chipseq"])
def test_a_wrong_run_id_is_answered_before_anything_heavy_is_imported(experiment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=EXPERIMENTS / experiment, capture_output=True, text=True, check=True
    )
    message, imported = done.stdout.splitlines()
    assert message.startswith("error: run=nothing: no such file in config/runs")
    assert imported == ""
