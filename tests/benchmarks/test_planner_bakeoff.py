import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planners import choosing, table, tasks
from benchmarks.planners.board import read_board
from benchmarks.planners.cell import run_cell
from benchmarks.planners.command import main
from benchmarks.planners.fingerprint import fingerprint
from benchmarks.planners.grid import Choice, Method, parsed_seeds
from benchmarks.planners.outcome import Outcome
from greenlight.compare.json_files import write_json
from tests.benchmarks.bakeoff_grid import GRID, METHODS
from tests.processes import marked, wait_for

# One worker, so that the cells of the fixture are made once.
pytestmark = pytest.mark.xdist_group("bakeoff")

ROOT = Path(__file__).parents[2]


def one(**changed):
    return next(replace(GRID, methods=METHODS[:1], rates=(1e-2,), seeds=(0,), **changed).cells())


# -- a cell ------------------------------------------------------------------------------------------------------


def test_the_same_cell_on_the_steps_clock_is_the_same_outcome(board):
    cell = board.of("graff", 3e-2)[2].cell
    again = run_cell(cell, alone=False)
    assert replace(again, machine={}, peak_memory_mb=0.0) == replace(
        board.of("graff", 3e-2)[2], machine={}, peak_memory_mb=0.0
    )


def test_an_outcome_survives_its_file(board):
    outcome = board.of("flat", 3e-3)[0]
    assert Outcome.from_json(json.loads(json.dumps(outcome.as_json(), allow_nan=False))) == outcome


def test_every_method_has_the_same_time_steps_and_batches(board):
    for label in ("linear", "fixed"):
        for outcome in board.all_of(label):
            # Two evaluations of two steps leave twelve of sixteen; a tenth of an evaluation stays in reserve.
            assert outcome.steps in (11, 12)
            assert outcome.elapsed_s <= GRID.budget_s
            assert outcome.training_s == outcome.steps
            assert outcome.tokens == outcome.steps * 16
            assert [e.steps for e in outcome.evaluations] == [8, outcome.steps]
            assert outcome.evaluations[-1].elapsed_s - outcome.evaluations[-1].training_s == 2.0
    for seed in GRID.seeds:
        first = {outcome.trace[0].loss for (_, _, of_seed), outcome in board.outcomes.items() if of_seed == seed}
        assert len(first) == 1


def test_probes_are_charged_on_the_steps_clock():
    graff = run_cell(replace(one(budget_s=200.0), planner="graff"), alone=False)
    assert graff.training_s > graff.steps
    assert graff.overhead_s == pytest.approx(graff.training_s - graff.steps)


@pytest.mark.parametrize("clock", ["wall", "cpu"])
def test_a_real_clock_ends_in_time(clock):
    outcome = run_cell(one(clock=clock, budget_s=0.5), alone=False)
    assert outcome.status == "ok"
    assert 0.25 < outcome.elapsed_s < 0.75
    assert outcome.steps > 12
    assert 0 < outcome.overhead_s < outcome.training_s


def test_a_cell_that_breaks_is_a_result_with_its_reason():
    outcome = run_cell(replace(one(), task_options={"dev": 40, "test": 60, "failing": 5}), alone=False)
    assert outcome.status == "crashed"
    assert outcome.reason == "RuntimeError: the stream broke after 5 batches, as option failing says"
    assert outcome.steps == 5
    assert len(outcome.test_right) == 60
    assert outcome.final.questions == 40


def test_a_diverging_cell_is_reported(tmp_path):
    grid = replace(GRID, methods=METHODS[:2], rates=(3e-2, 1e4), seeds=(0,))
    for cell in grid.cells():
        write_json(tmp_path / cell.path, run_cell(cell, alone=False).as_json())
    found = read_board(grid, tmp_path)
    bad = found.of("fixed", 1e4)[0]
    assert bad.status == "diverged"
    assert "development loss" in bad.reason
    told = table.failures_markdown(found)
    assert f"| fixed | 10000 | 0 | diverged | {bad.reason} | {100 * np.mean(bad.test_right):.1f} |" in told
    assert choosing.best_rate(found, "fixed") == 3e-2
    assert {row.method: row.failed for row in table.rows(found, 3e-2)} == {"fixed": 1, "linear": 1}


def test_a_process_that_died_counts_as_nothing_right(board, folder, tmp_path):
    keys = list(board.outcomes)
    for outcome in board.outcomes.values():
        write_json(tmp_path / outcome.cell.path, outcome.as_json())
    dead = Outcome(board.outcomes[keys[0]].cell, "died", "the process ended with signal SIGKILL")
    write_json(tmp_path / dead.cell.path, dead.as_json())
    after = read_board(GRID, tmp_path)
    label, rate, seed = keys[0]
    assert after.test_score(label, rate)[GRID.seeds.index(seed)] == 0
    assert after.dev_loss(label, rate) == np.inf
    assert any("1 processes ended without a result and count as 0" in note for note in after.notes)


# -- identity ----------------------------------------------------------------------------------------------------


def test_every_option_that_matters_is_another_file():
    base = one()
    others = [
        replace(base, **{name: value})
        for name, value in {
            "task": "arithmetic", "task_options": {"dev": 41}, "planner": "fixed", "planner_options": {"over": "steps"},
            "rate": 2e-2, "seed": 1, "budget_s": 17.0, "clock": "cpu", "shares": (0.4,), "max_grad_norm": 2.0,
            "threads": 2, "code": "other", "protocol": 0,
        }.items()
    ]  # fmt: skip
    assert len({base.path, *(cell.path for cell in others)}) == 1 + len(others)


def test_a_planners_code_is_its_own_and_what_it_imports():
    assert fingerprint("graff.planners.linear") != fingerprint("graff.planners.cosine")
    assert fingerprint("graff.planners.linear") == fingerprint("graff.planners.linear", "graff.planners._planner")
    assert fingerprint("graff.planners.linear") != fingerprint("graff.planners.linear", "graff.guard")


def test_a_variant_is_read_from_the_command_line():
    method = Method.parsed("flat=graff,graph_edges=false,outer_lr=2e-3,warm_start=graff_pretrain_qwen_tiny")
    assert method == Method(
        "flat", "graff", {"graph_edges": False, "outer_lr": 2e-3, "warm_start": "graff_pretrain_qwen_tiny"}
    )
    assert parsed_seeds(["3", "7-9"]) == (3, 7, 8, 9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "chess"], "task 'chess': the tasks are arithmetic, chipseq, clusters, .*; choose one of them"),
        (["--task", "clusters,rows=x"], "option rows='x' of the task clusters: it is of type int; correct it"),
        (["--methods", "adam"], "planner 'adam': the planners are .*; choose one of them"),
        (["--variant", "graff,seed=1"], "variant 'graff,seed=1': it is LABEL=planner.*"),
        (["--rates", "0.1", "0.1"], "rates .*: at least one, and none twice; correct the list"),
        (["--budget", "arithmetic=3"], "--budget arithmetic=3: none for task clusters; add clusters=SECONDS"),
        (["--seeds", "5-"], "seeds '5-': a seed is a number and a range is 0-5; correct it"),
        (["--jobs", "0"], "--jobs 0: at least one cell runs at a time; give 1 or more"),
    ],
)
def test_a_wrong_command_is_answered_in_one_line(arguments, said, tmp_path, capsys):
    given = ["run", "--task", "clusters", "--methods", "linear", "--out", str(tmp_path), *arguments]
    if "--task" in arguments:
        given = given[:1] + given[3:]
    assert main(given) == 2
    assert re.fullmatch(f"error: {said}\n", capsys.readouterr().err)


def test_a_task_that_cannot_run_here_is_named_and_left_out(tmp_path, capsys):
    assert main(["run", "--task", "smollm2_gsm8k,device=cpu", "--methods", "linear", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err.startswith("left out: task smollm2_gsm8k: model=nothing: no folder of a model")


# -- running -----------------------------------------------------------------------------------------------------


def bake(out, *arguments):
    return [
        "run", "--task", "clusters,dev=40,test=60", "--methods", "linear", "--rates", "0.01", "--seeds", "0-1",
        "--budget", "8", "--clock", "steps", "--shares", "0.5", "--out", str(out), *arguments,
    ]  # fmt: skip


def test_a_cell_that_exists_is_not_run_again_and_a_missing_one_is(tmp_path, capsys):
    task = Choice("clusters", vars(tasks.make("clusters", {"dev": 40, "test": 60})))
    first, second = replace(GRID, task=task, methods=METHODS[:1], rates=(0.01,), seeds=(0, 1), budget_s=8.0).cells()
    path = tmp_path / "cells" / first.path
    write_json(path, run_cell(first, alone=False).as_json())
    before = path.stat().st_mtime_ns, path.read_bytes()
    assert main(bake(tmp_path, "--reference", "linear", "--default-rate", "0.01", "--jobs", "2")) == 0
    assert "1 of 2 cells exist; 1 to run" in capsys.readouterr().err
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    # A process of its own measures the same as this one.
    made = Outcome.from_json(json.loads((tmp_path / "cells" / second.path).read_text()))
    here = run_cell(second, alone=False)
    assert (made.test_right, made.evaluations, made.trace) == (here.test_right, here.evaluations, here.trace)
    assert sorted(p.name for p in (tmp_path / "report" / "clusters").iterdir()) == [
        "cells.csv", "exact_match_over_time.pdf", "sensitivity.pdf", "significance.json", "summary.csv", "summary.md",
    ]  # fmt: skip
    assert main(bake(tmp_path, "--reference", "linear", "--default-rate", "0.01")) == 0
    assert "2 of 2 cells exist; 0 to run" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_process_and_no_half_file(tmp_path, number):
    marker = f"BAKEOFF={tmp_path}"
    command = [sys.executable, "-m", "benchmarks.planners", *bake(tmp_path, "--jobs", "2", "--budget", "1000000000")]
    environment = {**os.environ, "BAKEOFF": str(tmp_path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: len(marked(marker)) >= 3)
        process.send_signal(number)
        status = process.wait(100)
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    wait_for(lambda: not marked(marker), timeout_s=60)
    assert not list(tmp_path.rglob("*.json"))
    assert not list(tmp_path.rglob("*.part"))
    if number != signal.SIGKILL:
        assert not list(tmp_path.rglob("*.order"))
