"""What must hold of a run of any experiment, as checks of what the tracker and the run's folder hold.

A check raises AssertionError. The same checks are the end-to-end tests of the experiments and what mutants turn red.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

from tests.e2e.playing import Played, Witness

RUNNING_MEAN_DECAY = 0.9
# The clock on disk is refreshed so often: a run that is killed gets less than that back.
CLOCK_FILE_EVERY_S = 1.0
OF_EVERY_ROW = {"step", "elapsed_s", "remaining_s", "training_s"}
OF_EVERY_STEP = OF_EVERY_ROW | {
    "loss", "loss_running_mean", "learning_rate", "epoch", "step_s", "step_skipped", "planner/grad_norm",
}  # fmt: skip


def configuration(played: Played) -> None:
    """The tracked configuration is the defaults, then the run file, then the command line, and nothing else."""
    tracked = {key: value for key, value in played.main.config.items() if not key.startswith("_")}
    place = tracked.pop("wandb")
    assert place["project"] == played.main.project
    assert (tracked.pop("mode"), place["mode"]) == ("full", "online")
    assert tracked.pop("results_dir") == str(played.main.folder.parent)
    assert tracked.pop("search") is None
    _equal(tracked, played.expected)
    recorded = json.loads((played.main.folder / "run.json").read_text())["config"]
    _equal({key: value for key, value in recorded.items() if key != "wandb"}, played.expected)
    assert played.main.summary["budget_s"] == played.option("training.budget_seconds")


def _equal(found: Any, expected: Any, path: str = "") -> None:
    if isinstance(expected, Mapping):
        # The tracker's client leaves empty sections out.
        held = {key: value for key, value in expected.items() if value != {} or key in found}
        assert found.keys() == held.keys(), f"{path}: {sorted(set(found) ^ set(held))}"
        for key, value in held.items():
            _equal(found[key], value, f"{path}.{key}")
    else:
        assert found == expected, f"{path}: {found} instead of {expected}"


def steps(played: Played) -> None:
    """Every optimiser step is there once, in order, and none was skipped."""
    run = played.main
    assert [row["step"] for row in run.rows] == list(range(run.summary["steps"] + 1))
    assert len(run.rows) > 1
    assert not any(row["step_skipped"] for row in run.rows[1:])


def metric_capture(played: Played, columns: Collection[str]) -> None:
    """Every row holds what the page of the experiment promises, with a clock that only goes forward."""
    rows, budget_s = played.main.rows, played.main.summary["budget_s"]
    assert rows[0].keys() >= OF_EVERY_ROW
    for row in rows[1:]:
        assert row.keys() >= OF_EVERY_STEP | set(columns), sorted((OF_EVERY_STEP | set(columns)) - row.keys())
    for row in rows:
        assert math.isclose(row["elapsed_s"] + row["remaining_s"], budget_s, abs_tol=0.01)
        assert 0 <= row["training_s"] <= row["elapsed_s"] + 0.05
        assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    elapsed = [row["elapsed_s"] for row in rows]
    assert elapsed == sorted(elapsed)
    journal = [json.loads(line) for line in (played.main.folder / "history.jsonl").read_text().splitlines()]
    assert journal == [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]


def loss_tracking(played: Played) -> None:
    """Every step has a finite loss, from which the running mean and the summary's losses follow."""
    mean, best = math.nan, math.nan
    for row in played.main.rows[1:]:
        loss = row.get("loss", math.nan)
        assert math.isfinite(loss), f"step {row['step']} has no loss"
        mean = loss if math.isnan(mean) else RUNNING_MEAN_DECAY * mean + (1 - RUNNING_MEAN_DECAY) * loss
        best = mean if math.isnan(best) else min(best, mean)
        assert math.isclose(row["loss_running_mean"], mean, rel_tol=1e-9)
    assert math.isclose(played.main.summary["final_loss"], mean, rel_tol=1e-9)
    assert math.isclose(played.main.summary["best_loss"], best, rel_tol=1e-9)


def checkpoint_resumes(played: Played) -> None:
    """A run that was interrupted, killed and resumed is the run that was not, row by row, and paid for all its time."""
    twin = played.twin
    assert twin is not None
    assert twin.runs_of_project == [played.small.run_id]
    assert [_lasting(row) for row in twin.rows] == [_lasting(row) for row in played.main.rows]
    assert twin.interruptions
    for interruption in twin.interruptions:
        after = [row["elapsed_s"] for row in twin.rows if row["step"] > interruption.step]
        assert min(after) > interruption.spent_s, "seconds were handed back to a resumed run"
    elapsed = [row["elapsed_s"] for row in twin.rows]
    assert all(later > earlier - CLOCK_FILE_EVERY_S for earlier, later in pairwise(elapsed))
    # The count is part of the checkpoint: a process that is killed before it wrote one is not counted.
    assert 1 <= twin.summary["resumed"] <= len(twin.interruptions)
    assert twin.summary.get("energy_j") is None, "a meter reads one process"
    assert twin.state == "finished"
    for name in ("steps", "final_loss", "best_loss", "stop_reason"):
        assert twin.summary[name] == played.main.summary[name], name


def _lasting(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a row does not depend on how fast the machine was."""
    return {key: value for key, value in row.items() if not key.endswith("_s") and not key.startswith("_")}


def evaluated_when_due(played: Played) -> None:
    """The development split is measured before the first step, at every interval, and after the last step."""
    interval, last = played.option("evaluation.interval_steps"), played.main.summary["steps"]
    due = {*range(0, last + 1, interval), last}
    assert {row["step"] for row in played.main.evaluations} == due


def exact_rates(played: Played, shape: str) -> None:
    """The rate of every step is that of the planner over steps, digit by digit: half a step in, warm-up, descent."""
    total = played.option("training.scheduler.total_steps")
    warmup = played.option("training.scheduler.warmup_fraction")
    rate = played.option("training.optimizer.lr_init")
    for row in played.main.rows[1:]:
        done = (row["step"] - 0.5) / total
        left = (1 - done) / (1 - warmup)
        descent = min(1.0, left) if shape == "linear" else 0.5 * (1 - math.cos(math.pi * min(1.0, left)))
        expected = rate * min(1.0, done / warmup) * descent
        assert math.isclose(row["learning_rate"], expected, rel_tol=1e-9), f"step {row['step']}: not {expected}"


def completion(played: Played, left: Collection[str], saved: Collection[str]) -> None:
    """The run is finished here and at the tracker, and leaves exactly the named files."""
    run = played.main
    assert run.state == "finished"
    assert run.runs_of_project == [played.small.run_id]
    assert json.loads((run.folder / "run.json").read_text())["finished"] is True
    clock = json.loads((run.folder / "clock.json").read_text())
    assert (clock["step"], clock["budget_s"]) == (run.summary["steps"], run.summary["budget_s"])
    found = {path.name for path in run.folder.iterdir()}
    assert found == {".lock", "clock.json", "history.jsonl", "run.json", "wandb", *left}
    for name in saved:
        assert name in run.files
        assert (run.saved / name).read_bytes() == (run.folder / name).read_bytes()
    for missing in (name for name in run.summary if name.endswith("_missing") and run.summary[name]):
        assert run.summary.get(missing.removesuffix("_missing")) is None


def within_budget(run: Witness) -> None:
    """A run under a budget of time uses it, ends in it, and says so."""
    budget_s = run.summary["budget_s"]
    assert run.summary["stop_reason"] == "budget"
    assert 0.5 * budget_s < run.rows[-1]["elapsed_s"] < budget_s
    # Answers may be late on a machine with other work, never by more than they were measured to take.
    assert run.summary["elapsed_s"] < 1.2 * budget_s
    assert math.isclose(run.summary["overrun_s"], max(0.0, run.summary["elapsed_s"] - budget_s), abs_tol=1e-9)
