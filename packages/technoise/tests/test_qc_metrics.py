import numpy as np
import pytest
from scipy.stats import nbinom, poisson
from sklearn.metrics import roc_auc_score

from technoise import TechnoiseError, minus_log10_p_values
from technoise.qc.metrics import held_out_metrics, log_likelihoods, recovery_metrics


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    mean = np.exp(rng.normal(1.5, 0.5, 4000))[:, None] * np.array([1.0, 0.5])
    size = np.full_like(mean, 3.0)
    enriched = rng.random(4000) < 0.1
    fold = np.where(enriched, 5.0, 1.0)[:, None]
    return rng.poisson(rng.gamma(size, fold * mean / size)), mean, size, enriched


def scipy_nll(counts, mean, size):
    return -nbinom.logpmf(counts, size, size / (size + mean)).mean()


def test_the_likelihood_is_that_of_scipy_per_bin_and_overall(drawn):
    counts, mean, size, _ = drawn
    found = held_out_metrics(counts, mean, size, seed=0)
    assert found.values["nll"] == pytest.approx(scipy_nll(counts, mean, size), abs=1e-9)
    each = log_likelihoods(counts, mean, size)
    assert each[7] == pytest.approx(nbinom.logpmf(counts[7], 3.0, 3.0 / (3.0 + mean[7])).mean())
    plain = held_out_metrics(counts, mean, None, seed=0)
    assert plain.values["nll"] == pytest.approx(-poisson.logpmf(counts, mean).mean(), abs=1e-9)


def test_the_true_model_is_calibrated_and_a_poisson_is_not(drawn):
    counts, mean, size, enriched = drawn
    rows = ~enriched
    true = held_out_metrics(counts[rows], mean[rows], size[rows], seed=0).values
    assert true["pit_ks"] < 0.02
    assert true["coverage_90"] == pytest.approx(0.9, abs=0.015)
    assert true["reads_per_expected"] == pytest.approx(1.0, abs=0.03)
    wrong = held_out_metrics(counts[rows], mean[rows], None, seed=0).values
    assert wrong["pit_ks"] > 0.05
    assert wrong["coverage_90"] < 0.8
    assert wrong["nll"] > true["nll"]


def test_metrics_are_the_same_every_time_and_follow_the_seed(drawn):
    counts, mean, size, _ = drawn
    first, again, other = (held_out_metrics(counts, mean, size, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.values["pit_ks"] != other.values["pit_ks"]
    assert first.values["nll"] == other.values["nll"]


def test_one_replicate_has_no_correlation_and_says_why(drawn):
    counts, mean, size, _ = drawn
    found = held_out_metrics(counts[:, :1], mean[:, :1], size[:, :1], seed=0)
    assert found.missing["residual_spearman"] == "there is one replicate"
    assert "residual_spearman" not in found.values
    shown = found.named("test_").with_reasons()
    assert shown["test_residual_spearman"] is None
    assert shown["test_residual_spearman_missing"] == "there is one replicate"


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_model_that_diverged_has_missing_metrics_and_no_invented_ones(drawn, bad):
    counts, mean, size, _ = drawn
    spoiled = mean.copy()
    spoiled[3, 1] = bad
    found = held_out_metrics(counts, spoiled, size, seed=0)
    assert found.values == {}
    assert "not positive and finite" in found.missing["nll"]


def test_shapes_that_differ_are_refused(drawn):
    counts, mean, size, _ = drawn
    for wrong in ((counts[1:], mean, size), (counts, mean[:, :1], size), (counts, mean, size[:, :1])):
        with pytest.raises(TechnoiseError, match="same bins"):
            held_out_metrics(*wrong, seed=0)


def test_the_truth_recovers_itself_and_an_error_is_measured(drawn):
    counts, mean, size, enriched = drawn
    truth = {"technical_mean": mean, "technical_size": size, "enriched": enriched}
    exact = recovery_metrics(counts, mean, size, **truth).values
    assert exact["log_mean_rmse"] == exact["log_size_rmse"] == 0
    assert exact["nll_background"] == exact["nll_background_of_truth"]
    assert exact["nll_background"] == pytest.approx(scipy_nll(counts[~enriched], mean[~enriched], 3.0))
    off = recovery_metrics(counts, 2 * mean, size / 4, **truth).values
    assert off["log_mean_bias"] == pytest.approx(np.log(2))
    assert off["log_size_rmse"] == pytest.approx(np.log(4))
    assert off["nll_background"] > off["nll_background_of_truth"]


def test_the_area_under_the_curve_is_that_of_scikit_learn(drawn):
    counts, mean, size, enriched = drawn
    truth = {"technical_mean": mean, "technical_size": size, "enriched": enriched}
    score = minus_log10_p_values(counts, mean, size).sum(axis=1)
    found = recovery_metrics(counts, mean, size, **truth).values["enriched_auroc"]
    assert found == pytest.approx(roc_auc_score(enriched, score))
    none = recovery_metrics(counts, mean, None, **(truth | {"enriched": np.zeros(len(mean), dtype=bool)}))
    assert set(none.missing) == {"enriched_auroc", "log_size_rmse"}
