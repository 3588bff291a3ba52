"""Synthetic runs: what a training script would have logged, with known answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from greenlight.compare.records import RunRecord

RunFactory = Callable[..., RunRecord]


def _history(*, budget_s: float, rows: int, learning_rate: float, rng: np.random.Generator) -> pd.DataFrame:
    done = np.arange(1, rows + 1) / rows
    elapsed = 0.97 * budget_s * done
    history = pd.DataFrame(
        {
            "_step": np.arange(rows),
            "step": np.arange(1, rows + 1, dtype=float),
            "loss": 0.6 + 1.5 * np.exp(-5 * learning_rate / 3e-3 * done) + 0.15 * rng.standard_normal(rows),
            "learning_rate": learning_rate * (1 - done) + 1e-6,
            "tokens": 512.0 * np.arange(1, rows + 1),
            "elapsed_s": elapsed,
            "remaining_s": budget_s - elapsed,
            "planner/log_lr_gradient": rng.standard_normal(rows),
            "planner/entropy": 1.0 + rng.random(rows),
        }
    )
    every = max(1, rows // 8)
    evaluated = history["step"] % every == 0
    history["dev_exact_match"] = np.where(evaluated, 0.3 + 0.3 * (1 - np.exp(-3 * done)), np.nan)
    return history


@pytest.fixture
def make_run() -> RunFactory:
    """Build one run; `right` is a boolean array of shape (questions,), one entry per test question."""

    def make(
        run_id: str,
        right: Any = None,
        *,
        questions: int = 200,
        accuracy: float = 0.5,
        seed: int = 0,
        method: str | None = None,
        budget_s: float = 45.0,
        rows: int = 200,
        learning_rate: float = 3e-3,
        summary: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        with_outcomes: bool = True,
    ) -> RunRecord:
        rng = np.random.default_rng([seed, *run_id.encode()])
        right = rng.random(questions) < accuracy if right is None else np.asarray(right, dtype=bool)
        history = _history(budget_s=budget_s, rows=rows, learning_rate=learning_rate, rng=rng)
        outcomes = pd.DataFrame(
            {
                "question_id": [f"q{index:04d}" for index in range(len(right))],
                "correct": right,
                "prediction": [str(index) if ok else None for index, ok in enumerate(right)],
                "gold": [str(index) for index in range(len(right))],
            }
        )
        values: dict[str, Any] = {
            "exact_match_at_budget": float(right.mean()),
            "final_loss": 0.7,
            "auc_em_over_budget": 0.4,
            "energy_j": None,
            "energy_j_missing": "no energy counter on this machine",
            "peak_memory_mb": 812.5,
            "planner_overhead_fraction": 0.0123,
            "steps": rows,
            "tokens": 512 * rows,
            "budget_s": budget_s,
        }
        return RunRecord(
            run_id=run_id,
            history=history,
            summary=values | (summary or {}),
            config={"method": method or run_id.split("-")[0], "seed": seed, "training": {"batch": 8}} | (config or {}),
            outcomes=outcomes if with_outcomes else None,
            outcomes_missing=None if with_outcomes else f"run {run_id} saved no outcomes.jsonl",
        )

    return make
