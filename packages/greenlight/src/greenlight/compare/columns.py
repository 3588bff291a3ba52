"""The names under which a training script logs what a comparison reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Columns:
    """Names of history columns, summary keys and configuration paths, and the words used for the score.

    Attributes
    ----------
    step, loss, learning_rate, tokens, elapsed_s, remaining_s, dev_score
        Columns of the history; `tokens` and `step` are cumulative, the times are seconds.
    planner_prefix
        Columns that begin with it are the learning-rate planner's internals.
    primary
        Summary key of the primary metric.
    auc, steps, total_tokens, planner_overhead, peak_memory_mb, energy_j, budget_s
        Further summary keys; `planner_overhead` is a fraction of the wall clock.
    missing_suffix
        The summary key ``energy_j`` + this suffix holds the reason why ``energy_j`` is null.
    method, seed, budget_minutes
        Dotted paths into the nested configuration.
    not_of_the_method
        Dotted configuration paths in which two runs of one method may differ (over seeds, for instance).
    score
        What the primary metric is called in figures and tables, in lower case.
    score_is_proportion
        Whether the score is the proportion of right answers, in [0, 1]: shown in percent, with a Wilson interval.
    loss_label
        What the loss is called on an axis, with its unit.
    """

    step: str = "step"
    loss: str = "loss"
    learning_rate: str = "learning_rate"
    tokens: str = "tokens"
    elapsed_s: str = "elapsed_s"
    remaining_s: str = "remaining_s"
    dev_score: str = "dev_exact_match"
    planner_prefix: str = "planner/"

    primary: str = "exact_match_at_budget"
    auc: str = "auc_em_over_budget"
    steps: str = "steps"
    total_tokens: str = "tokens"
    planner_overhead: str = "planner_overhead_fraction"
    peak_memory_mb: str = "peak_memory_mb"
    energy_j: str = "energy_j"
    budget_s: str = "budget_s"
    missing_suffix: str = "_missing"

    method: str = "method"
    seed: str = "seed"
    budget_minutes: str = "training.budget_minutes"
    not_of_the_method: tuple[str, ...] = ("seed", "run", "run_id", "results_dir", "mode", "wandb")

    score: str = "exact match"
    score_is_proportion: bool = True
    loss_label: str = "training loss (nats per token)"


DEFAULT = Columns()


def at_path(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path of a nested configuration, or None where there is none.

    A key that itself holds the dots wins, because some trackers store configurations flat.

    >>> at_path({"training": {"budget_minutes": 30}}, "training.budget_minutes")
    30
    """
    if path in config:
        return config[path]
    value: Any = config
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value
