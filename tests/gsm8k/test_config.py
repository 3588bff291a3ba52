"""The run files: their exact values. That each composes, is typed and can be overridden is tested in tests/e2e."""

import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf

import graff
from greenlight.harness.sections import Optimizer
from src.model import Scheduler, plan

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "gsm8k"
RUNS = EXPERIMENT / "config" / "runs"

# What the published experiment prescribes; `config` is the data set's configuration that its name alone leaves open.
PRESCRIBED = {
    "model": {
        "name": "Qwen/Qwen3-0.6B",
        "dtype": "bfloat16",
        "lora": {"r": 64, "alpha": 16, "dropout": 0.05},
        "parameter_count": "0.6B",
    },
    "dataset": {
        "name": "openai/gsm8k",
        "config": "main",
        "train_split": "train",
        "eval_split": "test",
        "max_tokens": 2048,
        "streaming": True,
        "shuffle_buffer": 10000,
    },
    "training": {
        "budget_minutes": 30,
        "global_batch_size": 64,
        "micro_batch_size": 8,
        "gradient_accumulation_steps": 8,
        "total_steps": 2000,
        "mixed_precision": "bf16",
        "gradient_checkpointing": True,
        "clip_grad_norm": 1.0,
        "optimizer": {"type": "adamw", "lr_init": "2e-4", "betas": [0.9, 0.98], "weight_decay": 0.01},
    },
    "evaluation": {"interval_steps": 100, "metrics": ["exact_match"]},
}
SCHEDULERS = {
    "proposed-iter1-Qwen3-0.6B-gsm8k": {
        "type": "graff",
        "outer_lr": "1e-3",
        "stability_guard": 1.9,
        "warm_start_ckpt": "graff_pretrain_qwen_tiny.pt",
    },
    "comparative-1-iter1-Qwen3-0.6B-gsm8k": {
        "type": "reactor",
        "controller_lr": "1e-4",
        "baseline_decay": 0.99,
        "entropy_bonus": 0.01,
    },
}


@pytest.mark.parametrize("run_id", SCHEDULERS)
def test_the_published_runs_have_exactly_the_prescribed_values(run_id):
    content = yaml.safe_load((RUNS / f"{run_id}.yaml").read_text())
    assert content["run_id"] == run_id
    for section, values in PRESCRIBED.items():
        found = dict(content[section])
        scheduler = found.pop("scheduler", None)
        assert found == values
        assert scheduler in (None, SCHEDULERS[run_id])
    assert content["training"]["scheduler"] == SCHEDULERS[run_id]
    search = content["optuna"]
    assert (search["n_trials"], search["direction"]) == (50, "maximize")
    assert search["search_space"]["adapter_lr_init"] == {"type": "loguniform", "low": 1.0e-4, "high": 5.0e-4}
    assert search["search_space"]["lora_r"] == {"type": "categorical", "choices": [32, 64, 96]}
    other = {"proposed": ("graff_outer_lr", 5.0e-4, 2.0e-3), "comparative-1": ("controller_lr", 5.0e-5, 5.0e-4)}
    name, low, high = other[content["method"]]
    assert search["search_space"][name] == {"type": "loguniform", "low": low, "high": high}
    assert len(search["search_space"]) == 3


def test_the_embedded_twins_differ_in_method_alone():
    ids = [name for name in sorted(path.stem for path in RUNS.glob("*.yaml")) if name.endswith("tiny-qwen3-arithmetic")]
    assert len(ids) >= 3
    contents = [yaml.safe_load((RUNS / f"{name}.yaml").read_text()) for name in ids]
    for content in contents:
        content["training"].pop("scheduler")
        for key in ("run_id", "method"):
            content.pop(key)
        # Each searches what it has: Prodigy has no initial rate.
        for name in ("graff_outer_lr", "controller_lr", "adapter_lr_init"):
            content["optuna"]["search_space"].pop(name, None)
    assert all(content == contents[0] for content in contents)


@pytest.mark.parametrize("run_id", sorted(path.stem for path in RUNS.glob("*.yaml")))
def test_the_planner_of_every_run_file_can_be_made_and_trains(run_id):
    # As Hydra reads it: 1e-3 is a number there, and text to a YAML 1.1 parser.
    training = OmegaConf.to_container(OmegaConf.load(RUNS / f"{run_id}.yaml"))["training"]
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optimizer = Optimizer(**{"type": "adamw"} | training["optimizer"])
    planner = plan(
        Scheduler(**training["scheduler"]), optimizer, model, graff.Budget(seconds=60), seed=3, max_grad_norm=1.0
    )
    before = model.weight.detach().clone()
    for _ in range(3):
        planner.weigh(model(torch.randn(4, 3)).square()).backward()
        assert not planner.step().skipped
    with planner.evaluating():
        assert not torch.equal(before, model.weight)


def test_every_planner_and_the_four_ablations_have_a_run_on_both_models():
    found = {}
    for path in RUNS.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        scheduler = content["training"]["scheduler"]
        switched = {key for key, value in scheduler.items() if isinstance(value, bool)}
        found.setdefault(content["model"]["name"], set()).add((scheduler["type"], *switched))
    for model in ("Qwen/Qwen3-0.6B", "greenlight/tiny-qwen3"):
        assert {kind for kind, *_ in found[model]} == set(graff.planners.names())
        assert {switch for _, *rest in found[model] for switch in rest} == {
            "graph_edges", "budget_feature", "learn", "zero_decoder",
        }  # fmt: skip


def test_the_experiment_holds_exactly_the_files_of_the_contract():
    listed = subprocess.run(["git", "ls-files", "."], cwd=EXPERIMENT, capture_output=True, text=True, check=True)
    files = {line for line in listed.stdout.splitlines() if not line.startswith("config/runs/")}
    assert files == {
        "config/config.yaml",
        "pyproject.toml",
        *(f"src/{name}.py" for name in ("evaluate", "main", "model", "preprocess", "train")),
    }
