"""Train one run: ``uv run python -u -m src.main run=<run id> results_dir=<path> mode=trial|full [key=value ...]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Torch's threads spin while they wait, and a tracker shares the few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

# The environment is set before any library reads it.
from greenlight.harness.compose import check_command, register_runs, validated  # noqa: E402
from greenlight.harness.starting import command_line, one_line_errors  # noqa: E402

if __name__ == "__main__":
    # Before the imports below, which take seconds.
    with one_line_errors():
        check_command(sys.argv[1:], register_runs(ROOT / "config" / "runs"))

import hydra  # noqa: E402
from hydra.utils import to_absolute_path  # noqa: E402
from omegaconf import DictConfig  # noqa: E402

from greenlight.harness.modes import configure_mode  # noqa: E402
from src.train import RunConfig, train  # noqa: E402
from technoise import TechnoiseError  # noqa: E402

# What a trial reduces: one epoch, two optimiser steps, a few hundred bins of each held-out split.
TRIAL = {
    "training.epochs": 1,
    "training.total_steps": 2,
    "training.batch_bins": 256,
    "evaluation.interval_steps": 1,
    "evaluation.max_bins": 512,
}


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Validate what Hydra composed and train it."""
    with one_line_errors(TechnoiseError):  # Hydra would print a traceback around an error
        configure_mode(cfg, trial=TRIAL)
        cfg.results_dir = to_absolute_path(cfg.results_dir)
        train(validated(cfg, RunConfig))


if __name__ == "__main__":
    with command_line(sys.argv[1:], RunConfig, loggers=("chipseq", "greenlight", "graff", "technoise")):
        main()
