"""The comparison of ChIP-seq models: parameters are recovered, and its tests are those of independent sources."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from benchmarks.chipseq import cells, evidence, peers
from benchmarks.chipseq.cells import Cell
from tests.processes import ROOT

# Of a genome a quarter as long as that of the tables, and of a quarter of the steps.
SMALL = ["--shrink", "4", "--steps", "150", "--seeds", "3", "--scenarios", "signal"]


# The table, the table again, and one of its methods into a fresh folder: in one process, whose imports take seconds.
THREE_CALLS = """
import sys
from benchmarks.chipseq.command import main
out, fresh, *small = sys.argv[1:]
two = ["technb_mixture", "nb_glm"]
for folder, methods in ((out, two), (out, two), (fresh, two[:1])):
    print("== call", flush=True)
    assert main([*small, "--out", folder, "--methods", *methods]) == 0
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """What the three calls printed, and the scores of both folders."""
    out, fresh = tmp_path_factory.mktemp("chipseq"), tmp_path_factory.mktemp("fresh")
    quiet = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", THREE_CALLS, str(out), str(fresh), *SMALL],
        cwd=ROOT, capture_output=True, text=True, timeout=280, env=os.environ | quiet,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split("== call")[1:], _scores(out), _scores(fresh)


def _scores(out):
    with (out / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    texts = ("scenario", "method")
    return {row["method"]: {k: float(v) for k, v in row.items() if k not in texts and v} for row in rows}


def test_the_mixture_recovers_the_parameters_of_a_small_simulation_within_the_stated_tolerance(small):
    found = small[1]["technb_mixture"]
    assert abs(found["log_mean_bias"]) < 0.06
    assert found["log_mean_rmse"] < 0.20
    assert abs(found["log_size_bias"]) < 0.25
    assert found["log_size_rmse"] < 0.35
    assert 0.025 < found["signal_share"] < 0.055
    assert 4.5 < found["signal_fold"] < 8.0


def test_one_negative_binomial_for_all_bins_does_not_recover_them(small):
    found = small[1]["nb_glm"]
    assert found["log_mean_bias"] > 0.1
    assert found["log_size_bias"] < -0.6


def test_the_mixture_beats_the_glm_on_the_held_out_chromosome_and_is_calibrated_there(small):
    ours, theirs = small[1]["technb_mixture"], small[1]["nb_glm"]
    assert ours["nll"] < theirs["nll"] - 0.1
    assert ours["nll_each"] < theirs["nll_each"] - 0.05
    assert ours["pit_ks"] < 0.035 < theirs["pit_ks"]
    assert abs(ours["coverage_95"] - 0.95) < 0.015
    # On bins without signal, and by the technical part alone, it comes near the distribution they were drawn from.
    assert ours["nll_technical_free"] - ours["nll_background_of_truth"] < 0.06
    assert 0.005 < ours["p_below_1_percent_free"] < 0.02


def test_a_cell_that_exists_is_not_fitted_again_and_a_new_one_gives_the_same_numbers(small):
    (first, again, fresh), table, scores = small
    fitted = "nll {:.4f}  ".format(table["technb_mixture"]["nll"])
    assert fitted in first
    assert fitted not in again
    assert fitted in fresh
    timed = {"cpu_s"}
    assert scores.keys() == {"technb_mixture"}
    assert {k: v for k, v in scores["technb_mixture"].items() if k not in timed} == {
        k: v for k, v in table["technb_mixture"].items() if k not in timed
    }


def test_sign_flips_are_those_of_scipy():
    differences = np.random.default_rng(1).normal(-0.4, 1.0, 9)
    wanted = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert evidence.sign_flip(differences) == pytest.approx(wanted.pvalue)


def test_methods_are_paired_by_seed_and_corrected_over_the_rivals():
    rng = np.random.default_rng(0)
    table = {name: rng.normal(mean, 1.0, 8) for name, mean in (("ours", 0.0), ("near", 0.3), ("far", 5.0))}
    # The rivals' seeds come in another order.
    order = {"ours": range(8), "near": reversed(range(8)), "far": range(8)}
    made = [Cell("signal", s, name, {"nll": float(table[name][s])}, None, None) for name in table for s in order[name]]
    found = {one.rival: one for one in evidence.over_seeds(made, "ours", "nll")}
    raw = {name: stats.ttest_rel(table["ours"], table[name]).pvalue for name in ("near", "far")}
    for name, one in found.items():
        assert one.estimate == pytest.approx((table["ours"] - table[name]).mean())
        assert one.p_t == pytest.approx(raw[name])
    assert found["far"].p_t_holm == pytest.approx(min(1, 2 * raw["far"]))
    assert found["near"].p_t_holm == pytest.approx(max(raw["near"], 2 * raw["far"]))


def test_real_reads_are_compared_over_the_blocks_of_all_turns():
    rng = np.random.default_rng(0)
    made = []
    for turn in range(2):
        blocks = np.repeat(np.arange(5) * 2 + turn, 20)
        theirs = rng.normal(1.0, 0.1, 100)
        made.append(Cell("ctcf", turn, "ours", {"nll": 0.0}, theirs - 0.2, blocks))
        made.append(Cell("ctcf", turn, "theirs", {"nll": 0.0}, theirs, blocks))
    (found,) = evidence.over_blocks(made, "ours")
    assert (found.n, found.rival) == (10, "theirs")
    assert found.estimate == pytest.approx(-0.2)
    assert found.p_holm < 0.01


def test_the_fingerprint_of_a_cell_changes_with_its_options():
    from benchmarks.chipseq.datasets import simulated
    from benchmarks.chipseq.methods import Recipe

    names = {
        cells.fingerprint(case, recipe)
        for case in (
            simulated("signal", 0),
            simulated("signal", 1),
            simulated("background", 0),
            simulated("signal", 0, 2),
        )
        for recipe in (Recipe(), Recipe(steps=7))
    }
    assert len(names) == 8


def test_the_peer_s_function_is_taken_from_its_source_alone(tmp_path):
    source = tmp_path / "scvi" / "distributions" / "_negative_binomial.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "import not_installed_here\n"
        "def log_nb_positive(x: torch.Tensor | not_installed_here.Array, mu, theta, eps=1e-8):\n"
        "    return torch.lgamma(x + theta)\n"
    )
    import torch

    three = torch.tensor([3.0])
    assert float(peers.scvi_log_prob(tmp_path)(three, three, torch.tensor([2.0]))) == pytest.approx(np.log(24))


def test_what_is_not_installed_is_said_and_not_compared(capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert peers.main([]) == 0
    printed = capsys.readouterr().out
    assert "scvi-tools: not compared" in printed
    assert "MACS3: not compared" in printed
