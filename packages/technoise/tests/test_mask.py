import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from technoise import TechnoiseError
from technoise.bins import Bins
from technoise.counts import CountTable
from technoise.mask import joint_mask, overlapping
from technoise.readers.intervals import Intervals, read_intervals

BINS = Bins.tiled({"chr1": 1_000, "chr2": 450}, 100)


def table(treatment, control):
    return CountTable(
        bins=BINS,
        treatment=np.asarray(treatment),
        control=np.asarray(control),
        treatment_names=("a", "b"),
        control_names=("c",),
        genome="toy",
        chromosome_sizes={"chr1": 1_000, "chr2": 450},
    )


def regions(*rows):
    return Intervals(
        np.array([row[0] for row in rows], dtype=np.str_),
        np.array([r[1] for r in rows]),
        np.array([r[2] for r in rows]),
    )


ONES = table(np.ones((15, 2), dtype=int), np.ones((15, 1), dtype=int))


@given(
    st.lists(
        st.tuples(st.sampled_from(["chr1", "chr2", "chr3"]), st.integers(0, 1_100), st.integers(1, 400)), max_size=6
    ),
    st.integers(0, 2**32),
)
def test_a_bin_is_touched_when_a_loop_finds_a_shared_base(drawn, seed):
    rows = [("chr1", 990, 991), *((name, start, start + length) for name, start, length in drawn)]
    bins = BINS.subset(np.random.default_rng(seed).random(15) < 0.7)
    if "chr1" not in bins.chromosome_names:
        return
    expected = [
        any(bins.chromosome[i] == name and start < bins.end[i] and bins.start[i] < end for name, start, end in rows)
        for i in range(len(bins))
    ]
    assert overlapping(bins, regions(*rows)).tolist() == expected


def test_a_blacklisted_bin_goes_for_all_samples():
    mask = joint_mask(ONES, blacklist=regions(("chr1", 199, 201), ("chr2", 400, 410), ("chrM", 1, 5)))
    assert np.flatnonzero(~mask.kept).tolist() == [1, 2, 14]
    assert mask.dropped == {"blacklist": 3}
    kept = ONES.subset(mask.kept)
    assert kept.treatment.shape == (12, 2)
    assert kept.control.shape == (12, 1)


def test_bins_without_reads_stay_unless_asked():
    zeros = table(np.zeros((15, 2), dtype=int), np.zeros((15, 1), dtype=int))
    mask = joint_mask(zeros)
    assert mask.kept.all()
    assert mask.dropped == {}


def test_only_long_runs_in_which_no_sample_has_a_read_go_and_never_across_chromosomes():
    treatment, control = np.zeros((15, 2), dtype=int), np.zeros((15, 1), dtype=int)
    treatment[3, 1] = 1  # one replicate is enough to keep a bin
    control[7, 0] = 1  # and so is a control
    whole = table(treatment, control)
    # Runs of 3, 3 and 2 on chr1, of 5 on chr2.
    assert np.flatnonzero(~joint_mask(whole, unmappable_run_bins=3).kept).tolist() == [0, 1, 2, 4, 5, 6, *range(10, 15)]
    assert np.flatnonzero(~joint_mask(whole, unmappable_run_bins=4).kept).tolist() == [*range(10, 15)]
    assert joint_mask(whole, unmappable_run_bins=6).kept.all()
    assert joint_mask(whole, unmappable_run_bins=3).dropped == {"no_read_in_any_sample": 11}


def test_runs_of_bins_with_reads_stay_however_long():
    assert joint_mask(ONES, unmappable_run_bins=2).kept.all()


def test_further_reasons_are_added_and_counted_on_their_own():
    nan = np.arange(15) < 2
    mask = joint_mask(ONES, blacklist=regions(("chr1", 0, 1)), exclude={"unknown_bases": nan})
    assert mask.dropped == {"blacklist": 1, "unknown_bases": 2}
    assert mask.kept.sum() == 13
    with pytest.raises(TechnoiseError, match="one bool for each of 15 bins"):
        joint_mask(ONES, exclude={"x": nan[:3]})
    with pytest.raises(TechnoiseError, match="reason blacklist"):
        joint_mask(ONES, blacklist=regions(("chr1", 0, 1)), exclude={"blacklist": nan})


def test_a_mask_that_leaves_nothing_is_an_error():
    with pytest.raises(TechnoiseError, match="0 of 15 bins left"):
        joint_mask(ONES, blacklist=regions(("chr1", 0, 1_000), ("chr2", 0, 450)))
    with pytest.raises(TechnoiseError, match="run without reads of 0 bins"):
        joint_mask(ONES, unmappable_run_bins=0)


def test_a_blacklist_of_another_naming_is_an_error_and_an_empty_one_is_not():
    with pytest.raises(TechnoiseError, match="regions on 1: the bins have chr1, chr2"):
        joint_mask(ONES, blacklist=regions(("1", 0, 100)))
    assert not overlapping(BINS, regions()).any()


def test_regions_are_read_from_bed_and_peak_files(tmp_path):
    text = b"track x\n#c\nchr1\t5\t90\tpeak_1\t214\t.\t13.2\nchr2 0 7\n"
    for name, data in (("a.narrowPeak", text), ("a.bed.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(data)
        found = read_intervals(tmp_path / name, rename={"chr2": "II"})
        assert found.chromosome.tolist() == ["chr1", "II"]
        assert (found.start.tolist(), found.end.tolist()) == ([5, 0], [90, 7])
    (tmp_path / "none.bed").write_text("")
    assert len(read_intervals(tmp_path / "none.bed")) == 0


@pytest.mark.parametrize("line", ["chr1\t5", "chr1\tx\t9", "chr1\t9\t5", "chr1\t-1\t5"])
def test_a_line_that_is_no_region_is_named(tmp_path, line):
    (tmp_path / "a.bed").write_text(f"chr1\t1\t2\n{line}\n")
    with pytest.raises(TechnoiseError, match="line 2: "):
        read_intervals(tmp_path / "a.bed")


def test_regions_whose_arrays_differ_in_length_are_refused():
    with pytest.raises(TechnoiseError, match="1 chromosomes, 2 starts and 1 ends"):
        Intervals(np.array(["chr1"]), np.array([1, 2]), np.array([3]))
