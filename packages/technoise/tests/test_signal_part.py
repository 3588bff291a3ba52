from dataclasses import replace

import numpy as np
import pyBigWig
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import nbinom

from technoise import Prediction, TechnoiseError, ks_uniform, losses, mixture
from technoise.bins import Bins
from technoise.mixture import log_normal_excess
from technoise.qc import page
from technoise.qc.metrics import held_out_metrics, log_likelihoods, log_likelihoods_each, pit_of, recovery_metrics
from technoise.qc.predictions import Predictions
from technoise.qc.run_tracks import tracks, write_tracks
from technoise.qc.signal_part import SignalPart


def _made(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    mean, size = np.exp(rng.normal(1.2, 0.5, (n, 2))), np.full((n, 2), 4.0)
    signal = log_normal_excess(torch.full((n,), -2.0), torch.tensor(1.5), torch.tensor(-1.0))
    fold = np.where(rng.random(n) < 1 / (1 + np.exp(2.0)), 1 + np.exp(1.5 + np.exp(-1.0) * rng.standard_normal(n)), 1.0)
    counts = rng.poisson(rng.gamma(size, mean * fold[:, None] / size))
    return counts, mean, size, signal


def test_the_loss_of_a_mixture_is_its_joint_likelihood_over_the_replicates():
    counts, mean, size, signal = _made(50)
    tensors = (torch.from_numpy(counts), torch.from_numpy(np.log(mean)), torch.from_numpy(np.log(size)))
    found, _ = losses.Composite({"nll": 1.0})(Prediction(*tensors, signal))
    assert float(found) == pytest.approx(-float(mixture.bin_log_prob(*tensors, signal).mean()) / 2)
    assert float(found) != pytest.approx(float(losses.Composite({"nll": 1.0})(Prediction(*tensors))[0]))
    part = SignalPart.stated(signal)
    assert float(found) == pytest.approx(-log_likelihoods(counts, mean, size, part).mean())


def test_signal_on_a_poisson_is_refused():
    counts, mean, _, signal = _made(5)
    with pytest.raises(TechnoiseError, match="give log_size"):
        Prediction(torch.from_numpy(counts), torch.from_numpy(np.log(mean)), None, signal)


def test_held_out_metrics_of_the_true_mixture_say_that_it_is_calibrated():
    counts, mean, size, signal = _made()
    part = SignalPart.stated(signal)
    with_signal = held_out_metrics(counts, mean, size, seed=0, signal=part).values
    without = held_out_metrics(counts, mean, size, seed=0).values
    assert with_signal["pit_ks"] < 0.025 < without["pit_ks"]
    assert with_signal["nll"] < without["nll"] - 0.05
    assert with_signal["reads_per_expected"] == pytest.approx(1.0, abs=0.06)
    assert with_signal["deviance"] == without["deviance"]


def _by_scipy(counts, mean, size, part):
    """Return log-probabilities of each count without signal (n, R) and with each fold (n, R, nodes)."""
    folds = np.exp(part.log_fold)
    without = nbinom.logpmf(counts, size, size / (size + mean))
    lifted, r, y = mean[..., None] * folds, size[..., None], counts[..., None]
    return without, nbinom.logpmf(y, r, r / (r + lifted))


def test_likelihoods_of_a_bin_and_of_each_count_alone_are_those_of_scipy():
    counts, mean, size, signal = _made(200)
    part = SignalPart.stated(signal)
    without, lifted = _by_scipy(counts, mean, size, part)
    log_share = -np.log1p(np.exp(-part.log_odds))
    log_rest = log_share - part.log_odds
    joint = np.logaddexp(
        log_rest + without.sum(axis=1), log_share + logsumexp(lifted.sum(axis=1) + part.log_weight, axis=1)
    )
    np.testing.assert_allclose(log_likelihoods(counts, mean, size, part), joint / 2, rtol=1e-9)
    each = np.logaddexp(log_rest[:, None] + without, log_share[:, None] + logsumexp(lifted + part.log_weight, axis=2))
    np.testing.assert_allclose(log_likelihoods_each(counts, mean, size, part), each.mean(axis=1), rtol=1e-9)
    np.testing.assert_array_equal(log_likelihoods_each(counts, mean, size), log_likelihoods(counts, mean, size))


def test_replicates_that_say_something_about_each_other_are_likelier_together_than_alone():
    counts, mean, size, signal = _made()
    found = held_out_metrics(counts, mean, size, seed=0, signal=SignalPart.stated(signal)).values
    assert found["nll"] < found["nll_each"] - 0.02
    technical = held_out_metrics(counts, mean, size, seed=0).values
    assert technical["nll_each"] == technical["nll"]


def test_expectation_and_variance_are_those_of_the_distribution_summed_over_all_counts():
    _, mean, size, signal = _made(6)
    part = SignalPart.stated(signal)
    y = np.arange(20_000)
    for k, j in ((0, 0), (3, 1), (5, 0)):
        at = (np.broadcast_to(values[k, j], (len(y), 1)) for values in (mean, size))
        without, lifted = _by_scipy(y[:, None], *at, part)
        share = 1 / (1 + np.exp(-part.log_odds[k]))
        p = (1 - share) * np.exp(without[:, 0]) + share * np.exp(lifted[:, 0]) @ np.exp(part.log_weight)
        assert part.expected(mean)[k, j] == pytest.approx(p @ y, rel=1e-6)
        assert part.variance(mean, size)[k, j] == pytest.approx(p @ y**2 - (p @ y) ** 2, rel=1e-6)


def test_the_truth_of_the_background_is_compared_with_the_technical_part_alone():
    counts, mean, size, _ = _made(300)
    truth = {"technical_mean": mean, "technical_size": size, "enriched": np.zeros(300, dtype=bool)}
    found = recovery_metrics(counts, mean, size, **truth).values
    assert found["nll_background"] == found["nll_background_of_truth"]


def test_signal_without_a_size_is_refused_wherever_it_would_be_left_out():
    counts, mean, _, signal = _made(5)
    part = SignalPart.stated(signal)
    for use in (
        lambda: log_likelihoods(counts, mean, None, part),
        lambda: log_likelihoods_each(counts, mean, None, part),
        lambda: pit_of(counts, mean, None, part, 0),
        lambda: held_out_metrics(counts, mean, None, seed=0, signal=part),
        lambda: replace(_predictions(counts, mean, mean, signal), size=None),
    ):
        with pytest.raises(TechnoiseError, match=r"on a Poisson.*give the size"):
            use()


@pytest.mark.parametrize("name", ["log_odds", "log_fold", "log_weight"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e4])
def test_a_mixture_that_diverged_has_missing_metrics_and_no_invented_ones(name, bad):
    counts, mean, size, signal = _made(20)
    part = SignalPart.stated(signal)
    spoiled = getattr(part, name).copy()
    spoiled[0] = bad
    found = held_out_metrics(counts, mean, size, seed=0, signal=replace(part, **{name: spoiled}))
    assert found.values == {}
    assert found.missing["nll"] == found.missing["nll_each"] == "the signal part of the mixture is not finite"


def test_shapes_that_are_no_signal_are_refused():
    part = SignalPart.stated(_made(5)[3])
    for wrong in ({"log_fold": part.log_fold[1:]}, {"log_odds": part.log_odds[:, None]}):
        with pytest.raises(TechnoiseError, match="those of one mixture"):
            replace(part, **wrong)


def _predictions(counts, mean, size, signal):
    n = len(counts)
    bins, split = Bins.tiled({"chr1": 200 * n}, 200), np.full(n, 2, dtype=np.int8)
    part = SignalPart.stated(signal)
    return Predictions(bins, split, counts, counts, mean, size, ("a", "b"), {"chr1": 200 * n}, part)


def test_predictions_of_a_mixture_come_back_from_their_file_and_as_a_subset(tmp_path):
    counts, mean, size, signal = _made(40)
    made = _predictions(counts, mean, size, signal)
    made.save(tmp_path / "p.npz")
    loaded = Predictions.load(tmp_path / "p.npz")
    mask = np.arange(40) % 3 == 0
    some = loaded.subset(mask)
    assert some.signal is not None
    whole = log_likelihoods(counts, mean, size, SignalPart.stated(signal))
    np.testing.assert_allclose(log_likelihoods(some.counts, some.mean, some.size, some.signal), whole[mask], rtol=1e-12)
    wrong = SignalPart.stated(signal).of(mask)
    with pytest.raises(TechnoiseError, match="signal of shape"):
        replace(made, signal=wrong)


def test_the_track_of_the_posterior_is_bayes_rule_and_only_a_mixture_has_it(tmp_path):
    counts, mean, size, signal = _made(40)
    made = _predictions(counts, mean, size, signal)
    assert len(write_tracks(made, tmp_path / "mixture", "m")) == 10
    plain = replace(made, signal=None)
    assert len(write_tracks(plain, tmp_path / "plain", "p")) == 8
    assert tracks(made).keys() - tracks(plain).keys() == {"posterior"}
    without, lifted = _by_scipy(counts, mean, size, made.signal)
    share = 1 / (1 + np.exp(-made.signal.log_odds))
    with_signal = share * (np.exp(lifted.sum(axis=1)) @ np.exp(made.signal.log_weight))
    wanted = with_signal / (with_signal + (1 - share) * np.exp(without.sum(axis=1)))
    with pyBigWig.open(str(tmp_path / "mixture" / "m_posterior.bw")) as track:
        found = track.values("chr1", 0, 8_000)[::200]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_the_page_of_a_mixture_draws_the_calibration_of_both_parts_and_says_so(tmp_path, monkeypatch):
    counts, mean, size, signal = _made()
    part, drawn = SignalPart.stated(signal), []
    monkeypatch.setattr(page, "save", lambda figure, path: drawn.append(figure))
    for given in (part, None):
        page.draw_page(tmp_path / "a.pdf", counts, mean, size, replicates=("a", "b"), title="t", seed=3, signal=given)
    both, technical = drawn
    for figure, given in ((both, part), (technical, None)):
        distance = ks_uniform(pit_of(counts, mean, size, given, 3)).statistic
        assert figure.axes[0].get_title(loc="left") == f"PIT: KS {distance:.3f}"
        observed, predicted, _ = (line.get_ydata() for line in figure.axes[2].lines)
        assert (np.median(observed / predicted) < 1.3) == (given is not None)
    assert "signal" in both.get_suptitle()
    assert technical.get_suptitle() == "t"
