from dataclasses import replace

import numpy as np
import pyBigWig
import pytest
from scipy.stats import combine_pvalues, nbinom

from technoise import TechnoiseError
from technoise.bins import Bins
from technoise.qc.predictions import Predictions
from technoise.qc.run_tracks import minus_log10_p, normalised, residual, tracks, write_tracks


@pytest.fixture
def predictions():
    rng = np.random.default_rng(2)
    bins = Bins.tiled({"chr1": 3_000, "chr2": 1_050}, 100)
    n = len(bins)
    return Predictions(
        bins=bins,
        split=rng.integers(0, 3, n).astype(np.int8),
        counts=rng.poisson(4, (n, 2)),
        control=rng.poisson(3, (n, 1)),
        mean=rng.uniform(1, 8, (n, 2)),
        size=rng.uniform(0.5, 9, (n, 2)),
        replicates=("a", "β"),
        chromosome_sizes={"chr1": 3_000, "chr2": 1_050},
    )


def same(first, second):
    for name in ("split", "counts", "control", "mean", "size"):
        ours, theirs = getattr(first, name), getattr(second, name)
        assert (ours is None and theirs is None) or np.array_equal(ours, theirs), name
    assert first.bins == second.bins
    assert (first.replicates, first.chromosome_sizes) == (second.replicates, second.chromosome_sizes)


@pytest.mark.parametrize("family", ["negative binomial", "poisson"])
def test_what_is_saved_comes_back_to_the_last_bit(predictions, tmp_path, family):
    kept = predictions if family == "negative binomial" else replace(predictions, size=None)
    kept.save(tmp_path / "p.npz")
    same(Predictions.load(tmp_path / "p.npz"), kept)
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


def test_a_damaged_or_foreign_file_is_one_clear_line(predictions, tmp_path):
    predictions.save(tmp_path / "p.npz")
    whole = (tmp_path / "p.npz").read_bytes()
    (tmp_path / "p.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    np.savez(tmp_path / "pickled.npz", chromosome=np.array([{}], dtype=object))
    for name in ("p.npz", "other.npz", "pickled.npz", "absent.npz"):
        with pytest.raises(TechnoiseError, match=f"{name}: not readable as predictions"):
            Predictions.load(tmp_path / name)


def test_rows_that_do_not_belong_together_are_refused(predictions):
    with pytest.raises(TechnoiseError, match="mean of shape"):
        replace(predictions, mean=predictions.mean[1:])
    with pytest.raises(TechnoiseError, match="counts of shape"):
        replace(predictions, replicates=("a",))


def test_a_subset_keeps_row_by_row_what_belongs_to_a_bin(predictions):
    part = predictions.subset(predictions.test)
    rows = np.flatnonzero(predictions.split == 2)
    assert len(part.bins) == len(rows)
    assert (part.split == 2).all()
    for place, row in enumerate(rows):
        assert part.bins.name_of(place) == predictions.bins.name_of(row)
        assert (part.mean[place] == predictions.mean[row]).all()


def test_the_normalised_track_is_observed_over_expected_shrunk_by_one_read(predictions):
    found = normalised(predictions)
    for k in (0, 17):
        assert found[k] == pytest.approx((predictions.counts[k].sum() + 1) / (predictions.mean[k].sum() + 1))


def test_p_values_of_replicates_are_combined_by_fishers_method(predictions):
    found = minus_log10_p(predictions)
    size, mean = predictions.size, predictions.mean
    p = nbinom.sf(predictions.counts - 1, size, size / (size + mean))
    for k in range(0, len(p), 5):
        assert 10 ** -found[k] == pytest.approx(combine_pvalues(p[k], method="fisher").pvalue, rel=1e-8)


def test_more_reads_raise_residual_and_evidence_and_never_beyond_what_a_track_can_hold(predictions):
    more = replace(predictions, counts=predictions.counts + 3)
    assert (residual(more) > residual(predictions)).all()
    assert (minus_log10_p(more) >= minus_log10_p(predictions)).all()
    flooded = replace(predictions, counts=predictions.counts + 10**7)
    for values in tracks(flooded).values():
        assert np.isfinite(values).all()


def test_the_tracks_read_back_as_what_was_computed(predictions, tmp_path):
    files = write_tracks(predictions, tmp_path / "tracks", "run")
    assert [path.name for path in files[:2]] == ["run_normalised.bw", "run_normalised.bedGraph.gz"]
    assert list(tracks(predictions)) == ["normalised", "residual", "minus_log10_p", "minus_log10_q"]
    assert len(files) == 8
    for name, values in tracks(predictions).items():
        with pyBigWig.open(str(tmp_path / "tracks" / f"run_{name}.bw")) as track:
            assert track.chroms() == predictions.chromosome_sizes
            shown = [row[2] for chromosome in ("chr1", "chr2") for row in track.intervals(chromosome)]
        np.testing.assert_allclose(shown, values, rtol=1e-6, atol=1e-6)
