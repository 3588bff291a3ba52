"""The command line of a comparison: ``results_dir=<path> run_ids='["run-1", "run-2"]'``, and where the runs are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from greenlight.compare.records import parse_run_ids
from greenlight.errors import GreenlightError

REQUIRED = ("results_dir", "run_ids")
ARGUMENTS = (*REQUIRED, "wandb.entity", "wandb.project")


@dataclass(frozen=True)
class Command:
    """What is compared: the runs, where the tracker holds them, and where the results go."""

    results_dir: Path
    run_ids: tuple[str, ...]
    entity: str
    project: str


def parse(arguments: Sequence[str], config: Path) -> Command:
    """Return what the arguments ``key=value`` say.

    Parameters
    ----------
    arguments
        The command line without the program.
    config
        The experiment's ``config/config.yaml``: its ``wandb`` section says where the runs are unless an argument does.

    Raises
    ------
    GreenlightError
        If an argument is unknown, repeated, without a value, or missing, or run ids are not a JSON list of them.
    """
    given: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key not in ARGUMENTS or not equals or not value or key in given:
            raise GreenlightError(
                f"argument {argument!r}: give {', '.join(ARGUMENTS)}, each at most once, as key=value"
            )
        given[key] = value
    for key in REQUIRED:
        if key not in given:
            raise GreenlightError(f'{key} is missing: say results_dir=<path> run_ids=\'["run-1", "run-2"]\'')
    place = OmegaConf.load(config).wandb
    return Command(
        Path(given["results_dir"]),
        tuple(parse_run_ids(given["run_ids"])),
        given.get("wandb.entity", place.entity),
        given.get("wandb.project", place.project),
    )
