import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import logsumexp

from technoise import TechnoiseError, calibration, mixture, negative_binomial
from technoise.mixture import Signal, log_normal_excess


def _batch(seed=0, n_bins=200, n_replicates=3):
    rng = np.random.default_rng(seed)
    mean, size = np.exp(rng.normal(1.5, 1.0, (n_bins, n_replicates))), np.exp(rng.normal(1, 1, (n_bins, n_replicates)))
    fold = np.where(rng.random(n_bins) < 0.2, 6.0, 1.0)[:, None]
    counts = rng.poisson(rng.gamma(size, mean * fold / size))
    return counts, mean, size


def _tensors(counts, mean, size):
    return torch.from_numpy(counts), torch.from_numpy(np.log(mean)), torch.from_numpy(np.log(size))


def _signal(n_bins, probability=0.2, folds=(1.5, 4.0, 9.0), weights=(0.2, 0.5, 0.3)):
    log_odds = torch.full((n_bins,), float(np.log(probability / (1 - probability))), dtype=torch.float64)
    return Signal(
        log_odds, torch.tensor(folds, dtype=torch.float64).log(), torch.tensor(weights, dtype=torch.float64).log()
    )


def _plain_loops(counts, mean, size, signal):
    """Every component of every bin by SciPy, one after the other."""
    values = []
    for y, m, r, odds in zip(counts, mean, size, signal.log_odds.tolist(), strict=True):
        probability = 1 / (1 + np.exp(-odds))
        terms = [np.log(1 - probability) + stats.nbinom.logpmf(y, r, r / (r + m)).sum()]
        for log_fold, log_weight in zip(signal.log_fold.tolist(), signal.log_weight.tolist(), strict=True):
            shape = r / (r + m * np.exp(log_fold))
            terms.append(np.log(probability) + log_weight + stats.nbinom.logpmf(y, r, shape).sum())
        values.append(logsumexp(terms))
    return np.asarray(values)


def test_the_joint_log_probability_is_that_of_plain_loops_over_scipy():
    counts, mean, size = _batch()
    signal = _signal(len(counts))
    found = mixture.bin_log_prob(*_tensors(counts, mean, size), signal).numpy()
    np.testing.assert_allclose(found, _plain_loops(counts, mean, size, signal), rtol=1e-10)


def test_a_count_on_its_own_is_a_bin_with_one_replicate():
    counts, mean, size = _batch()
    signal = _signal(len(counts))
    found = mixture.count_log_prob(*_tensors(counts, mean, size), signal).numpy()
    for index in range(counts.shape[1]):
        one = slice(index, index + 1)
        alone = _plain_loops(counts[:, one], mean[:, one], size[:, one], signal)
        np.testing.assert_allclose(found[:, index], alone, rtol=1e-10)


def test_the_posterior_odds_are_those_of_bayes():
    counts, mean, size = _batch()
    signal = _signal(len(counts))
    none, surely = (_signal(len(counts), probability) for probability in (1e-300, 1 - 1e-16))
    likelihoods = [_plain_loops(counts, mean, size, which) for which in (surely, none)]
    found = mixture.log_posterior_odds(*_tensors(counts, mean, size), signal).numpy()
    np.testing.assert_allclose(found, np.log(0.2 / 0.8) + likelihoods[0] - likelihoods[1], rtol=1e-8, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(0, 10**6),
    log_mean=st.floats(-18, 14),
    log_size=st.floats(-18, 27),
    log_fold=st.floats(1e-6, 8),
)
def test_signal_of_one_fold_is_the_negative_binomial_of_the_lifted_mean(count, log_mean, log_size, log_fold):
    y = torch.tensor([[count]])
    m, r = (torch.tensor([[value]], dtype=torch.float64) for value in (log_mean, log_size))
    certain = Signal(
        torch.tensor([1e12], dtype=torch.float64),
        torch.tensor([log_fold], dtype=torch.float64),
        torch.zeros(1).double(),
    )
    lifted = negative_binomial.log_prob(y, m + certain.log_fold, r)
    background = float(negative_binomial.log_prob(y, m, r))
    found = float(mixture.bin_log_prob(y, m, r, certain))
    # The gain is added to the background: what is exact is exact relative to the larger of the two.
    assert found == pytest.approx(
        float(lifted), rel=1e-10, abs=1e-12 * (abs(background) + count * (1 + log_fold)) + 1e-9
    )


def test_the_probabilities_of_all_counts_sum_to_one():
    pairs = np.stack(np.meshgrid(np.arange(400), np.arange(400)), axis=-1).reshape(-1, 2)
    mean, size = np.full(pairs.shape, 3.0), np.full(pairs.shape, 2.0)
    total = mixture.bin_log_prob(*_tensors(pairs, mean, size), _signal(len(pairs))).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-9)


def test_quadrature_of_the_excess_is_the_integral_of_its_density():
    log_median, log_sd = torch.tensor(1.5).double(), torch.tensor(-0.9).double()
    y, m, r = 25, 4.0, 3.0

    def integrand(z):
        fold = 1 + np.exp(1.5 + np.exp(-0.9) * z)
        return stats.norm.pdf(z) * stats.nbinom.pmf(y, r, r / (r + m * fold))

    wanted = integrate.quad(integrand, -10, 10, epsabs=1e-13)[0]
    signal = log_normal_excess(torch.tensor([800.0]).double(), log_median, log_sd, n_nodes=15)
    found = mixture.bin_log_prob(torch.tensor([[y]]), torch.tensor([[m]]).log(), torch.tensor([[r]]).log(), signal)
    assert float(found.exp()) == pytest.approx(wanted, rel=1e-4)
    seven = log_normal_excess(torch.tensor([800.0]).double(), log_median, log_sd)
    coarse = mixture.bin_log_prob(torch.tensor([[y]]), torch.tensor([[m]]).log(), torch.tensor([[r]]).log(), seven)
    assert float(coarse.exp()) == pytest.approx(wanted, rel=5e-3)


def test_gradients_are_the_slopes_of_the_log_probability():
    counts, mean, size = _batch(n_bins=6)
    y, log_mean, log_size = _tensors(counts, mean, size)
    # A second derivative is refused, so that the check is by differences of the value.
    leaves = [
        log_mean,
        log_size,
        torch.full((6,), -1.0).double(),
        torch.tensor(1.2).double(),
        torch.tensor(-0.5).double(),
    ]
    for leaf in leaves:
        leaf.requires_grad_(True)

    def value(m, r, odds, median, sd):
        return mixture.bin_log_prob(y, m, r, log_normal_excess(odds, median, sd)).sum()

    value(*leaves).backward()
    for index, leaf in enumerate(leaves):
        step = 1e-5
        moved = []
        for sign in (1, -1):
            others = [other.detach().clone() for other in leaves]
            others[index].view(-1)[0] += sign * step
            moved.append(float(value(*others)))
        assert float(leaf.grad.view(-1)[0]) == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-5, abs=1e-7)


def test_the_pit_of_the_true_mixture_is_uniform_and_that_of_background_alone_is_not():
    rng = np.random.default_rng(3)
    n = 4000
    mean, size = np.exp(rng.normal(1.0, 0.5, (n, 2))), np.full((n, 2), 4.0)
    holds = rng.random(n) < 0.2
    fold = np.where(holds, rng.choice((1.5, 4.0, 9.0), p=(0.2, 0.5, 0.3), size=n), 1.0)[:, None]
    counts = rng.poisson(rng.gamma(size, mean * fold / size))
    pit = mixture.randomised_pit(counts, mean, size, _signal(n), rng)
    assert calibration.ks_uniform(pit[:, 0]).statistic < 0.025
    alone = calibration.randomised_pit(counts[:, 0], mean[:, 0], size[:, 0], rng)
    assert calibration.ks_uniform(alone).statistic > 0.1


@pytest.mark.parametrize(
    ("n_bins", "log_size", "words"),
    [(3, 1.0, "pass the same bins"), (4, 701.0, "at most 700")],
)
def test_what_does_not_belong_together_is_an_error_of_one_line(n_bins, log_size, words):
    counts, mean, _ = _batch(n_bins=4)
    y, log_mean, _ = _tensors(counts, mean, mean)
    with pytest.raises(TechnoiseError, match=words) as raised:
        mixture.bin_log_prob(y, log_mean, torch.full_like(log_mean, log_size), _signal(n_bins))
    assert "\n" not in str(raised.value)


def test_an_excess_per_bin_is_refused():
    with pytest.raises(TechnoiseError, match="single numbers"):
        log_normal_excess(torch.zeros(2), torch.zeros(2), torch.tensor(0.0))
    with pytest.raises(TechnoiseError, match="flatten"):
        Signal(torch.zeros(2, 1), torch.zeros(3), torch.zeros(3))
