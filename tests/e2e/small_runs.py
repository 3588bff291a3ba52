"""Small runs of the experiments: what is said on their command lines, and the configuration that must come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from tests.processes import ROOT

EXPERIMENTS = ROOT / "experiments"


@dataclass(frozen=True)
class SmallRun:
    """A run of an experiment, made small by what is said on its command line: path of the configuration to value."""

    experiment: str
    run_id: str
    said: Mapping[str, Any]

    def words(self, results: object, project: str) -> list[str]:
        """Return the command line."""
        # A planner's options are open, so one that the run file leaves out is added; all other keys must exist.
        added = "training.scheduler."
        said = [f"{'++' if path.startswith(added) else ''}{path}={_word(value)}" for path, value in self.said.items()]
        return [f"run={self.run_id}", "mode=full", f"results_dir={results}", f"wandb.project={project}", *said]

    def expected(self) -> dict[str, Any]:
        """Return the configuration: the defaults, then the run file, then the command line; made without Hydra."""
        config = EXPERIMENTS / self.experiment / "config"
        merged = OmegaConf.merge(
            OmegaConf.load(config / "config.yaml"), OmegaConf.load(config / "runs" / f"{self.run_id}.yaml")
        )
        content: Any = OmegaConf.to_container(merged)
        for path, value in self.said.items():
            here, parts = content, path.split(".")
            for part in parts[:-1]:
                here = here[part]
            here[parts[-1]] = value
        for decided_elsewhere in ("defaults", "hydra", "mode", "results_dir", "wandb"):
            del content[decided_elsewhere]
        assert isinstance(content, dict)
        return content


def _word(value: Any) -> str:
    # Hydra reads JSON but for the quotes of keys and texts.
    return json.dumps(value).replace('"', "").replace(" ", "")


# A genome of 6,500 bins, the shallow replicate with many bins without a read.
GENOME = {
    "dataset.simulator.chromosome_sizes": {"chr1": 400000, "chr2": 300000, "chr3": 300000, "chr4": 300000},
    "dataset.simulator.treatment_reads": [26000.0, 13000.0],
    "dataset.simulator.control_reads": [26000.0, 19500.0],
    "seed": 7,
}
CHIPSEQ_TRAINING = GENOME | {
    "model.hidden": [16],
    "training.budget_seconds": 120,
    "training.batch_bins": 300,
    "training.checkpoint_seconds": 0.4,
    "training.total_steps": 300,
    "training.optimizer.lr_init": 0.004,
    "training.losses.residual_mse": 0.1,
    "training.early_stopping.patience": 3,
    "training.early_stopping.min_delta": 0.001,
    "training.scheduler.over": "steps",
    "training.scheduler.total_steps": 300,
    "evaluation.interval_steps": 10,
}
CHIPSEQ = SmallRun("chipseq", "proposed-iter1-technb-mu-r-simulator", CHIPSEQ_TRAINING)
CHIPSEQ_R_P = SmallRun("chipseq", "comparative-1-iter1-technb-r-p-simulator", CHIPSEQ_TRAINING)
CHIPSEQ_MIXTURE = SmallRun("chipseq", "comparative-7-iter1-technb-mixture-simulator", CHIPSEQ_TRAINING)
CHIPSEQ_GLM = SmallRun("chipseq", "comparative-3-iter1-nb-glm-simulator", GENOME | {"training.budget_seconds": 120})
CHIPSEQ_ON_TIME = SmallRun(
    "chipseq",
    "ablation-linear-planner-iter1-technb-mu-r-simulator",
    GENOME
    | {
        "training.budget_seconds": 6,
        "training.early_stopping.patience": None,
        "evaluation.interval_steps": 50,
    },
)
# So few held-out bins that a measurement takes as long as its overhead, and the other bins next to nothing.
CHIPSEQ_FEW_BINS = SmallRun("chipseq", CHIPSEQ_MIXTURE.run_id, {**CHIPSEQ_ON_TIME.said, "evaluation.max_bins": 40})

GSM8K_TRAINING = {
    "seed": 7,
    "dataset.dev_examples": 6,
    "training.budget_seconds": 120,
    "training.checkpoint_seconds": 0.4,
    "training.global_batch_size": 8,
    "training.gradient_accumulation_steps": 1,
    "evaluation.interval_steps": 10,
    "evaluation.test_examples": 8,
    "evaluation.max_new_tokens": 96,
}
GSM8K = SmallRun(
    "gsm8k",
    "comparative-2-iter1-tiny-qwen3-arithmetic",
    GSM8K_TRAINING
    | {
        "training.total_steps": 20,
        "training.optimizer.lr_init": 1e-3,
        "training.scheduler.over": "steps",
        "training.scheduler.total_steps": 20,
        "training.scheduler.warmup_fraction": 0.1,
    },
)
GSM8K_SEARCHED = SmallRun(
    "gsm8k",
    "proposed-iter1-tiny-qwen3-arithmetic",
    GSM8K_TRAINING | {"training.total_steps": 4, "optuna.n_trials": 2, "evaluation.max_new_tokens": 96},
)
