import numpy as np
import pytest

from technoise import TechnoiseError
from technoise.bins import Bins
from technoise.glm import maximum_likelihood_size
from technoise.local_lambda import fit_local_lambda, local_rate

SIZES = {"chr1": 6_000, "chr2": 3_000}


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    bins = Bins.tiled(SIZES, 100)
    return rng.poisson(4, (len(bins), 2)), rng.poisson(2, (len(bins), 2)), bins


def plain_rate(reads, bins, windows_bp):
    """Return the rate by looking at every pair of bins."""
    found = []
    for k in range(len(bins)):
        candidates = [float(reads[k])]
        for width in windows_bp:
            reach = round((width / 100 - 1) / 2) * 100
            near = [
                reads[j]
                for j in range(len(bins))
                if bins.code[j] == bins.code[k] and abs(bins.start[j] - bins.start[k]) <= reach
            ]
            candidates.append(sum(near) / len(near))
        found.append(max(candidates))
    return found


@pytest.mark.parametrize("gaps", [False, True])
def test_the_rate_is_that_of_a_plain_loop_also_beside_gaps_and_ends_of_chromosomes(data, gaps):
    _, control, bins = data
    reads = control.sum(axis=1)
    if gaps:
        kept = np.arange(len(bins)) % 7 != 3
        bins, reads = bins.subset(kept), reads[kept]
    np.testing.assert_allclose(local_rate(reads, bins, (700, 2_300)), plain_rate(reads, bins, (700, 2_300)))


def test_the_mean_is_never_below_the_scaled_background(data):
    treatment, control, bins = data
    fitted = fit_local_lambda(treatment, control, bins, windows_bp=(500, 2_000))
    floor = fitted.ratios * control.sum(axis=1).mean()
    assert (fitted.mean(control, bins) >= floor * (1 - 1e-12)).all()
    assert (fitted.mean(0 * control, bins) == floor).all()


def test_the_ratio_is_treatment_reads_per_control_read_and_the_poisson_has_no_size(data):
    treatment, control, bins = data
    fitted = fit_local_lambda(treatment, control, bins)
    np.testing.assert_allclose(fitted.ratios, treatment.sum(axis=0) / control.sum())
    assert fitted.size is None
    wide = fit_local_lambda(treatment, control, bins, overdispersed=True)
    assert wide.size == maximum_likelihood_size(treatment, wide.mean(control, bins))


@pytest.mark.parametrize(
    ("change", "windows", "message"),
    [
        (lambda t, c, b: (t[1:], c, b), (1_000,), "pass \\(n_bins, n_replicates\\)"),
        (lambda t, c, b: (t, c[:, :0], b), (1_000,), "with a control"),
        (lambda t, c, b: (t, c, b), (50,), "at least one bin"),
        (lambda t, c, b: (t, 0 * c, b), (1_000,), "without a read"),
    ],
)
def test_what_has_no_rate_is_refused(data, change, windows, message):
    with pytest.raises(TechnoiseError, match=message):
        fit_local_lambda(*change(*data), windows_bp=windows)
