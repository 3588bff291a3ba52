import math

import numpy as np
import pytest
import torch
from scipy import stats

from technoise import (
    Composite,
    Prediction,
    TechnoiseError,
    log_residual,
    mid_pit,
    negative_binomial,
    negative_pearson,
    nll,
    pit_difference,
    replicate_info_nce,
    residual_mse,
)
from technoise.losses import COMPONENTS
from technoise.mixture import log_normal_excess


@pytest.fixture
def prediction():
    generator = torch.Generator().manual_seed(2)
    counts = torch.poisson(torch.full((40, 3), 9.0), generator=generator)
    log_mean = (2.0 + 0.3 * torch.randn(40, 3, generator=generator)).double().requires_grad_()
    log_size = (1.0 + 0.1 * torch.randn(40, 3, generator=generator)).double().requires_grad_()
    return Prediction(counts, log_mean, log_size)


def test_the_likelihood_loss_is_the_mean_of_scipys_log_probabilities(prediction):
    mean, size = prediction.log_mean.detach().exp().numpy(), prediction.log_size.detach().exp().numpy()
    counts = prediction.counts.numpy()
    negative = -stats.nbinom.logpmf(counts, size, size / (size + mean)).mean()
    assert float(nll(prediction.counts, prediction.log_mean, prediction.log_size).detach()) == pytest.approx(negative)
    poisson = -stats.poisson.logpmf(counts, mean).mean()
    assert float(nll(prediction.counts, prediction.log_mean, None).detach()) == pytest.approx(poisson)


def test_the_log_residual_is_exact_for_means_from_one_in_a_million_to_a_billion():
    means = np.array([1e-6, 0.5, 40.0, 1e9])
    value = log_residual(torch.tensor([0, 3, 0, 7]), torch.from_numpy(np.log(means))).numpy()
    np.testing.assert_allclose(value, np.log1p([0, 3, 0, 7]) - np.log1p(means), rtol=1e-14)


def test_the_pearson_loss_is_minus_scipys_correlation_and_mean_squares_are_means_of_squares():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50))
    first, second = torch.from_numpy(a), torch.from_numpy(b)
    assert float(negative_pearson(first, second)) == pytest.approx(-stats.pearsonr(a, b).statistic, rel=1e-12)
    assert float(residual_mse(first, second)) == pytest.approx(((a - b) ** 2).mean(), rel=1e-12)
    assert float(pit_difference(first, second)) == pytest.approx(((a - b) ** 2).mean(), rel=1e-12)


def test_a_constant_replicate_has_no_correlation_and_the_loss_stays_finite():
    first = torch.ones(5, requires_grad=True)
    loss = negative_pearson(first, torch.arange(5.0))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(first.grad, torch.zeros(5))


def test_info_nce_is_the_loss_of_its_definition_in_plain_loops():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 7))
    temperature = 0.3

    def one_way(x, z):
        losses = []
        for i in range(7):
            scores = [math.exp(-((x[i] - z[j]) ** 2) / temperature) for j in range(7)]
            losses.append(-math.log(scores[i] / sum(scores)))
        return sum(losses) / 7

    value = float(replicate_info_nce(torch.from_numpy(a), torch.from_numpy(b), temperature))
    assert value == pytest.approx(0.5 * (one_way(a, b) + one_way(b, a)), rel=1e-12)


def test_info_nce_tells_true_pairs_from_shuffled_ones():
    first = torch.linspace(-3, 3, 30)
    assert replicate_info_nce(first, first) < replicate_info_nce(first, first.flip(0)) - 1.0
    identical = torch.zeros(30)
    assert float(replicate_info_nce(identical, identical)) == pytest.approx(math.log(30), rel=1e-6)


@pytest.mark.parametrize("poisson", [False, True])
def test_the_mid_pit_and_its_gradients_are_those_of_scipys_distribution_function(poisson):
    counts = torch.tensor([0, 1, 4, 30, 900, 0])
    log_mean = torch.tensor([-1.0, 0.0, 1.5, 3.0, 7.0, -9.0], dtype=torch.float64, requires_grad=True)
    log_size = torch.tensor([0.0, 2.0, -1.0, 1.0, 3.0, 5.0], dtype=torch.float64, requires_grad=True)
    given = None if poisson else log_size

    def oracle(lm, lr):
        m, r, y = np.exp(lm), np.exp(lr), counts.numpy()
        law = stats.poisson(m) if poisson else stats.nbinom(r, r / (r + m))
        return law.cdf(y - 1) + 0.5 * law.pmf(y)

    value = mid_pit(counts, log_mean, given)
    lm, lr = log_mean.detach().numpy(), log_size.detach().numpy()
    np.testing.assert_allclose(value.detach().numpy(), oracle(lm, lr), rtol=1e-10)
    value.sum().backward()
    step = 1e-5
    by_mean = (oracle(lm + step, lr) - oracle(lm - step, lr)) / (2 * step)
    np.testing.assert_allclose(log_mean.grad.numpy(), by_mean, rtol=1e-5, atol=1e-9)
    if not poisson:
        by_size = (oracle(lm, lr + step) - oracle(lm, lr - step)) / (2 * step)
        np.testing.assert_allclose(log_size.grad.numpy(), by_size, rtol=1e-5, atol=1e-8)
        assert (log_size.grad != 0).all()


def test_a_composite_is_the_weighted_sum_and_reports_every_component(prediction):
    weights = {
        "nll": 1.0,
        "residual_mse": 0.5,
        "replicate_info_nce": 0.25,
        "negative_pearson": 2.0,
        "pit_difference": 3,
    }
    loss, values = Composite(weights)(prediction)
    assert list(values) == list(weights) == list(COMPONENTS)
    assert float(loss.detach()) == pytest.approx(sum(weights[name] * values[name] for name in weights), rel=1e-12)
    pairs = [(0, 1), (0, 2), (1, 2)]
    residual = log_residual(prediction.counts, prediction.log_mean.detach()).numpy()
    expected = np.mean([((residual[:, i] - residual[:, j]) ** 2).mean() for i, j in pairs])
    assert values["residual_mse"] == pytest.approx(expected, rel=1e-12)
    correlations = [-stats.pearsonr(residual[:, i], residual[:, j]).statistic for i, j in pairs]
    assert values["negative_pearson"] == pytest.approx(np.mean(correlations), rel=1e-10)


@pytest.mark.parametrize("name", list(COMPONENTS))
def test_each_component_alone_trains_the_mean(prediction, name):
    loss, _ = Composite({name: 1.0})(prediction)
    (slope,) = torch.autograd.grad(loss, prediction.log_mean)
    assert torch.isfinite(slope).all()
    assert (slope != 0).all()


def test_a_component_of_weight_zero_is_reported_and_not_trained_on(prediction):
    alone, _ = Composite({"nll": 1.0})(prediction)
    beside, values = Composite({"nll": 1.0, "negative_pearson": 0.0})(prediction)
    assert values["negative_pearson"] != 0.0
    (slope,) = torch.autograd.grad(alone, prediction.log_mean)
    (same,) = torch.autograd.grad(beside, prediction.log_mean)
    assert torch.equal(slope, same)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"nl": 1.0}, r"^loss 'nl': a loss is one of nll, residual_mse, "),
        ({"nll": -1.0}, r"^weight -1.0 of nll: a weight is zero or more"),
        ({"nll": math.nan}, r"^weight nan of nll: "),
        ({"nll": 0.0}, r"^weights \{'nll': 0.0\}: at least one is positive"),
        ({}, r"^weights \{\}: at least one is positive"),
    ],
)
def test_weights_that_train_nothing_or_are_misspelt_are_refused(weights, said):
    with pytest.raises(TechnoiseError, match=said):
        Composite(weights)


def test_one_replicate_cannot_be_compared_and_says_so():
    single = Prediction(torch.ones(6, 1), torch.zeros(6, 1), None)
    assert Composite({"nll": 1.0})(single)[0] > 0
    with pytest.raises(TechnoiseError, match=r"^1 replicate: comparing replicates takes two or more"):
        Composite({"residual_mse": 1.0})(single)


def test_shapes_that_would_broadcast_are_refused_everywhere():
    row, column = torch.ones(4), torch.ones(4, 1)
    for loss in (residual_mse, replicate_info_nce, negative_pearson, pit_difference):
        with pytest.raises(TechnoiseError, match=r"^shapes first \(4,\), second \(4, 1\): "):
            loss(row, column)
        with pytest.raises(TechnoiseError, match=r"^replicates of shape \(4, 1\): "):
            loss(column, column)
    with pytest.raises(TechnoiseError, match=r"^shapes counts \(4,\), log_mean \(4, 1\)"):
        Prediction(row, column, None)
    with pytest.raises(TechnoiseError, match=r"^counts of shape \(4,\): predictions are \(n_bins, n_replicates\)"):
        Prediction(row, row, None)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(TechnoiseError, match=rf"^temperature of {temperature}: a temperature is a positive number"):
        replicate_info_nce(torch.ones(3), torch.ones(3), temperature)


def test_training_lowers_the_held_out_loss_and_its_absence_does_not():
    torch.manual_seed(0)
    x = torch.randn(600, 1, dtype=torch.float64)
    rate = torch.exp(1.0 + 0.8 * x)
    counts = torch.poisson(torch.distributions.Gamma(5.0, 5.0 / rate).sample())
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)

    def held_out():
        with torch.no_grad():
            log_mean = weights[0] + weights[1] * x[400:]
            return float(nll(counts[400:], log_mean, weights[2].expand_as(log_mean)))

    before = held_out()
    optimiser = torch.optim.AdamW([weights], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        log_mean = weights[0] + weights[1] * x[:400]
        nll(counts[:400], log_mean, weights[2].expand_as(log_mean)).backward()
        optimiser.step()
    assert held_out() < before - 0.3
    assert weights.detach()[:2].tolist() == pytest.approx([1.0, 0.8], abs=0.15)
    one = torch.ones(200, 1, dtype=torch.float64)
    truth = float(-negative_binomial.log_prob(counts[400:], 1.0 + 0.8 * x[400:], math.log(5.0) * one).mean())
    assert held_out() < truth + 0.05


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e4, 1e4])
@pytest.mark.parametrize("name", ["log_mean", "log_size"])
def test_every_loss_of_a_prediction_that_has_diverged_is_nan_whatever_is_only_logged(name, bad):
    said = {"log_mean": torch.ones(4, 2), "log_size": torch.ones(4, 2)}
    said[name][1, 0] = bad
    said["log_mean"].requires_grad_(True)
    weights = {"nll": 1.0, "pit_difference": 0.0, "negative_pearson": 0.0}
    loss, components = Composite(weights)(Prediction(torch.ones(4, 2, dtype=torch.int64), **said))
    assert components.keys() == weights.keys()
    assert all(math.isnan(value) for value in (float(loss.detach()), *components.values()))
    loss.backward()
    assert said["log_mean"].grad.isnan().all()


def test_a_signal_part_that_is_not_finite_has_diverged_and_a_sound_one_has_not():
    counts, log = torch.ones(4, 2, dtype=torch.int64), torch.ones(4, 2)
    for moved, diverged in ((0.0, False), (float("nan"), True), (1e4, True)):
        signal = log_normal_excess(torch.zeros(4) + moved, torch.tensor(1.0), torch.tensor(0.0))
        assert Prediction(counts, log, log, signal).has_diverged is diverged
