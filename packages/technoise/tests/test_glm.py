import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from technoise import TechnoiseError
from technoise.glm import LARGEST_SIZE, fit_glm, maximum_likelihood_size

TRUE_SLOPES = np.array([0.4, -0.2])


def draw(mean, size, rng):
    return rng.poisson(rng.gamma(size, mean / size))


@pytest.fixture(scope="module")
def experiment():
    rng = np.random.default_rng(0)
    covariates = rng.standard_normal((3000, 2))
    offsets = np.log([8.0, 3.0])
    mean = np.exp(0.1 + covariates @ TRUE_SLOPES)[:, None] * np.exp(offsets)
    return draw(mean, 2.5, rng), covariates, offsets


def test_coefficients_and_size_are_those_of_statsmodels_own_maximum_likelihood(experiment):
    counts, covariates, offsets = experiment
    design = np.column_stack([np.ones(len(counts)), covariates]).repeat(2, axis=0)
    model = sm.NegativeBinomial(counts.ravel(), design, offset=np.tile(offsets, len(counts)))
    oracle = model.fit(disp=0, method="bfgs", maxiter=500, gtol=1e-8).params
    fitted = fit_glm(counts, covariates, offsets)
    found = [fitted.intercept, *fitted.slopes, 1 / fitted.size]
    np.testing.assert_allclose(found, oracle, atol=2e-5)


def test_what_the_counts_were_drawn_from_is_recovered(experiment):
    fitted = fit_glm(*experiment)
    np.testing.assert_allclose(fitted.slopes, TRUE_SLOPES, atol=0.05)
    assert fitted.intercept == pytest.approx(0.1, abs=0.05)
    assert fitted.size == pytest.approx(2.5, rel=0.1)


def test_the_mean_of_a_replicate_is_its_depth_times_the_rate_of_the_bin(experiment):
    counts, covariates, offsets = experiment
    fitted = fit_glm(counts, covariates, offsets)
    mean = fitted.mean(covariates[:5], offsets)
    for row in range(5):
        for column in range(2):
            rate = fitted.intercept + sum(fitted.slopes[k] * covariates[row, k] for k in range(2))
            assert mean[row, column] == pytest.approx(np.exp(rate + offsets[column]))


def test_without_covariates_the_rate_is_reads_over_depth(experiment):
    counts, covariates, offsets = experiment
    fitted = fit_glm(counts[:, :1], covariates[:, :0], offsets[:1])
    assert np.exp(fitted.intercept) * 8.0 == pytest.approx(counts[:, 0].mean(), rel=1e-6)
    assert fitted.slopes.shape == (0,)


@pytest.mark.parametrize(("reads", "far"), [(10**5, 8.0), (10**6, 5.0), (10**6, 40.0), (0, 8.0)])
def test_a_bin_far_out_does_not_break_the_fit(experiment, reads, far):
    counts, covariates, offsets = experiment
    spoiled, outlying = counts.copy(), covariates.copy()
    spoiled[0], outlying[0] = reads, far
    fitted = fit_glm(spoiled, outlying, offsets)
    assert np.isfinite([fitted.intercept, fitted.size, *fitted.slopes]).all()
    assert np.isfinite(fitted.mean(covariates, offsets)).all()


@settings(max_examples=15, deadline=None)
@given(st.floats(0.2, 50.0), st.floats(0.3, 20.0), st.integers(0, 2**32))
def test_no_other_size_is_likelier(mean, size, seed):
    rng = np.random.default_rng(seed)
    means = np.full(400, mean)
    counts = draw(means, size, rng)
    found = maximum_likelihood_size(counts, means)

    def likelihood(r):
        return nbinom.logpmf(counts, r, r / (r + means)).sum()

    for factor in (0.8, 0.95, 1.05, 1.25):
        if 1e-3 < found * factor < 1e5:
            assert likelihood(found) >= likelihood(found * factor) - 1e-6


def test_counts_without_overdispersion_have_the_size_of_a_poisson():
    assert maximum_likelihood_size(np.array([3, 3, 3, 3]), np.full(4, 3.0)) == LARGEST_SIZE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, x, o: (c[:-1], x, o), "rows of the same bins"),
        (lambda c, x, o: (c[:, 0], x, o), "rows of the same bins"),
        (lambda c, x, o: (c, x, o[:1]), "one log depth per replicate"),
        (lambda c, x, o: (0 * c, x, o), "without a read"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(experiment, change, message):
    with pytest.raises(TechnoiseError, match=message):
        fit_glm(*change(*experiment))


def test_other_covariates_than_those_fitted_are_refused(experiment):
    counts, covariates, offsets = experiment
    with pytest.raises(TechnoiseError, match="fitted to 2"):
        fit_glm(counts, covariates, offsets).mean(covariates[:, :1], offsets)


@pytest.mark.parametrize("mean", [np.array([1.0, 0.0]), np.array([1.0, np.inf]), np.array([1.0])])
def test_a_size_of_impossible_means_is_refused(mean):
    with pytest.raises(TechnoiseError, match=r"positive means|one mean per count"):
        maximum_likelihood_size(np.array([1, 2]), mean)
