"""bedGraph and text tables: files that hold counts already."""

import gzip

import numpy as np
import pytest

from technoise import TechnoiseError
from technoise.bins import Bins
from technoise.readers import ReadSettings, read_counts, read_table
from technoise.tracks import write_bedgraph

SIZES = {"chr1": 450, "chr2": 200}
BINS = Bins.tiled(SIZES, 100)
LONG = "chromosome\tstart\tend\tip_1\tinput\nchr1\t0\t100\t3\t0\nchr1\t100\t200\t0\t1\nchr2\t0\t100\t5\t2\n"
# As R's write.table writes it: quoted, positions made into names, and row names that the header does not count.
WIDE = '"name"\t"X.2"\t"X.1"\t"X0"\t"X1"\n"17"\t"YAL001C"\t1\t0\t2\t3\n"4"\t"YBR002W"\t0\t0\t7\t1\n'


def written(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


# -- bedGraph --------------------------------------------------------------------------------------------------


def test_a_bedgraph_that_was_written_is_read_back(tmp_path):
    counts = np.array([3, 0, 7, 7, 1, 0, 2])
    for name in ("a.bedgraph", "a.bdg.gz"):
        write_bedgraph(tmp_path / name, BINS, counts)
        found = read_counts(tmp_path / name, BINS, chromosome_sizes=SIZES)
        np.testing.assert_array_equal(found.counts, counts)
        assert found.n_records == found.n_counted == 7


def test_joined_intervals_give_each_bin_their_value_and_bins_in_none_have_zero(tmp_path):
    path = written(tmp_path, "a.bg", "track type=bedGraph\n#c\nchr1 100 300 4\nchr1 400 450 2.0\nchr2\t0\t200\t1e1\n")
    assert read_counts(path, BINS).counts.tolist() == [0, 4, 4, 0, 2, 10, 10]


def test_intervals_outside_of_the_bins_or_on_other_chromosomes_are_reported(tmp_path):
    bins = BINS.subset(np.array([False, True, True, False, False, False, False]))
    path = written(tmp_path, "a.bg", "chr1 0 100 4\nchr1 100 200 5\nchr1 400 450 2\nchr2 0 100 9\n")
    found = read_counts(path, bins)
    assert found.counts.tolist() == [5, 0]
    assert found.skipped == {"outside_bins": 2, "unknown_chromosome": 1}
    assert found.unknown_chromosomes == {"chr2": 1}
    assert found.n_records == 4 == found.n_counted + sum(found.skipped.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr1 0 100 4\nchr1 100 200 0.37\n", "line 2: value '0.37'; reads are whole numbers"),
        ("chr1 0 100 -1\n", "line 1: value '-1'"),
        ("chr1 0 100 nan\n", "line 1: value 'nan'"),
        ("chr1 0 100 inf\n", "line 1: value 'inf'"),
        ("chr1 0 100 1e300\n", "line 1: value '1e300'"),
        ("chr1 0 100\n", "line 1: 'chr1 0 100'; bedGraph has chromosome, start, end and value"),
        ("chr1 0 x 1\n", "line 1: "),
        ("chr1 100 100 1\n", "from 100 to 100"),
        ("chr1 100 200 1\nchr1 0 100 1\n", "line 2: after chr1 to 200; sort the file"),
        ("chr1 0 200 1\nchr1 100 200 1\n", "line 2: after chr1 to 200"),
        ("chr1 0 100 1\nchr2 0 100 1\nchr1 100 200 1\n", "line 3: after chr1 to 100"),
        ("chr1 0 100 1\nchr1 100 150 1\n", "line 2: chr1 100 to 150 cuts a bin of 100 bp"),
        ("chr1 50 200 1\n", "line 1: chr1 50 to 200 cuts a bin"),
        ("chr1 400 500 1\n", "line 1: chr1 to 500 bp; it has 450 bp"),
        ("1 0 100 1\n", "pass rename="),
        ("#nothing\n", "has no intervals"),
    ],
)
def test_a_bedgraph_that_does_not_hold_counts_of_these_bins_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(TechnoiseError, match=said) as caught:
        read_counts(written(tmp_path, "a.bedgraph", text), BINS, chromosome_sizes=SIZES)
    assert "\n" not in str(caught.value)


def test_files_of_counts_take_no_read_settings(tmp_path):
    path = written(tmp_path, "a.bg", "chr1 0 100 4\n")
    with pytest.raises(TechnoiseError, match="its reads are counted already"):
        read_counts(path, BINS, ReadSettings(min_mapping_quality=10))
    assert read_counts(path, BINS, ReadSettings()).counts.sum() == 4


# -- tables ----------------------------------------------------------------------------------------------------


def test_a_wide_table_as_r_writes_it_is_genes_by_positions(tmp_path):
    table = read_table(written(tmp_path, "orf.txt", WIDE))
    assert table.bins == Bins.tiled({"YAL001C": 4, "YBR002W": 4}, 1)
    assert table.counts[:, 0].tolist() == [1, 0, 2, 3, 0, 0, 7, 1]
    assert table.first_position == -2
    assert table.sample_names == ("orf",)


def test_a_plain_wide_table_with_wider_steps_commas_and_compression(tmp_path):
    path = tmp_path / "orf.csv.gz"
    path.write_bytes(gzip.compress(b"gene,-20,-10,0\ng1,1,2,3\ng2,4,5,6e0\n"))
    table = read_table(path)
    assert table.bins == Bins.tiled({"g1": 30, "g2": 30}, 10)
    assert table.counts.ravel().tolist() == [1, 2, 3, 4, 5, 6]
    assert (table.first_position, table.sample_names) == (-20, ("orf",))


def test_tables_with_genes_in_other_orders_meet_in_the_same_bins(tmp_path):
    header, first, second = WIDE.splitlines(keepends=True)
    bins = read_table(written(tmp_path, "a.txt", WIDE)).bins
    other = written(tmp_path, "b.txt", header + second + first)
    assert read_counts(other, bins).counts.tolist() == [1, 0, 2, 3, 0, 0, 7, 1]


def test_wider_bins_add_up_the_positions_that_they_hold(tmp_path):
    path = written(tmp_path, "orf.txt", WIDE)
    found = read_counts(path, Bins.tiled({"YBR002W": 4, "YAL001C": 4}, 3))
    assert found.counts.tolist() == [7, 1, 3, 3]
    assert found.n_counted == 8
    part = read_counts(path, Bins.labelled(["YBR002W"], [0], [3]))
    assert part.counts.tolist() == [7]
    assert part.skipped == {"outside_bins": 1, "unknown_chromosome": 4}
    assert part.n_records == 8 == part.n_counted + sum(part.skipped.values())


def test_a_long_table_has_a_column_per_sample(tmp_path):
    path = written(tmp_path, "counts.tsv", LONG)
    table = read_table(path)
    assert table.sample_names == ("ip_1", "input")
    assert table.counts.tolist() == [[3, 0], [0, 1], [5, 2]]
    assert table.bins == Bins.labelled(["chr1", "chr1", "chr2"], [0, 100, 0], [100, 200, 100])
    found = read_counts(path, BINS, sample="input")
    assert found.counts.tolist() == [0, 1, 0, 0, 0, 2, 0]
    assert found.provenance()["sample"] == "input"
    with pytest.raises(TechnoiseError, match=r"sample None of .*: it has ip_1, input"):
        read_counts(path, BINS)
    with pytest.raises(TechnoiseError, match="sample ip_2"):
        read_counts(path, BINS, sample="ip_2")


def test_rows_that_lie_across_a_border_of_the_bins_cannot_be_counted(tmp_path):
    path = written(tmp_path, "counts.tsv", LONG)
    with pytest.raises(TechnoiseError, match=r"chr1:101-200 of .* lies across a border"):
        read_counts(path, Bins.tiled(SIZES, 150), sample="ip_1")


def test_genes_that_have_no_bins_at_all_are_an_error(tmp_path):
    with pytest.raises(TechnoiseError, match="chromosome YAL001C: none of the file has bins"):
        read_counts(written(tmp_path, "orf.txt", WIDE), BINS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 0 lines"),
        ("gene\t0\t1\n", "has 1 lines"),
        ("gene\t0\t1\ng1\t1\t0.5\n", "line 2: '0.5'; reads are whole numbers"),
        ("gene\t0\t1\ng1\t1\tNA\n", "line 2: 'NA'"),
        ("gene\t0\t1\ng1\t-1\t0\n", "line 2: '-1'"),
        ("gene\t0\t1\ng1\t1\t\n", "line 2: ''"),
        ("gene\t0\t1\ng1\t1\t1e300\n", "line 2: '1e300'"),
        ("gene\t0\t1\ng1\t1\t0\ng2\t1\n", "line 3: 2 columns, the first row has 3"),
        ("gene\t0\t1\ng1\t1\t0\t4\t5\n", "line 2: 5 columns, the header has 3"),
        ("gene\t0\t1\ng1\t1\t0\ng1\t1\t0\n", "gene g1 has more than one row"),
        ("gene\t0\t1\t3\ng1\t1\t0\t0\n", "uneven distances"),
        ("gene\t1\t0\ng1\t1\t0\n", "uneven distances"),
        ("gene\t0\ng1\t1\n", "uneven distances"),
        ("gene\tlength\t0\ng1\t1\t0\n", "column 'length'; a wide table has positions"),
        ("chromosome\tstart\tend\nchr1\t0\t100\n", "one or more columns"),
        ("chromosome\tstart\tend\ta\ta\nchr1\t0\t100\t1\t1\n", "different names"),
        ("chromosome\tstart\tend\ta\nchr1\t0\t100\n", "line 2: 3 columns, the header has 4"),
        ("chromosome\tstart\tend\ta\nchr1\t0\t100\t1.5\n", "line 2: '1.5'"),
        ("chromosome\tstart\tend\ta\nchr1\t100\t200\t1\nchr1\t0\t100\t1\n", "starts before"),
    ],
)
def test_a_table_that_does_not_hold_counts_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(TechnoiseError, match=said) as caught:
        read_table(written(tmp_path, "counts.tsv", text))
    assert "\n" not in str(caught.value)
