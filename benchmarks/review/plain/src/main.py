"""Train one run: ``uv run python -u -m src.main run=<run id> results_dir=<path> mode=trial|full [key=value ...]``."""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from src.train import train

RUNS = Path(__file__).resolve().parents[1] / "config" / "runs"
MODES = ("trial", "full")


def register_runs() -> None:
    """Make every file in config/runs an option of the group ``run``: ``run=<id>`` loads it, later overrides win."""
    store = ConfigStore.instance()
    for path in sorted(RUNS.glob("*.yaml")):
        store.store(group="run", name=path.stem, node=OmegaConf.load(path), package="_global_")


def configure_mode(cfg: DictConfig) -> None:
    """Set what the mode decides, before anything else reads the configuration."""
    mode = None if OmegaConf.is_missing(cfg, "mode") else cfg.mode
    if mode == "trial":
        cfg.wandb.mode = "disabled"
        cfg.optuna.n_trials = 0
        cfg.training.epochs = 1
        cfg.training.total_steps = 2
        cfg.training.gradient_accumulation_steps = 1
        cfg.dataset.dev_examples = 4
        cfg.evaluation.interval_steps = 1
        cfg.evaluation.test_examples = 4
        cfg.evaluation.max_new_tokens = 16
    elif mode == "full":
        cfg.wandb.mode = "online"
    else:
        raise SystemExit(f"error: mode={mode}: say mode={' or mode='.join(MODES)}")


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Apply the mode and train the run that was composed."""
    configure_mode(cfg)
    train(cfg)


if __name__ == "__main__":
    register_runs()
    main()
