import math

import numpy as np
import pytest
from scipy import stats

from technoise import TechnoiseError, concordance, pearson_residuals, spearman


@pytest.fixture(scope="module")
def replicates():
    """Two replicates that share a strong bias and a weak signal, and the technical mean."""
    rng = np.random.default_rng(12)
    bias, signal = rng.normal(0, 1.0, 3000), rng.normal(0, 0.4, 3000)
    mean = np.exp(2.0 + bias)[:, None] * np.ones((1, 2))
    return rng.poisson(mean * np.exp(signal)[:, None]), mean


def test_each_correlation_is_scipys_of_its_residual(replicates):
    counts, mean = replicates
    (found,) = concordance(counts, mean, None)
    assert found.replicates == (0, 1)
    assert found.counts.estimate == pytest.approx(stats.spearmanr(counts[:, 0], counts[:, 1]).statistic)
    residual = pearson_residuals(counts, mean, None)
    assert found.residual.estimate == pytest.approx(stats.spearmanr(residual[:, 0], residual[:, 1]).statistic)
    mid = stats.poisson.cdf(counts - 1, mean) + 0.5 * stats.poisson.pmf(counts, mean)
    assert found.quantile.estimate == pytest.approx(stats.spearmanr(mid[:, 0], mid[:, 1]).statistic, abs=1e-4)


def test_shared_bias_raises_the_concordance_of_counts_above_that_of_residuals(replicates):
    (found,) = concordance(*replicates, None)
    assert found.counts.estimate > found.residual.estimate + 0.2
    shuffled = replicates[0].copy()
    shuffled[:, 1] = np.random.default_rng(0).poisson(replicates[1][:, 1])
    (noise,) = concordance(shuffled, replicates[1], None)
    assert abs(noise.quantile.estimate) < 0.08 < found.quantile.estimate


def test_three_replicates_are_three_pairs():
    counts = np.random.default_rng(0).poisson(5.0, (50, 3))
    pairs = concordance(counts, np.full((50, 3), 5.0), np.full((50, 3), 9.0))
    assert [pair.replicates for pair in pairs] == [(0, 1), (0, 2), (1, 2)]


def test_peaks_whose_distribution_function_rounds_to_one_still_have_an_order():
    counts = np.array([[100, 200], [1000, 2000], [10_000, 20_000], [100_000, 200_000]])
    (found,) = concordance(counts, np.ones((4, 2)), None)
    assert found.quantile.estimate == 1.0


@pytest.mark.parametrize(
    ("values", "why"), [([1.0, 1.0, 1.0], "same value in every bin"), ([2.0], "fewer than two bins")]
)
def test_a_correlation_that_does_not_exist_is_missing_with_its_reason(values, why):
    found = spearman(values, values)
    assert found.estimate is None
    assert why in found.missing


def test_bins_that_were_not_masked_jointly_are_refused():
    with pytest.raises(TechnoiseError, match=r"^replicates of shape \(3,\) and \(2,\): .*; mask them jointly$"):
        spearman([1, 2, 3], [1, 2])
    with pytest.raises(TechnoiseError, match=r"not finite"):
        spearman([1.0, math.nan], [1.0, 2.0])
    with pytest.raises(TechnoiseError, match=r"^counts of shape \(3,\): concordance compares two or more columns"):
        concordance([1, 2, 3], [1.0, 1.0, 1.0], None)
