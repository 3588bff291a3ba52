"""The training loop on its own: what a run file may say, what is kept for the end, and what survives a crash."""

import json
from types import MappingProxyType, SimpleNamespace

import pytest
import torch

from greenlight import assets
from greenlight.assets.arithmetic import problems
from greenlight.errors import GreenlightError
from src.train import Job, RunConfig

STEPS = 7


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def content(tmp_path, data="greenlight/arithmetic", evaluation=MappingProxyType({}), **training):
    return {
        "run_id": "r",
        "method": "proposed",
        "mode": "full",
        "results_dir": str(tmp_path),
        "seed": 3,
        "model": {
            "name": str(assets.model_folder()),
            "dtype": "float32",
            "lora": {"r": 2, "alpha": 4, "dropout": 0.1},
            "parameter_count": "0.8M",
        },
        "dataset": {
            "name": str(data),
            "config": None,
            "train_split": "train",
            "eval_split": "test",
            "max_tokens": 256,
            "streaming": True,
            "shuffle_buffer": 50,
            "dev_examples": 2,
            "prompt": "Question: {question}\nAnswer: ",
        },
        "training": {
            "budget_minutes": None,
            "budget_seconds": 1000,
            "global_batch_size": 4,
            "micro_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "total_steps": STEPS,
            "epochs": None,
            "mixed_precision": "none",
            "gradient_checkpointing": False,
            "clip_grad_norm": 1.0,
            "checkpoint_seconds": 1000,
            "optimizer": {"type": "adamw", "lr_init": 1e-3, "betas": [0.9, 0.98], "weight_decay": 0.01},
            "scheduler": {"type": "reactor"},
        }
        | training,
        "evaluation": {
            "interval_steps": 100,
            "metrics": ["exact_match"],
            "test_examples": 3,
            "max_new_tokens": 8,
            "batch_size": 4,
            "target_exact_match": None,
            "second": None,
        }
        | evaluation,
        "optuna": {"n_trials": 0, "direction": "maximize", "search_space": {}},
        "wandb": {"entity": "e", "project": "p", "mode": "disabled"},
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A few of the embedded problems in a folder of JSONL, so that no hub is needed."""
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 40), ("test", 3)):
        rows = [{"question": p.question, "answer": p.answer} for p in problems("main", split, count)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


class Rows:
    def __init__(self):
        self.rows = []

    def log(self, step, row):
        self.rows.append((step, row))


class StopAt(Rows):
    """A tracker that asks for an interrupt as soon as it has seen a step."""

    def __init__(self, step, event):
        super().__init__()
        self.step, self.event = step, event

    def log(self, step, row):
        super().log(step, row)
        if step == self.step:
            self.event.set()


def new_job(config, folder, *, test):
    folder.mkdir(exist_ok=True)
    return Job(config, folder, test=test)


def weights(job):
    return [p.detach().clone() for p in job.model.parameters() if p.requires_grad]


# Clock readings decide reactor's rates through rewards per second, so both runs are given the same clock: steps.
def with_step_clock(job):
    reading = SimpleNamespace(now=0.0)
    job.budget.clock = lambda: reading.now
    own = job.step

    def step(batch):
        reading.now += 0.5
        return own(batch)

    job.step = step
    return job


def test_an_interrupted_run_resumes_to_the_same_weights_bit_for_bit(data, tmp_path):
    config = RunConfig(**content(tmp_path, data))
    unbroken = with_step_clock(new_job(config, tmp_path / "a", test=False))
    unbroken.prepare()
    assert unbroken.train(Rows()) == "total_steps"

    first = with_step_clock(new_job(config, tmp_path / "b", test=False))
    first.prepare()
    with pytest.raises(KeyboardInterrupt):
        first.train(StopAt(4, first.interrupted))
    second = with_step_clock(new_job(config, tmp_path / "b", test=False))
    assert second.prepare() is None, "a resumed run has no row of step 0"
    rows = Rows()
    assert second.train(rows) == "total_steps"

    assert [step for step, _ in rows.rows] == [5, 6, 7]
    assert all(torch.equal(a, b) for a, b in zip(weights(unbroken), weights(second), strict=True))
    assert second.progress.tokens == unbroken.progress.tokens
    assert second.progress.resumed == 1


def test_the_end_of_the_budget_is_kept_for_the_answers_and_training_stops_before_it(data, tmp_path):
    job = new_job(RunConfig(**content(tmp_path, data, total_steps=10_000, budget_seconds=8)), tmp_path / "a", test=True)
    job.prepare()
    questions = 2 + job.progress.test_cost * 3
    slowest_s = max(job.progress.s_per_example)
    assert job.budget.reserve_s == pytest.approx(1.25 * questions * slowest_s + 2 * job.progress.checkpoint_s)
    assert job.train(Rows()) == "budget"
    assert job.budget.elapsed_s <= 8 - job.budget.reserve_s + 1.0
    summary = job.finish("budget")
    outcomes = [json.loads(line) for line in (tmp_path / "a" / "outcomes.jsonl").read_text().splitlines()]
    assert len(outcomes) == summary["test_questions"] == 3
    assert summary["exact_match_at_budget"] == pytest.approx(sum(row["correct"] for row in outcomes) / 3)
    assert summary["steps"] == job.progress.step > 0
    assert json.loads(json.dumps(summary))["budget_s"] == 8
    assert 0 < summary["training_s"] < summary["elapsed_s"]
    assert summary["dev_exact_match_at_30_min"] is None
    assert summary["dev_exact_match_at_30_min_missing"] == "the budget of 8 s ends before 1800 s"


def test_the_end_of_the_last_epoch_ends_training_and_is_measured(data, tmp_path):
    config = RunConfig(**content(tmp_path, data, epochs=1, total_steps=10_000, evaluation={"max_new_tokens": 2}))
    job = new_job(config, tmp_path / "a", test=False)
    job.prepare()
    tracked = Rows()
    assert job.train(tracked) == "epochs"
    # 40 problems without two for development are 19 micro-batches; two of them are a step, the last step has one.
    assert [step for step, _ in tracked.rows] == list(range(1, 11))
    assert [step for step, row in tracked.rows if "dev_exact_match" in row] == [10]
    assert job.progress.examples == 38
    summary = job.finish("epochs")
    assert summary["stop_reason"] == "epochs"
    assert not (tmp_path / "a" / "outcomes.jsonl").exists(), "a search does not answer the test split"
    resumed = new_job(config, tmp_path / "a", test=False)
    resumed.prepare()
    after = Rows()
    assert (resumed.train(after), after.rows) == ("epochs", [])


def test_a_second_data_set_is_answered_off_the_clock_and_its_absence_has_a_reason(data, tmp_path):
    (tmp_path / "other").mkdir()
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(2)]
    (tmp_path / "other" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    second = {"name": str(tmp_path / "other"), "config": None, "split": "test"}
    job = new_job(RunConfig(**content(tmp_path, data, evaluation={"second": second})), tmp_path / "a", test=True)
    found = job.second()
    assert found["second_questions"] == 2
    assert found["second_data_set"] == second["name"]
    assert 0 <= found["second_exact_match"] <= 1
    assert not job.budget.started
    second["split"] = "validation"
    job = new_job(RunConfig(**content(tmp_path, data, evaluation={"second": second})), tmp_path / "b", test=True)
    found = job.second()
    assert found["second_exact_match"] is None
    assert "split validation" in found["second_exact_match_missing"]


def test_the_moment_a_target_is_reached_is_noted_once_with_its_joules_or_the_reason(data, tmp_path):
    config = RunConfig(**content(tmp_path, data, evaluation={"target_exact_match": 0.5}))
    job = new_job(config, tmp_path / "a", test=False)
    job.energy.start()
    job.budget.start()
    job._note_target(0.4)
    assert job.progress.target_s is None
    job._note_target(0.5)
    reached = job.progress.target_s
    assert reached > 0
    assert (job.progress.target_j is None) == bool(job.progress.target_j_missing)
    job._note_target(0.9)
    assert job.progress.target_s == reached


def test_a_budget_that_the_last_evaluation_would_eat_is_refused_before_training(data, tmp_path):
    job = new_job(RunConfig(**content(tmp_path, data, budget_seconds=0.01)), tmp_path / "a", test=True)
    with pytest.raises(GreenlightError, match=r"^budget of 0.01 s: the evaluation at its end \(3 test and 2 dev"):
        job.prepare()


def test_a_batch_that_is_not_its_parts_is_named(tmp_path):
    with pytest.raises(ValueError, match="global_batch_size 5: it is micro_batch_size 2 x gradient_accumulation_steps"):
        RunConfig(**content(tmp_path, global_batch_size=5))
