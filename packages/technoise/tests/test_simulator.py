import gzip

import numpy as np
import pysam
import pytest
import statsmodels.api as sm
from scipy import stats

from technoise import TechnoiseError
from technoise.simulator import BiasTerm, SimulatorSettings, simulate, write_bam, write_bed

SMALL = SimulatorSettings(
    chromosome_sizes={"chr10": 20_000, "chr2": 10_050}, treatment_reads=(900.0, 500.0), control_reads=(700.0,)
)


@pytest.fixture(scope="module")
def simulation():
    return simulate(seed=5)


def test_the_same_seed_gives_the_same_counts_and_another_seed_others():
    first, again, other = simulate(SMALL, 1), simulate(SMALL, 1), simulate(SMALL, 2)
    np.testing.assert_array_equal(first.table.treatment, again.table.treatment)
    np.testing.assert_array_equal(first.table.control, again.table.control)
    assert (first.table.treatment != other.table.treatment).any()


def test_background_and_control_counts_have_the_stated_mean_and_variance(simulation):
    table, truth = simulation.table, simulation.truth
    background = ~truth.enriched
    for counts, mean, size in (
        (table.treatment[background], truth.technical_mean[background], truth.size[background]),
        (table.control, truth.control_mean, truth.control_size),
    ):
        variance = mean + mean**2 / size
        pearson = (counts - mean) / np.sqrt(variance)
        n = pearson.size
        assert abs(pearson.mean()) < 4 / np.sqrt(n)
        # The variance of a squared residual is its kurtosis less one; measured, not assumed.
        assert abs((pearson**2).mean() - 1) < 4 * (pearson**2).std() / np.sqrt(n)


def test_counts_are_negative_binomial_by_scipys_distribution_function(simulation):
    table, truth = simulation.table, simulation.truth
    background = ~truth.enriched
    counts, mean, size = (values[background].ravel() for values in (table.treatment, truth.technical_mean, truth.size))
    # scipy's p is the probability of success, with mean size * (1 - p) / p.
    law = stats.nbinom(size, size / (size + mean))
    pit = law.cdf(counts - 1) + np.random.default_rng(0).random(counts.size) * law.pmf(counts)
    assert stats.kstest(pit, "uniform").pvalue > 1e-3
    assert stats.kstest(stats.poisson(mean).cdf(counts), "uniform").pvalue < 1e-12


def test_enriched_bins_hold_the_technical_mean_times_their_fold(simulation):
    table, truth = simulation.table, simulation.truth
    np.testing.assert_array_equal(truth.enriched, truth.fold > 1)
    expected = (truth.technical_mean * truth.fold[:, None])[truth.enriched].sum()
    assert table.treatment[truth.enriched].sum() == pytest.approx(expected, rel=0.05)
    assert 0.02 < truth.enriched.mean() < 0.06
    assert np.median(truth.fold[truth.enriched]) == pytest.approx(simulation.settings.fold_median, rel=0.2)


def test_a_glm_on_the_true_terms_recovers_the_bias_coefficients_and_the_slope_of_the_size(simulation):
    table, truth, settings = simulation.table, simulation.truth, simulation.settings
    background = ~truth.enriched
    counts, terms = table.treatment[background, 0], sm.add_constant(truth.bias_terms[background])
    family = sm.families.NegativeBinomial(alpha=1 / np.median(truth.size[background, 0]))
    fit = sm.GLM(counts, terms, family=family).fit()
    np.testing.assert_allclose(fit.params[1:], list(truth.bias_coefficients.values()), atol=0.04)
    mean = truth.technical_mean[background, 0]
    # By the moments in ten classes of the mean: size = mean^2 / (variance - mean).
    classes = np.digitize(mean, np.quantile(mean, np.linspace(0.1, 0.9, 9)))
    log_mean, log_size = [], []
    for number in range(10):
        chosen = classes == number
        excess = ((counts[chosen] - mean[chosen]) ** 2 - mean[chosen]).sum() / (mean[chosen] ** 2).sum()
        log_mean.append(np.log(mean[chosen].mean()))
        log_size.append(-np.log(excess))
    slope, intercept = np.polyfit(log_mean, log_size, 1)
    assert slope == pytest.approx(settings.log_size_slope, abs=0.2)
    assert intercept + slope * 1.5 == pytest.approx(
        settings.log_size_intercept + settings.log_size_slope * 1.5, abs=0.15
    )


def test_treatment_and_control_share_the_bias_exactly_and_short_bins_get_fewer_reads():
    simulation = simulate(SMALL, 6)
    truth, bins = simulation.truth, simulation.table.bins
    assert int((bins.end - bins.start).min()) == 50
    ratio = np.log(truth.technical_mean[:, 0]) - np.log(truth.control_mean[:, 0])
    assert np.ptp(ratio) < 1e-9
    bias = truth.bias_terms @ np.array(list(truth.bias_coefficients.values()))
    assert np.ptp(np.log(truth.technical_mean[:, 0]) - bias - np.log(bins.end - bins.start)) < 1e-9
    np.testing.assert_allclose(truth.technical_mean.sum(axis=0), SMALL.treatment_reads)


def test_bias_is_smooth_over_its_length_and_standardised():
    settings = SimulatorSettings(bias={"short": BiasTerm(0.1, 400), "long": BiasTerm(0.1, 8_000)})
    terms = simulate(settings, 3).truth.bias_terms
    np.testing.assert_allclose(terms.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(terms.std(axis=0), 1)
    # The autocorrelation of white noise smoothed by a Gaussian of sd s is exp(-lag^2 / (4 s^2)).
    for column, length_bins in ((0, 2), (1, 40)):
        series = terms[:4_000, column]
        lag = 2 * length_bins
        assert np.corrcoef(series[lag:], series[:-lag])[0, 1] == pytest.approx(np.exp(-1), abs=0.2)


def test_without_enrichment_or_bias_the_simulation_is_flat():
    flat = simulate(SimulatorSettings(bias={}, enriched_fraction=0.0), 0)
    assert not flat.truth.enriched.any()
    assert flat.truth.bias_terms.shape == (flat.table.n_bins, 0)
    assert np.ptp(flat.truth.technical_mean[:, 0]) < 1e-9


def test_written_reads_are_sorted_of_the_stated_length_and_inside_their_chromosome(tmp_path):
    simulation = simulate(SMALL, 4)
    write_bed(simulation, "treatment_1", tmp_path / "reads.bed.gz")
    rows = [
        line.split("\t") for line in gzip.decompress((tmp_path / "reads.bed.gz").read_bytes()).decode().splitlines()
    ]
    assert len(rows) == simulation.table.treatment[:, 0].sum()
    order = [(["chr10", "chr2"].index(row[0]), int(row[1])) for row in rows]
    assert order == sorted(order)
    assert all(0 <= int(row[1]) < int(row[2]) <= SMALL.chromosome_sizes[row[0]] for row in rows)
    assert max(int(row[2]) - int(row[1]) for row in rows) == SMALL.read_length_bp
    assert {row[5] for row in rows} == {"+", "-"}


def test_a_written_bam_is_indexed_and_sorted_by_coordinate(tmp_path):
    simulation = simulate(SMALL, 4)
    write_bam(simulation, "control_1", tmp_path / "reads.bam")
    with pysam.AlignmentFile(tmp_path / "reads.bam") as file:
        assert file.has_index()
        assert dict(zip(file.references, file.lengths, strict=True)) == dict(SMALL.chromosome_sizes)
        assert file.count() == simulation.table.control.sum()
        positions = [(read.reference_id, read.reference_start) for read in file]
    assert positions == sorted(positions)


def test_an_unknown_sample_is_named_with_those_that_exist(tmp_path):
    with pytest.raises(TechnoiseError, match="sample ip: the simulation has treatment_1, treatment_2, control_1"):
        write_bed(simulate(SMALL, 4), "ip", tmp_path / "reads.bed")


@pytest.mark.parametrize(
    "changes",
    [
        {"treatment_reads": ()},
        {"control_reads": (float("nan"),)},
        {"treatment_reads": (0.0,)},
        {"enriched_fraction": 1.0},
        {"enriched_length_bins": 0.5},
        {"fold_median": 0.9},
        {"fold_log_sd": float("nan")},
        {"bias": {"gc": BiasTerm(1.0, 0)}},
        {"read_length_bp": 0},
    ],
)
def test_settings_that_mean_nothing_are_refused(changes):
    with pytest.raises(TechnoiseError):
        SimulatorSettings(**changes)
