"""The two modes of an experiment: ``trial`` proves that the code runs, ``full`` is the experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from greenlight.errors import GreenlightError


def configure_mode(cfg: DictConfig, *, trial: Mapping[str, Any]) -> None:
    """Set what the mode decides, in place, before anything reads the configuration.

    ``trial`` disables Weights & Biases and the search and applies the experiment's own reductions; ``full`` tracks
    online and leaves the run file as it is.

    Parameters
    ----------
    cfg
        The composed configuration with ``mode``, ``wandb`` and ``optuna``.
    trial
        Dotted path to value: the reductions of a trial, for instance ``{"training.epochs": 1}``.

    Raises
    ------
    GreenlightError
        If ``mode`` is neither of the two.
    """
    mode = OmegaConf.select(cfg, "mode", default=None)
    with open_dict(cfg):
        if mode == "trial":
            cfg.wandb.mode = "disabled"
            cfg.optuna.n_trials = 0
            for path, value in trial.items():
                OmegaConf.update(cfg, path, value)
        elif mode == "full":
            cfg.wandb.mode = "online"
        else:
            raise GreenlightError(f"mode={mode}: say mode=trial (two batches, nothing tracked) or mode=full")
