import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from technoise import TechnoiseError
from technoise.depth_scaling import fit_depth_scaling
from technoise.glm import maximum_likelihood_size


def counts(seed, n=50):
    rng = np.random.default_rng(seed)
    return rng.poisson(5, (n, 2)) + 1, rng.poisson(3, (n, 3))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 5))
def test_expected_reads_of_each_replicate_are_its_reads_on_the_training_bins(seed, pseudocount):
    treatment, control = counts(seed)
    fitted = fit_depth_scaling(treatment, control, pseudocount=pseudocount, overdispersed=False)
    np.testing.assert_allclose(fitted.mean(control).sum(axis=0), treatment.sum(axis=0))


def test_the_mean_is_the_scaled_control_in_a_plain_loop():
    treatment, control = counts(1)
    fitted = fit_depth_scaling(treatment, control, pseudocount=2.0)
    total = sum(sum(row) + 2.0 for row in control)
    mean = fitted.mean(control)
    for k in range(len(control)):
        for replicate in range(2):
            ratio = sum(treatment[:, replicate]) / total
            assert mean[k, replicate] == pytest.approx(ratio * (sum(control[k]) + 2.0))


def test_the_size_is_the_likeliest_one_or_there_is_none():
    treatment, control = counts(2)
    fitted = fit_depth_scaling(treatment, control)
    assert fitted.size == maximum_likelihood_size(treatment, fitted.mean(control))
    assert fit_depth_scaling(treatment, control, overdispersed=False).size is None


@pytest.mark.parametrize(
    ("change", "pseudocount", "message"),
    [
        (lambda t, c: (t[1:], c), 1.0, "same bins"),
        (lambda t, c: (t, c), 0.0, "pseudocount of 0"),
        (lambda t, c: (t * [1, 0], c), 1.0, "replicate 2 has no read"),
    ],
)
def test_what_cannot_be_scaled_is_refused(change, pseudocount, message):
    with pytest.raises(TechnoiseError, match=message):
        fit_depth_scaling(*change(*counts(0)), pseudocount=pseudocount)
