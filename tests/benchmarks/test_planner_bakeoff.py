import csv
import itertools
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
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.planners import aims, choosing, evidence, table, tasks
from benchmarks.planners.board import Board, read_board
from benchmarks.planners.cell import run_cell
from benchmarks.planners.command import main
from benchmarks.planners.fingerprint import fingerprint
from benchmarks.planners.grid import Choice, Grid, Method, parsed_seeds
from benchmarks.planners.outcome import Outcome
from greenlight.compare.json_files import write_json
from greenlight.errors import GreenlightError
from tests.processes import marked, wait_for

# One worker, so that the cells of the fixture are made once.
pytestmark = pytest.mark.xdist_group("bakeoff")

ROOT = Path(__file__).parents[2]
METHODS = (
    Method("linear", "linear"),
    Method("fixed", "fixed"),
    Method("graff", "graff"),
    Method("flat", "graff", {"graph_edges": False}),
)
GRID = Grid(
    task=Choice("clusters", {"dev": 40, "test": 60}),
    methods=METHODS,
    rates=(3e-3, 3e-2),
    seeds=(0, 1, 2, 3, 4, 5),
    budget_s=16.0,
    clock="steps",
    shares=(0.5,),
    max_grad_norm=1.0,
    threads=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("bakeoff") / "cells"
    for cell in GRID.cells():
        write_json(made / cell.path, run_cell(cell, alone=False).as_json())
    return made


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory):
    """Where the started processes keep compiled modules, so that only the first one pays for it."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture(scope="module")
def board(folder):
    return read_board(GRID, folder)


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
    assert after.test_exact_match(label, rate)[GRID.seeds.index(seed)] == 0
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
        (["--task", "chess"], "task 'chess': the tasks are arithmetic, clusters, .*; choose one of them"),
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


def test_a_cell_that_exists_is_not_run_again_and_a_missing_one_is(tmp_path, bytecode, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode))
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
def test_an_interrupted_run_leaves_no_process_and_no_half_file(tmp_path, bytecode, number):
    marker = f"BAKEOFF={tmp_path}"
    command = [sys.executable, "-m", "benchmarks.planners", *bake(tmp_path, "--jobs", "2", "--budget", "1000000000")]
    environment = {**os.environ, "BAKEOFF": str(tmp_path), "OMP_NUM_THREADS": "1"}
    environment |= {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: len(marked(marker)) >= 3)
        process.send_signal(number)
        status = process.wait(30)
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    wait_for(lambda: not marked(marker), timeout_s=20)
    assert not list(tmp_path.rglob("*.json"))
    assert not list(tmp_path.rglob("*.part"))
    if number != signal.SIGKILL:
        assert not list(tmp_path.rglob("*.order"))


# -- what the report says ----------------------------------------------------------------------------------------


def test_the_tables_numbers_are_those_of_the_cells(board, folder, tmp_path):
    files = [json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))]
    assert len(files) == len(METHODS) * 2 * 6
    (tmp_path / "summary.csv").write_text(table.summary_csv(table.rows(board, 3e-3)))
    with (tmp_path / "summary.csv").open() as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {method.label for method in METHODS}
    for method in METHODS:
        own = [
            f for f in files
            if f["cell"]["planner"] == method.planner and f["cell"]["planner_options"] == dict(method.options)
        ]  # fmt: skip
        by_rate = {rate: [f for f in own if f["cell"]["rate"] == rate] for rate in GRID.rates}
        dev = {rate: np.mean([f["evaluations"][-1]["right"] / 40 for f in cells]) for rate, cells in by_rate.items()}
        test = {rate: np.mean([f["test_right"].count("1") / 60 for f in cells]) for rate, cells in by_rate.items()}
        row = rows[method.label]
        best = float(row["rate"])
        assert dev[best] == max(dev.values())
        assert float(row["test"]) == pytest.approx(test[best])
        assert float(row["dev"]) == pytest.approx(dev[best])
        assert float(row["default"]) == pytest.approx(test[3e-3])
        assert float(row["worst"]) == pytest.approx(min(test.values()))
        assert float(row["steps"]) == np.median([f["steps"] for f in by_rate[best]])
        assert float(row["tokens"]) == np.median([f["tokens"] for f in by_rate[best]])
        shares = [100 * f["overhead_s"] / f["training_s"] for f in own]
        assert float(row["overhead_percent"]) == pytest.approx(np.median(shares))
        assert float(row["memory_mb"]) == np.median([f["peak_memory_mb"] for f in own])
        assert float(row["test_low"]) < float(row["test"]) < float(row["test_high"])
    written = list(csv.DictReader(table.cells_csv(board).splitlines()))
    assert len(written) == len(files)


def test_an_incomplete_grid_is_cut_to_what_every_method_has_and_says_so(board, folder, tmp_path):
    for (label, _, seed), outcome in board.outcomes.items():
        if not (label == "graff" and seed == 4):
            write_json(tmp_path / outcome.cell.path, outcome.as_json())
    cut = read_board(replace(GRID, rates=(3e-3, 3e-2, 1.0)), tmp_path)
    assert cut.rates == (3e-3, 3e-2)
    assert cut.seeds == (0, 1, 2, 3, 5)
    assert cut.notes[0].startswith("INCOMPLETE: 46 of 72 cells exist; shown are the 2 rates and 5 seeds")
    with pytest.raises(GreenlightError, match="no rate and seed that all methods have"):
        read_board(replace(GRID, rates=(1.0,)), tmp_path)


def test_cells_of_other_code_are_not_taken_unless_asked_for(board, tmp_path):
    for outcome in board.outcomes.values():
        old = replace(outcome, cell=replace(outcome.cell, code="of-yesterday"))
        write_json(tmp_path / old.cell.path, old.as_json())
    with pytest.raises(GreenlightError, match=r"^0 of 48 cells"):
        read_board(GRID, tmp_path)
    taken = read_board(GRID, tmp_path, any_code=True)
    assert len(taken.outcomes) == 48
    assert taken.notes == ("OTHER CODE: not made by the present code: fixed, graff, linear",)


def test_best_of_n_is_the_mean_over_all_subsets():
    rng = np.random.default_rng(3)
    chosen_by, reported = rng.random(6).tolist(), rng.random(6).tolist()
    for n in range(1, 7):
        subsets = itertools.combinations(range(6), n)
        brute = np.mean([reported[max(subset, key=lambda i: chosen_by[i])] for subset in subsets])
        assert choosing.best_of(n, chosen_by, reported) == pytest.approx(brute)


def test_the_window_reaches_from_a_thirtieth_to_three_times():
    wide = Board(GRID, (1e-4, 3e-4, 1e-3, 1e-2, 3e-2, 1e-1), (), {}, ())
    assert choosing.window(wide, 1e-2) == (3e-4, 1e-3, 1e-2, 3e-2)


def test_duels_agree_with_scipy_and_statsmodels(board):
    rivals = [("linear", 3e-2), ("fixed", 3e-2), ("linear", 3e-3)]
    fought = evidence.duels(board, ("graff", 3e-3), rivals)
    ours = board.test_exact_match("graff", 3e-3)
    p_values = [stats.ttest_rel(ours, board.test_exact_match(*rival)).pvalue for rival in rivals]
    assert [duel.t_test.p_value for duel in fought] == pytest.approx(p_values)
    assert [duel.t_test.p_holm for duel in fought] == pytest.approx(multipletests(p_values, method="holm")[1])
    for duel, rival in zip(fought, rivals, strict=True):
        difference = board.right("graff", 3e-3).astype(float) - board.right(*rival)
        assert duel.difference.value == pytest.approx(difference.mean())
        assert len(duel.per_seed) == 6
        only_ours, only_theirs = int((difference[2] > 0).sum()), int((difference[2] < 0).sum())
        exact = stats.binomtest(only_ours, only_ours + only_theirs).pvalue if only_ours + only_theirs else 1.0
        assert duel.per_seed[2].p_value == pytest.approx(exact)
    flat = [finding.p_value for duel in fought for finding in duel.per_seed]
    assert [f.p_holm for d in fought for f in d.per_seed] == pytest.approx(multipletests(flat, method="holm")[1])


def test_the_interval_over_questions_and_seeds_is_scipys_for_one_seed_and_wider_for_seeds_that_differ():
    rng = np.random.default_rng(0)
    right = (rng.random((1, 300)) < 0.7).astype(float)
    ours = evidence.over_questions_and_seeds(right)
    theirs = stats.bootstrap((right[0],), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.008)
    table_of = np.repeat([[0.0], [1.0], [1.0], [0.0], [1.0], [1.0]], 300, axis=1)
    spread = evidence.over_questions_and_seeds(table_of)
    seeds_alone = stats.bootstrap((table_of[:, 0],), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert (spread.low, spread.high) == pytest.approx(tuple(seeds_alone.confidence_interval), abs=1e-9)


def test_the_medians_interval_is_that_of_the_order_statistics():
    values = [0.3, 0.1, 0.5, 0.2, 0.9, 0.4]
    # With six values the extremes hold the median with probability 1 - 2 / 2**6 = 96.9 %.
    assert evidence.median_interval(values) == (pytest.approx(0.35), 0.1, 0.9, True)
    assert evidence.median_interval(values[:5]) == (0.3, 0.1, 0.9, False)


def test_the_aims_are_figures_of_the_cells(board):
    robust, tuned, cost, untuned = aims.aims(board, "graff", 3e-3)
    rivals = ("linear", "fixed")
    best = {label: choosing.best_rate(board, label) for label in rivals}
    champion = max(rivals, key=lambda label: board.dev_exact_match(label, best[label]))
    window = [rate for rate in GRID.rates if best[champion] / 33.6 <= rate <= best[champion] * 3.36]
    worst = min(board.test_exact_match("graff", rate).mean() for rate in window)
    gap = 100 * (worst - board.test_exact_match(champion, best[champion]).mean())
    assert f"difference {gap:+.1f} points [" in robust.lines[1]
    assert f"{champion} tuned" in robust.lines[1]
    assert robust.reached is None  # two rates do not reach from a thirtieth to three times
    assert "the grid does not reach from" in robust.lines[2]
    assert [duel.second for duel in tuned.duels] == ["linear"]
    assert "schedule_free is not in the grid" in tuned.lines
    assert [duel.second for duel in untuned.duels] == ["linear", "fixed"]  # an ablation is no rival
    better = [d.difference.value > 0 and d.t_test.p_holm < 0.05 for d in untuned.duels]
    assert untuned.reached == all(better)
    assert cost.reached is None
    assert "the steps clock knows of probes alone" in cost.lines[1]


def test_a_method_that_always_wins_reaches_the_aim_at_the_untuned_rate(board):
    changed = dict(board.outcomes)
    for (label, rate, seed), outcome in board.outcomes.items():
        lucky = 50 + seed if label == "graff" else 10 + 2 * (seed % 3)
        changed[label, rate, seed] = replace(outcome, test_right=tuple(i < lucky for i in range(60)))
    won = aims.aims(replace(board, outcomes=changed), "graff", 3e-3)[3]
    assert won.reached is True
    lost = aims.aims(replace(board, outcomes=changed), "linear", 3e-3)
    assert lost[3].reached is False
    few = aims.aims(replace(board, outcomes=changed, seeds=(0, 1)), "graff", 3e-3)[3]
    assert few.reached is None


def test_every_task_has_its_modules_name_and_says_whether_it_can_run():
    for name in tasks.names():
        task = tasks.make(name, {})
        assert task.name == name
        assert task.unavailable() is None or ";" in task.unavailable()


def test_a_task_without_questions_measures_cost(tmp_path):
    options = {"layers": 1, "hidden": 64, "vocabulary": 100, "rows": 2, "tokens": 8, "probe_rows": 1, "rank": 2}
    grid = replace(GRID, task=Choice("qwen3_overhead", options), methods=METHODS[:3:2], rates=(1e-4,), seeds=(0,))
    for cell in grid.cells():
        write_json(tmp_path / cell.path, run_cell(cell, alone=False).as_json())
    found = read_board(grid, tmp_path)
    assert not found.scored
    assert found.of("linear", 1e-4)[0].steps == 15
    (cost,) = aims.aims(found, "graff", 1e-4)
    assert "planner overhead of graff" in cost.lines[0]
    assert "test EM" not in table.summary_markdown(found, table.rows(found, 1e-4), 1e-4)
