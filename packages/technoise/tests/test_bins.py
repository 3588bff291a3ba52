import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from technoise import TechnoiseError
from technoise.bins import Bins

SIZES = st.dictionaries(st.sampled_from(["chr1", "chr2", "chrX"]), st.integers(1, 2_000), min_size=1)


@given(SIZES, st.integers(1, 500))
def test_tiled_bins_cover_every_base_exactly_once(sizes, width_bp):
    bins = Bins.tiled(sizes, width_bp)
    for name, size in sizes.items():
        depth = np.zeros(size, dtype=int)
        for start, end in zip(bins.start[bins.rows[name]], bins.end[bins.rows[name]], strict=True):
            assert end - start <= width_bp
            assert end <= size  # a slice beyond the end would be cut in silence
            depth[start:end] += 1
        assert (depth == 1).all()


@given(SIZES, st.integers(1, 500))
def test_without_partial_bins_all_are_full_and_only_the_remainder_is_uncovered(sizes, width_bp):
    if all(size < width_bp for size in sizes.values()):
        with pytest.raises(TechnoiseError, match="0 bins"):
            Bins.tiled(sizes, width_bp, keep_partial=False)
        return
    bins = Bins.tiled(sizes, width_bp, keep_partial=False)
    assert ((bins.end - bins.start) == width_bp).all()
    covered = {name: int(bins.end[rows.stop - 1]) for name, rows in bins.rows.items()}
    assert covered == {name: size - size % width_bp for name, size in sizes.items() if size >= width_bp}


@given(SIZES, st.integers(1, 300), st.integers(0, 2**32), st.lists(st.integers(-5, 2_500)))
def test_locate_finds_the_bin_that_a_plain_search_finds_also_where_bins_are_missing(sizes, width_bp, seed, positions):
    whole = Bins.tiled(sizes, width_bp)
    bins = whole.subset(np.random.default_rng(seed).random(len(whole)) < 0.6)
    for name in ["chr1", "chrX", "chrUn"]:
        expected = [
            next((i for i in range(len(bins)) if bins.chromosome[i] == name and bins.start[i] <= p < bins.end[i]), -1)
            for p in positions
        ]
        assert bins.locate(name, np.array(positions, dtype=np.int64)).tolist() == expected


def test_bins_are_equal_by_what_they_cover_and_not_by_how_they_were_made():
    tiled = Bins.tiled({"chr1": 400, "chr2": 200, "chr3": 200}, 200)
    written = Bins.labelled(["chr1", "chr1", "chr3"], [0, 200, 0], [200, 400, 200])
    assert tiled.subset(np.array([True, True, False, True])) == written
    assert tiled != written
    assert written != Bins.labelled(["chr1", "chr1", "chr4"], [0, 200, 0], [200, 400, 200])
    assert written != Bins.labelled(["chr1", "chr1", "chr3"], [0, 200, 0], [200, 400, 201])
    assert written != "bins"


def test_bins_cannot_be_changed_through_the_array_they_were_made_of_nor_in_place():
    start = np.array([0, 200])
    bins = Bins.labelled(["chr1", "chr1"], start, [200, 400])
    start[1] = 300
    assert bins.start.tolist() == [0, 200]
    with pytest.raises(ValueError, match="read-only"):
        bins.start[0] = 1


def test_blocks_are_chromosomes_or_stretches_that_never_cross_one():
    bins = Bins.tiled({"chr1": 1_000, "chr2": 500}, 100)
    assert bins.blocks().tolist() == [0] * 10 + [1] * 5
    assert bins.blocks(400).tolist() == [0] * 4 + [1] * 4 + [2] * 2 + [3] * 4 + [4]
    assert Bins.tiled({"chr1": 200, "chr2": 200}, 100).blocks(400).tolist() == [0, 0, 1, 1]
    gaps = bins.subset(bins.start != 400)
    assert gaps.blocks(400).tolist() == [0] * 4 + [1] * 3 + [2] * 2 + [3] * 4


def test_on_selects_whole_chromosomes_and_names_an_unknown_one():
    bins = Bins.tiled({"chr1": 300, "chr2": 200}, 100)
    assert bins.on(["chr2"]).tolist() == [False] * 3 + [True] * 2
    assert not bins.on([]).any()
    with pytest.raises(TechnoiseError, match=r"^chromosome 2: the bins have chr1, chr2; name one of these$"):
        bins.on(["2"])
    with pytest.raises(TechnoiseError, match="a list of names"):
        bins.on("chr1")


def test_the_name_of_a_bin_is_one_based_and_closed_as_browsers_show_it():
    assert Bins.tiled({"chr7": 400}, 200).name_of(1) == "chr7:201-400"


@pytest.mark.parametrize(
    ("chromosome", "start", "end", "said"),
    [
        (["chr1", "chr1"], [0, 100], [200, 300], "starts before chr1:1-200 ends"),
        (["chr1", "chr1"], [200, 0], [400, 200], "starts before"),
        (["chr1"], [5], [5], "0 <= start < end"),
        (["chr1"], [-1], [5], "0 <= start < end"),
        (["chr1", "chr2", "chr1"], [0, 0, 200], [200, 200, 400], "chr1 appears in two places"),
        (["chr1"], [0.5], [5.0], "whole base pairs"),
        (["chr1", "chr1"], [0], [200], "2 chromosomes, 1 starts and 1 ends"),
        ([["chr1"]], [0], [200], "one name per bin"),
        (["chr1"], [[0]], [[200]], "one value per bin"),
        ([""], [0], [200], "non-empty"),
    ],
)
def test_bins_that_are_not_sorted_positive_intervals_are_refused_in_one_line(chromosome, start, end, said):
    with pytest.raises(TechnoiseError, match=said) as caught:
        Bins.labelled(chromosome, start, end)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", [[1, 1], [0, 2], [1, 0], [-1, 0], [0, 0]])
def test_codes_that_are_not_those_of_the_names_in_order_are_refused(code):
    with pytest.raises(TechnoiseError, match=r"code|names"):
        Bins(np.array(code), np.array([0, 200]), np.array([200, 400]), ("chr1", "chr2"))


@pytest.mark.parametrize("width_bp", [0, -200, 200.0, True])
def test_a_width_that_is_not_a_positive_whole_number_is_refused(width_bp):
    with pytest.raises(TechnoiseError, match="bin width of"):
        Bins.tiled({"chr1": 400}, width_bp)


@pytest.mark.parametrize("mask", [np.ones(3, dtype=bool), np.ones(2), np.ones((2, 1), dtype=bool), np.array([0, 1])])
def test_a_mask_of_another_type_or_length_is_refused_and_never_broadcast(mask):
    with pytest.raises(TechnoiseError, match="one bool for each of 2 bins"):
        Bins.tiled({"chr1": 400}, 200).subset(mask)


def test_a_subset_of_nothing_is_empty_and_equal_to_itself():
    empty = Bins.tiled({"chr1": 400}, 200).subset(np.zeros(2, dtype=bool))
    assert len(empty) == 0
    assert empty.chromosome_names == ()
    assert empty == Bins.labelled([], np.array([], dtype=int), np.array([], dtype=int))
    assert empty.blocks(100).size == 0
