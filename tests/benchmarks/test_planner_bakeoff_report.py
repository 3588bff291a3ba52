import csv
import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.planners import aims, choosing, evidence, table, tasks
from benchmarks.planners.board import Board, read_board
from benchmarks.planners.cell import run_cell
from benchmarks.planners.grid import Choice
from greenlight.compare.json_files import write_json
from greenlight.errors import GreenlightError
from tests.benchmarks.bakeoff_grid import GRID, METHODS

# One worker, so that the cells of the fixture are made once.
pytestmark = pytest.mark.xdist_group("bakeoff")


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
    ours = board.test_score("graff", 3e-3)
    p_values = [stats.ttest_rel(ours, board.test_score(*rival)).pvalue for rival in rivals]
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
    champion = max(rivals, key=lambda label: board.dev_score(label, best[label]))
    window = [rate for rate in GRID.rates if best[champion] / 33.6 <= rate <= best[champion] * 3.36]
    worst = min(board.test_score("graff", rate).mean() for rate in window)
    gap = 100 * (worst - board.test_score(champion, best[champion]).mean())
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


def test_memory_is_compared_between_cells_that_ran_in_the_same_way(board):
    ours, theirs = (method.label for method in board.methods[:2])
    peaks = {ours: [(True, 160.0)] * 3, theirs: [(True, 150.0), *[(False, 100.0)] * 3]}
    one = board.all_of(ours)[0]

    def all_of(label):
        return [replace(one, machine={"alone": alone}, peak_memory_mb=peak) for alone, peak in peaks[label]]

    mixed = SimpleNamespace(methods=board.methods, all_of=all_of)
    assert aims.memory_ratio(mixed, ours, theirs) == pytest.approx(160 / 150)


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
