"""What must hold of a run of gsm8k: its answers again, by a program of its own and the adapter that the run left."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from tests.e2e import concerns
from tests.e2e.playing import Played

LEFT = ("adapter", "outcomes.jsonl")
KNOWN_NATS = 1.0  # per token; the embedded model was trained on such problems, with another answer's words it is lost


def outcomes(played: Played) -> list[dict[str, Any]]:
    """Return the outcome of every test question, as saved with the tracked run."""
    return [json.loads(line) for line in (played.main.saved / "outcomes.jsonl").read_text().splitlines()]


def answered_again(played: Played, *wanted: tuple[Path | None, str]) -> list[list[dict[str, float | None]]]:
    """Return what the model answers with an adapter (None: without), and what is right, split by split."""
    asked = {
        "model": played.option("model.name"),
        "dataset": played.option("dataset.name"),
        "config": played.option("dataset.config"),
        "prompt": played.option("dataset.prompt"),
        "longest": played.option("evaluation.max_new_tokens"),
        "cache": str(played.stage.folder / "answered-again"),
        "wanted": [(None if adapter is None else str(adapter), split) for adapter, split in wanted],
    }
    name = f"{played.main.project}-again"
    ended = played.stage.start(Path(__file__).parent, name, json.dumps(asked), module="answer_again").wait()
    assert ended.returncode == 0, ended.output
    lines = [line for line in ended.output.splitlines() if line.startswith("answers ")]
    return [json.loads(line.removeprefix("answers ")) for line in lines[-len(wanted) :]]


def _right(answers: list[dict[str, float | None]]) -> float:
    return sum(row["answer"] == row["gold"] for row in answers) / len(answers)


# ---- the concerns ----------------------------------------------------------------------------------------------


def initialisation(played: Played) -> None:
    """Before its first step the adapted model is the embedded one, which knows its problems; the adapter is as said."""
    start = played.main.rows[0]
    assert start["step"] == 0
    assert 0 < start["dev_exact_match"] < 1
    assert played.main.rows[1]["loss"] < KNOWN_NATS
    assert played.main.summary["stand_in"] is False
    written = json.loads((played.main.folder / "adapter" / "adapter_config.json").read_text())
    lora = played.option("model.lora")
    assert (written["r"], written["lora_alpha"], written["lora_dropout"]) == (lora["r"], lora["alpha"], lora["dropout"])
    assert set(written["target_modules"]) == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    }  # fmt: skip


def training(played: Played) -> None:
    """The steps change the adapter, and the loss falls."""
    concerns.steps(played)
    weights = load_file(played.main.folder / "adapter" / "adapter_model.safetensors")
    second = [value for name, value in weights.items() if "lora_B" in name]
    assert second
    # They begin at zero: what is not zero was trained.
    assert all(np.abs(value).max() > 0 for value in second)
    losses = [row["loss"] for row in played.main.rows[1:]]
    half = len(losses) // 2
    assert np.mean(losses[half:]) < np.mean(losses[:half])
    tokens = [row["tokens"] for row in played.main.rows[1:]]
    assert all(later > earlier for earlier, later in zip([0, *tokens], tokens, strict=False))
    assert played.main.summary["tokens"] == tokens[-1]


def metric_capture(played: Played) -> None:
    """Every row has its loss, rate, tokens, clock and planner."""
    concerns.metric_capture(played, {"tokens", "answer_tokens"})


def checkpoint_reloads(played: Played) -> None:
    """The adapter that was left, loaded by another program, answers as the run says at its beginning and its end."""
    n_dev, n_test = played.option("dataset.dev_examples"), played.option("evaluation.test_examples")
    train, test = (
        f"{played.option('dataset.train_split')}[:{n_dev}]",
        f"{played.option('dataset.eval_split')}[:{n_test}]",
    )
    adapter = played.main.folder / "adapter"
    untrained, dev, held_out = answered_again(played, (None, train), (adapter, train), (adapter, test))
    assert played.main.rows[0]["dev_exact_match"] == _right(untrained)
    assert played.main.rows[-1]["dev_exact_match"] == _right(dev) == played.main.summary["final_dev_exact_match"]
    assert played.main.summary["exact_match_at_budget"] == _right(held_out)
    for said, again in zip(outcomes(played), held_out, strict=True):
        assert float(said["gold"]) == again["gold"]
        assert (None if said["prediction"] is None else float(said["prediction"])) == again["answer"]


def checkpoint_resumes(played: Played) -> None:
    """An interrupted, killed and resumed run answers every test question alike."""
    concerns.checkpoint_resumes(played)
    assert played.twin is not None
    assert (played.twin.folder / "outcomes.jsonl").read_text() == (played.main.folder / "outcomes.jsonl").read_text()


def validation_metrics(played: Played) -> None:
    """Exact match is a count of development questions when it is due, and at the end one of test questions."""
    concerns.evaluated_when_due(played)
    summary, n_dev = played.main.summary, played.option("dataset.dev_examples")
    measured = [row["dev_exact_match"] for row in played.main.evaluations]
    assert all((value * n_dev).is_integer() for value in map(float, measured))
    assert summary["best_dev_exact_match"] == max(measured)
    assert summary["final_dev_exact_match"] == measured[-1]
    rows = outcomes(played)
    assert len(rows) == played.option("evaluation.test_examples") == summary["test_questions"]
    assert all(row["correct"] == (row["prediction"] == row["gold"]) for row in rows)
    assert summary["exact_match_at_budget"] == sum(row["correct"] for row in rows) / len(rows)
    assert {row["question_id"].split("-")[0] for row in rows} == {"test"}


def no_early_stopping(played: Played) -> None:
    """It has none, because runs are compared at the end of a budget: it ends where it is told, not before."""
    assert played.main.summary["stop_reason"] == "total_steps"
    assert played.main.summary["steps"] == played.option("training.total_steps")


def scheduler(played: Played) -> None:
    """The exact sequence of rates: a straight line."""
    concerns.exact_rates(played, "linear")


def completion(played: Played) -> None:
    """The run is over and leaves what it must; a missing figure has its reason."""
    concerns.completion(played, LEFT, ("outcomes.jsonl",))
    summary = played.main.summary
    assert (summary.get("energy_j") is None) == bool(summary.get("energy_j_missing"))
    assert 0 < summary["planner_overhead_fraction"] < 0.2
    assert 0 < summary["auc_em_over_budget"] < 1
    assert math.isfinite(summary["peak_memory_mb"])
    assert summary["peak_memory_mb"] > 100


CONCERNS: Mapping[str, Callable[[Played], None]] = {
    "configuration": concerns.configuration,
    "initialisation": initialisation,
    "training": training,
    "metric_capture": metric_capture,
    "loss_tracking": concerns.loss_tracking,
    "checkpoint_reloads": checkpoint_reloads,
    "checkpoint_resumes": checkpoint_resumes,
    "validation_metrics": validation_metrics,
    "early_stopping": no_early_stopping,
    "scheduler": scheduler,
    "completion": completion,
}
