import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from technoise import TechnoiseError
from technoise.bins import Bins
from technoise.counts import CountTable
from technoise.covariates import Covariates, log_depths, window_means
from technoise.simulator import simulate


@pytest.fixture(scope="module")
def table():
    return simulate(seed=1).table


def window_means_by_loops(values, bins, window_bins):
    """The slow twin: look at every pair of bins."""
    means = []
    reach_bp = (window_bins - 1) // 2 * bins.width_bp
    for i in range(len(bins)):
        reads = length_bp = 0
        for j in range(len(bins)):
            if bins.chromosome[i] == bins.chromosome[j] and abs(bins.start[i] - bins.start[j]) <= reach_bp:
                reads += values[j]
                length_bp += bins.end[j] - bins.start[j]
        means.append(reads / length_bp * bins.width_bp)
    return np.array(means)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 7, 25]), st.floats(0.2, 1.0))
def test_window_means_are_those_of_a_loop_over_pairs_of_bins_with_gaps_and_short_ends(seed, window_bins, kept):
    rng = np.random.default_rng(seed)
    whole = Bins.tiled({"chr1": 1_730, "chr2": 90, "chr3": 800}, 100)
    bins = whole.subset(rng.random(len(whole)) < kept)
    values = rng.poisson(5, size=len(bins))
    np.testing.assert_allclose(
        window_means(values, bins, window_bins), window_means_by_loops(values, bins, window_bins), rtol=1e-12
    )


def test_a_constant_rate_stays_constant_at_edges_in_gaps_and_in_short_bins():
    whole = Bins.tiled({"chr1": 1_050, "chr2": 300}, 100)
    bins = whole.subset(np.arange(len(whole)) != 4)
    values = (bins.end - bins.start) // 10
    for width in (1, 5, 101):
        np.testing.assert_allclose(window_means(values, bins, width), 10.0, rtol=1e-12)


def test_reads_of_one_chromosome_never_enter_a_window_of_another():
    bins = Bins.tiled({"chr1": 500, "chr2": 500}, 100)
    values = np.r_[np.full(5, 1_000), np.zeros(5)].astype(int)
    assert window_means(values, bins, 101)[5:].tolist() == [0.0] * 5


def test_training_columns_have_mean_zero_and_standard_deviation_one(table):
    training = table.bins.on(["chr1", "chr2"])
    matrix = Covariates.fit(table, training).transform(table)
    np.testing.assert_allclose(matrix[training].mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(matrix[training].std(axis=0), 1, rtol=1e-10)
    assert abs(matrix[~training].mean(axis=0)).max() > 0.01


def test_columns_are_the_standardised_log1p_of_pooled_control_reads_in_windows(table):
    training = table.bins.on(["chr3"])
    fitted = Covariates.fit(table, training, windows_bins=(1, 5))
    pooled = table.control.sum(axis=1)
    first = np.log1p(pooled)
    rows = table.bins.rows["chr1"]
    # Bins far enough from the edges: a plain moving average.
    second = np.log1p(np.convolve(pooled[rows], np.full(5, 0.2), mode="valid"))
    third_of = training
    matrix = fitted.transform(table)
    np.testing.assert_allclose(matrix[:, 0], (first - first[third_of].mean()) / first[third_of].std(), rtol=1e-9)
    raw = matrix[rows, 1][2:-2] * fitted.scale[1] + fitted.mean[1]
    np.testing.assert_allclose(raw, second, rtol=1e-9)
    assert fitted.names == ("log1p_control_1_bins", "log1p_control_5_bins")


def test_nothing_of_held_out_bins_nor_of_the_treatment_there_changes_the_statistics():
    table = simulate(seed=2).table
    training = table.bins.on(["chr1", "chr2"])
    before = Covariates.fit(table, training)
    changed = CountTable(
        bins=table.bins,
        treatment=np.where(training[:, None], table.treatment, 7 * table.treatment + 3),
        control=np.where(training[:, None], table.control, 5 * table.control + 1),
        treatment_names=table.treatment_names,
        control_names=table.control_names,
        genome=table.genome,
        chromosome_sizes=table.chromosome_sizes,
    )
    assert Covariates.fit(changed, training) == before


def test_a_column_that_is_constant_in_training_becomes_zero_there_and_stays_finite_elsewhere(table):
    training = table.bins.on(["chr1"])
    extra = {"flat": np.where(training, 0.1, 0.7)}
    matrix = Covariates.fit(table, training, extra=extra).transform(table, extra=extra)
    np.testing.assert_allclose(matrix[training, -1], 0.0, atol=1e-12)
    np.testing.assert_allclose(matrix[~training, -1], 0.6)


def test_extra_columns_are_ordered_by_name_and_must_be_the_same_on_both_sides(table):
    training = table.bins.on(["chr1"])
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=table.n_bins) for name in ("gc", "copies")}
    fitted = Covariates.fit(table, training, windows_bins=(), extra=columns)
    assert fitted.names == ("copies", "gc")
    swapped = dict(reversed(columns.items()))
    np.testing.assert_array_equal(fitted.transform(table, extra=columns), fitted.transform(table, extra=swapped))
    with pytest.raises(TechnoiseError, match=r"extra columns \['gc'\]: .* \['copies', 'gc'\]"):
        fitted.transform(table, extra={"gc": columns["gc"]})
    with pytest.raises(TechnoiseError, match="pass the same ones"):
        fitted.transform(table)


def test_a_column_that_is_not_finite_or_not_one_value_per_bin_is_named(table):
    training = table.bins.on(["chr1"])
    column = np.zeros(table.n_bins)
    column[3:5] = np.nan
    with pytest.raises(TechnoiseError, match=r"gc is nan in 2 bins, first chr1:601-800: .* mask these bins"):
        Covariates.fit(table, training, extra={"gc": column})
    with pytest.raises(TechnoiseError, match="one value for each of"):
        Covariates.fit(table, training, extra={"gc": np.zeros((table.n_bins, 1))})


def test_offsets_are_the_log_mean_reads_of_training_bins_and_find_replicates_by_name(table):
    training = table.bins.on(["chr2", "chr4"])
    fitted = Covariates.fit(table, training)
    expected = np.log(table.treatment[training].mean(axis=0))
    np.testing.assert_allclose(fitted.offsets(table), expected, rtol=1e-12)
    held_out = table.subset(~training)
    np.testing.assert_allclose(fitted.offsets(held_out), expected, rtol=1e-12)
    swapped = CountTable(
        bins=table.bins,
        treatment=table.treatment[:, ::-1],
        control=table.control,
        treatment_names=table.treatment_names[::-1],
        control_names=table.control_names,
        genome=table.genome,
        chromosome_sizes=table.chromosome_sizes,
    )
    np.testing.assert_allclose(fitted.offsets(swapped), expected[::-1], rtol=1e-12)


def test_an_unknown_replicate_or_one_without_reads_has_no_depth(table):
    fitted = Covariates.fit(table, table.bins.on(["chr1"]))
    renamed = CountTable(
        bins=table.bins,
        treatment=table.treatment * np.array([1, 0]),
        control=table.control,
        treatment_names=("treatment_1", "new"),
        control_names=table.control_names,
        genome=table.genome,
        chromosome_sizes=table.chromosome_sizes,
    )
    with pytest.raises(TechnoiseError, match="replicate new: its depth was not measured"):
        fitted.offsets(renamed)
    with pytest.raises(TechnoiseError, match="replicate new has 0 reads"):
        log_depths(renamed, np.ones(table.n_bins, dtype=bool))
    with pytest.raises(TechnoiseError, match="0 bins chosen"):
        log_depths(table, np.zeros(table.n_bins, dtype=bool))


def test_a_state_that_went_through_json_gives_the_same_matrix_and_offsets(table):
    fitted = Covariates.fit(table, table.bins.on(["chr1"]))
    again = Covariates.from_state_dict(json.loads(json.dumps(fitted.state_dict())))
    assert again == fitted
    np.testing.assert_array_equal(again.transform(table), fitted.transform(table))


@pytest.mark.parametrize("change", [{"mean": [0.0]}, {"scale": None}, {"windows_bins": [1, 5]}, {"mean": ["a"] * 4}])
def test_a_garbled_state_is_refused(table, change):
    state = {**Covariates.fit(table, table.bins.on(["chr1"])).state_dict(), **change}
    with pytest.raises(TechnoiseError, match="saved covariates"):
        Covariates.from_state_dict(state)


def test_float32_is_the_rounded_float64(table):
    fitted = Covariates.fit(table, table.bins.on(["chr1"]))
    small = fitted.transform(table, dtype=np.float32)
    assert small.dtype == np.float32
    np.testing.assert_array_equal(small, fitted.transform(table).astype(np.float32))


@pytest.mark.parametrize("windows", [(2,), (0,), (-1,), (1, 1), (1.0,), (True,)])
def test_windows_that_are_not_different_odd_whole_numbers_are_refused(table, windows):
    with pytest.raises(TechnoiseError, match="window"):
        Covariates.fit(table, table.bins.on(["chr1"]), windows_bins=windows)


def test_without_control_there_must_be_extra_columns(table):
    bare = CountTable(
        bins=table.bins,
        treatment=table.treatment,
        control=np.zeros((table.n_bins, 0), dtype=int),
        treatment_names=table.treatment_names,
        control_names=(),
        genome=table.genome,
        chromosome_sizes=table.chromosome_sizes,
    )
    training = table.bins.on(["chr1"])
    with pytest.raises(TechnoiseError, match="0 covariates"):
        Covariates.fit(bare, training)
    assert Covariates.fit(bare, training, extra={"gc": np.arange(table.n_bins)}).names == ("gc",)
    with pytest.raises(TechnoiseError, match="without control"):
        Covariates.fit(table, training).transform(bare)
    with pytest.raises(TechnoiseError, match="0 training bins"):
        Covariates.fit(table, np.zeros(table.n_bins, dtype=bool))


def test_values_for_windows_are_whole_and_one_per_bin():
    bins = Bins.tiled({"chr1": 500}, 100)
    with pytest.raises(TechnoiseError, match="one per bin"):
        window_means(np.ones((5, 1), dtype=int), bins, 1)
    with pytest.raises(TechnoiseError, match="whole reads"):
        window_means(np.full(5, 0.5), bins, 1)
