from pathlib import Path

import pytest

from greenlight.compare.command import Command, parse
from greenlight.errors import GreenlightError

REQUIRED = ["results_dir=some/where", 'run_ids=["b", "a-1"]']


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("run_id: ???\nwandb: {entity: team, project: first, mode: online}\n")
    return path


def test_the_place_of_the_runs_is_that_of_the_configuration_unless_an_argument_says_another(config):
    assert parse(REQUIRED, config) == Command(Path("some/where"), ("b", "a-1"), "team", "first")
    said = parse(["wandb.project=second", *reversed(REQUIRED)], config)
    assert said == Command(Path("some/where"), ("b", "a-1"), "team", "second")
    assert parse([*REQUIRED, "wandb.entity=other"], config).entity == "other"


def test_a_value_may_hold_an_equals_sign(config):
    assert parse(["results_dir=a=b", REQUIRED[1]], config).results_dir == Path("a=b")


ARGUMENTS = "give results_dir, run_ids, wandb.entity, wandb.project, each at most once, as key=value"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*REQUIRED, "mode=trial"], f"argument 'mode=trial': {ARGUMENTS}"),
        ([*REQUIRED, "wandb.entity"], f"argument 'wandb.entity': {ARGUMENTS}"),
        ([*REQUIRED, "wandb.entity="], f"argument 'wandb.entity=': {ARGUMENTS}"),
        ([*REQUIRED, "results_dir=other"], f"argument 'results_dir=other': {ARGUMENTS}"),
        (REQUIRED[:1], """run_ids is missing: say results_dir=<path> run_ids='["run-1", "run-2"]'"""),
        (REQUIRED[1:], """results_dir is missing: say results_dir=<path> run_ids='["run-1", "run-2"]'"""),
        (["results_dir=r", "run_ids=a,b"], "run_ids=a,b: not JSON"),
    ],
)
def test_what_cannot_be_understood_is_one_line_that_names_it(config, arguments, message):
    with pytest.raises(GreenlightError) as caught:
        parse(arguments, config)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
