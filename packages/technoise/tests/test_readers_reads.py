"""BAM and BED: reads become counts, and every record is accounted for."""

import gzip

import numpy as np
import pysam
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from technoise import TechnoiseError
from technoise.bins import Bins
from technoise.readers import ReadSettings, read_counts
from technoise.simulator import SimulatorSettings, simulate, write_bam, write_bed

SIZES = {"chr1": 1_000, "chr2": 450}
BINS = Bins.tiled(SIZES, 100)


def bed(tmp_path, *lines, name="reads.bed"):
    (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return tmp_path / name


def bam(tmp_path, *records, sizes=None, sort=False):
    """Write records given as (chromosome or None, start, flag, mapping quality, CIGAR)."""
    sizes = sizes or SIZES
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": name, "LN": size} for name, size in sizes.items()]}
    path = tmp_path / "reads.bam"
    with pysam.AlignmentFile(path, "wb", header=header) as file:
        for number, (name, start, flag, quality, cigar) in enumerate(records):
            read = pysam.AlignedSegment(file.header)
            read.query_name, read.flag, read.mapping_quality = f"r{number}", flag, quality
            read.reference_id = -1 if name is None else list(sizes).index(name)
            read.reference_start, read.cigarstring = start, cigar
            file.write(read)
    return path


def only(counts):
    return {BINS.name_of(int(row)): int(counts[row]) for row in np.flatnonzero(counts)}


@pytest.mark.parametrize("name", ["reads.bed", "reads.bed.gz", "reads.bam"])
def test_counting_the_five_prime_ends_of_simulated_reads_gives_the_simulated_counts(tmp_path, name):
    simulation = simulate(
        SimulatorSettings(chromosome_sizes={"chr10": 30_000, "chr2": 9_950}, treatment_reads=(2_000.0,)), seed=1
    )
    (write_bam if name.endswith("bam") else write_bed)(simulation, "treatment_1", tmp_path / name)
    found = read_counts(tmp_path / name, simulation.table.bins, chromosome_sizes=simulation.table.chromosome_sizes)
    assert found.counts.dtype == np.int64
    np.testing.assert_array_equal(found.counts, simulation.table.treatment[:, 0])
    assert found.n_records == found.n_counted == simulation.table.treatment.sum()
    assert found.skipped == {}


def test_a_forward_read_counts_at_its_start_and_a_reverse_read_at_its_last_base(tmp_path):
    lines = ("chr1\t199\t260\t.\t0\t+", "chr1\t140\t200\t.\t0\t-", "chr1\t140\t201\t.\t0\t-")
    expected = {"chr1:101-200": 2, "chr1:201-300": 1}
    assert only(read_counts(bed(tmp_path, *lines), BINS).counts) == expected
    records = [("chr1", 199, 0, 60, "61M"), ("chr1", 140, 16, 60, "60M"), ("chr1", 140, 16, 60, "61M")]
    assert only(read_counts(bam(tmp_path, *records), BINS).counts) == expected


def test_the_end_of_a_reverse_read_follows_its_cigar_with_clips_insertions_and_gaps(tmp_path):
    path = bam(tmp_path, ("chr1", 150, 16, 60, "5S10M3I20M100N20M2D8M4S"))
    # 10 + 20 + 100 + 20 + 2 + 8 = 160 reference bases: the last one is 309.
    assert only(read_counts(path, BINS).counts) == {"chr1:301-400": 1}


def fragments_by_loops(reads, length_bp, place):
    """The slow twin: one base at a time."""
    counts = np.zeros(len(BINS), dtype=int)
    for name, start, end, strand in reads:
        left = start if strand == "+" else end - length_bp
        bases = [p for p in range(left, left + length_bp) if 0 <= p < SIZES[name]]
        if place == "once":
            bases = [(bases[0] + bases[-1] + 1) // 2]
        hit = {
            i
            for i in range(len(BINS))
            for p in bases
            if BINS.chromosome[i] == name and BINS.start[i] <= p < BINS.end[i]
        }
        for i in hit:
            counts[i] += 1
    return counts


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(SIZES)), st.integers(0, 449), st.integers(1, 60), st.sampled_from("+-")),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([1, 37, 150, 600]),
    st.sampled_from(["once", "every_bin"]),
)
@example([("chr1", 10, 40, "-")], 600, "once")
@example([("chr1", 10, 40, "-")], 600, "every_bin")
@example([("chr2", 430, 10, "+")], 150, "once")
@example([("chr2", 430, 10, "+")], 150, "every_bin")
def test_extended_reads_count_where_a_loop_over_bases_puts_them(tmp_path_factory, drawn, length_bp, place):
    reads = [(name, start, min(start + length, SIZES[name]), strand) for name, start, length, strand in drawn]
    path = bed(tmp_path_factory.mktemp("bed"), *(f"{n}\t{s}\t{e}\t.\t0\t{strand}" for n, s, e, strand in reads))
    found = read_counts(path, BINS, ReadSettings(fragment_length_bp=length_bp, place=place), chromosome_sizes=SIZES)
    np.testing.assert_array_equal(found.counts, fragments_by_loops(reads, length_bp, place))
    assert found.n_counted == len(reads)


def test_a_bam_header_tells_where_fragments_end(tmp_path):
    path = bam(tmp_path, ("chr2", 440, 0, 60, "10M"))
    found = read_counts(path, BINS, ReadSettings(fragment_length_bp=200))
    assert only(found.counts) == {"chr2:401-450": 1}


def test_every_skipped_record_has_one_reason_and_all_records_add_up(tmp_path):
    good = ("chr1", 10, 0, 60, "20M")
    path = bam(
        tmp_path,
        good,
        (None, -1, 4, 0, None),
        ("chr1", 10, 0x100, 60, "20M"),
        ("chr1", 10, 0x800, 60, "20M"),
        ("chr1", 10, 0x200, 60, "20M"),
        ("chr1", 10, 0x1 | 0x80, 60, "20M"),
        ("chr1", 10, 0x1 | 0x40, 60, "20M"),
        ("chr1", 10, 0x400, 60, "20M"),
        ("chr1", 10, 0, 9, "20M"),
        ("chr1", 10, 0, 255, "20M"),
        ("chr1", 10, 16, 60, "20M"),
        ("chrUn", 10, 0, 60, "20M"),
        ("chr2", 440, 0, 60, "5M"),
        ("chr1", 10, 16, 60, None),
        sizes={**SIZES, "chrUn": 500},
    )
    bins = BINS.subset(BINS.name_of(14) != np.array([BINS.name_of(i) for i in range(len(BINS))]))
    found = read_counts(path, bins, ReadSettings(strand="+", min_mapping_quality=10))
    assert found.skipped == {
        "unmapped": 1,
        "secondary": 1,
        "supplementary": 1,
        "failed_quality_check": 1,
        "second_of_pair": 1,
        "duplicate": 1,
        "low_mapping_quality": 2,
        "other_strand": 1,
        "unknown_chromosome": 1,
        "outside_bins": 1,
        "no_aligned_base": 1,
    }
    assert found.unknown_chromosomes == {"chrUn": 1}
    assert found.n_counted == found.counts.sum() == 2
    assert found.n_records == 14 == found.n_counted + sum(found.skipped.values())
    assert found.provenance()["settings"]["min_mapping_quality"] == 10
    kept = read_counts(path, bins, ReadSettings(strand="+", min_mapping_quality=10, keep_duplicates=True))
    assert kept.n_counted == 3
    assert "duplicate" not in kept.skipped


def test_the_account_names_the_file_without_its_folder(tmp_path):
    account = read_counts(bed(tmp_path, "chr1\t5\t9\t.\t0\t+"), BINS).provenance()
    assert account["file"] == "reads.bed"
    assert str(tmp_path) not in repr(account)


def test_reads_of_one_strand_only(tmp_path):
    path = bed(tmp_path, "chr1\t5\t9\t.\t0\t+", "chr1\t105\t109\t.\t0\t-")
    assert only(read_counts(path, BINS, ReadSettings(strand="+")).counts) == {"chr1:1-100": 1}
    found = read_counts(path, BINS, ReadSettings(strand="-"))
    assert only(found.counts) == {"chr1:101-200": 1}
    assert found.skipped == {"other_strand": 1}


def test_headers_comments_empty_lines_spaces_and_windows_line_ends_are_bed(tmp_path):
    path = tmp_path / "reads.bed"
    path.write_bytes(
        b"track name=x\r\nbrowser position chr1\r\n#c\r\n\r\nchr1\t5\t9\twith space\t0\t+\r\nchr1 105 109 n 0 -\r\n"
    )
    found = read_counts(path, BINS)
    assert only(found.counts) == {"chr1:1-100": 1, "chr1:101-200": 1}
    assert found.n_records == 2


def test_the_order_of_reads_does_not_matter_and_no_index_is_needed(tmp_path):
    lines = ["chr2\t5\t9\t.\t0\t+", "chr1\t700\t709\t.\t0\t-", "chr1\t5\t9\t.\t0\t+"]
    expected = {"chr1:1-100": 1, "chr1:701-800": 1, "chr2:1-100": 1}
    assert only(read_counts(bed(tmp_path, *lines), BINS).counts) == expected
    path = bam(tmp_path, ("chr2", 5, 0, 60, "4M"), ("chr1", 700, 16, 60, "9M"), ("chr1", 5, 0, 60, "4M"))
    assert only(read_counts(path, BINS).counts) == expected


def test_scores_of_bed_are_mapping_qualities_when_asked_for(tmp_path):
    path = bed(tmp_path, "chr1\t5\t9\t.\t3\t+", "chr1\t5\t9\t.\t30\t+")
    found = read_counts(path, BINS, ReadSettings(min_mapping_quality=20))
    assert found.skipped == {"low_mapping_quality": 1}
    path = bed(tmp_path, "chr1\t5\t9\t.\t.\t+")
    assert read_counts(path, BINS).n_counted == 1
    with pytest.raises(
        TechnoiseError, match=r"line 1: score '\.'; a minimum mapping quality of 20 needs whole numbers"
    ):
        read_counts(path, BINS, ReadSettings(min_mapping_quality=20))


def test_a_read_without_strand_is_an_error_unless_its_middle_is_wanted(tmp_path):
    path = bed(tmp_path, "chr1\t5\t9\t.\t0\t+", "chr1\t180\t240")
    with pytest.raises(TechnoiseError, match="line 2: no strand, so no 5' end"):
        read_counts(path, BINS)
    middle = read_counts(path, BINS, ReadSettings(unstranded_at_middle=True))
    assert only(middle.counts) == {"chr1:1-100": 1, "chr1:201-300": 1}
    wide = read_counts(path, BINS, ReadSettings(unstranded_at_middle=True, fragment_length_bp=100, place="every_bin"))
    assert only(wide.counts) == {"chr1:1-100": 1, "chr1:101-200": 2, "chr1:201-300": 1}


def test_other_names_of_chromosomes_are_an_error_that_shows_the_renaming_and_the_renaming_works(tmp_path):
    path = bed(tmp_path, "1\t5\t9\t.\t0\t+", "2\t5\t9\t.\t0\t+", "MT\t5\t9\t.\t0\t+")
    with pytest.raises(TechnoiseError, match=r"chromosome 1: none of the file .* pass rename=\{'1': 'chr1'\}"):
        read_counts(path, BINS)
    found = read_counts(path, BINS, rename={"1": "chr1", "2": "chr2"})
    assert found.n_counted == 2
    assert found.unknown_chromosomes == {"MT": 1}
    records = bam(tmp_path, ("1", 5, 0, 60, "9M"), sizes={"1": 1_000})
    with pytest.raises(TechnoiseError, match="pass rename"):
        read_counts(records, BINS)
    assert read_counts(records, BINS, rename={"1": "chr1"}).n_counted == 1


def test_reads_of_another_assembly_are_an_error(tmp_path):
    path = bed(tmp_path, "chr2\t440\t451\t.\t0\t-")
    with pytest.raises(TechnoiseError, match="a read on chr2 ends at 451 bp: chr2 has 450 bp"):
        read_counts(path, BINS, chromosome_sizes=SIZES)
    assert read_counts(path, BINS).skipped == {"outside_bins": 1}
    for sizes in ({"chr1": 999, "chr2": 450}, {"chr1": 1_001, "chr2": 450}):
        records = bam(tmp_path, ("chr1", 5, 0, 60, "9M"), sizes=sizes)
        with pytest.raises(TechnoiseError, match=f"chr1 of .* has {sizes['chr1']} bp: chr1 has 1000 bp"):
            read_counts(records, BINS, chromosome_sizes=SIZES)
    short = bam(tmp_path, ("chr1", 5, 0, 60, "9M"), sizes={"chr1": 900})
    with pytest.raises(TechnoiseError, match="its bins end at 1000 bp"):
        read_counts(short, BINS)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chr1\t5", "2 columns, 'chr1'; BED has at least"),
        ("chr1", "1 columns"),
        ("chr1\tfive\t9\t.\t0\t+", "coordinate 'five'"),
        ("chr1\t5\t9.5\t.\t0\t+", "coordinate '9.5'"),
        ("chr1\t9\t5\t.\t0\t+", "read from 9 to 5"),
        ("chr1\t5\t5\t.\t0\t+", "read from 5 to 5"),
        ("chr1\t-5\t5\t.\t0\t+", "read from -5 to 5"),
        ("chr1\t5\t99999999999999999999\t.\t0\t+", "BED has 0 <= start < end"),
        ("chr1\t5\t9\t.\t0\t*", "strand '\\*'"),
        ("\x00\x01\x02", "columns"),
    ],
)
def test_a_line_that_is_not_bed_is_named_by_its_number(tmp_path, line, said):
    path = bed(tmp_path, "chr1\t5\t9\t.\t0\t+", line)
    with pytest.raises(TechnoiseError, match=f"line 2: .*{said}") as caught:
        read_counts(path, BINS)
    assert "\n" not in str(caught.value)


def test_a_truncated_or_damaged_gzip_file_is_an_error_at_every_cut(tmp_path):
    lines = "".join(f"chr1\t{i % 900}\t{i % 900 + 10}\t.\t0\t+\n" for i in range(0, 9_000, 7))
    data = gzip.compress(lines.encode())
    path = tmp_path / "reads.bed.gz"
    for length in (5, 12, len(data) // 2, len(data) - 9, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(TechnoiseError, match="truncated"):
            read_counts(path, BINS)
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(20) + data[middle + 20 :])
    with pytest.raises(TechnoiseError, match=r"damaged|truncated"):
        read_counts(path, BINS)


def test_compression_is_seen_by_content_and_not_by_name(tmp_path):
    (tmp_path / "reads.bed").write_bytes(gzip.compress(b"chr1\t5\t9\t.\t0\t+\n"))
    (tmp_path / "plain.bed.gz").write_bytes(b"chr1\t5\t9\t.\t0\t+\n")
    assert read_counts(tmp_path / "reads.bed", BINS).n_counted == 1
    assert read_counts(tmp_path / "plain.bed.gz", BINS).n_counted == 1


def test_a_truncated_or_damaged_bam_is_a_one_line_error_and_nothing_else_is_printed(tmp_path, capfd):
    rng = np.random.default_rng(0)
    path = bam(tmp_path, *[("chr1", int(start), 0, 60, "9M") for start in rng.integers(0, 900, size=20_000)])
    data = path.read_bytes()
    middle = len(data) // 2
    damaged = data[:middle] + bytes(64) + data[middle + 64 :]
    for content in (data[:-28], data[:middle], data[:middle] + data[-28:], damaged, data[:10], b"", b"not a BAM"):
        path.write_bytes(content)
        with pytest.raises(TechnoiseError, match="is not readable as BAM") as caught:
            read_counts(path, BINS)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["reads.bed", "reads.bam"])
def test_a_file_without_reads_or_no_file_is_an_error(tmp_path, name):
    with pytest.raises(TechnoiseError, match=r"^no .*reads.* does not exist"):
        read_counts(tmp_path / name, BINS)
    (bam if name.endswith("bam") else bed)(tmp_path)
    with pytest.raises(TechnoiseError, match=r"reads.* has no reads"):
        read_counts(tmp_path / name, BINS)


def test_sam_text_is_read_as_well(tmp_path):
    path = tmp_path / "reads.sam"
    path.write_text("@SQ\tSN:chr1\tLN:1000\nr\t16\tchr1\t101\t60\t10M\t*\t0\t0\t*\t*\n")
    assert only(read_counts(path, BINS).counts) == {"chr1:101-200": 1}


def test_an_ending_that_says_nothing_needs_a_format(tmp_path):
    path = bed(tmp_path, "chr1\t5\t9\t.\t0\t+", name="reads.tagAlign")
    with pytest.raises(TechnoiseError, match=r"nothing is known by the ending \.tagalign"):
        read_counts(path, BINS)
    assert read_counts(path, BINS, file_format="bed").n_counted == 1
    with pytest.raises(TechnoiseError, match="only a table holds several samples"):
        read_counts(path, BINS, file_format="bed", sample="a")


@pytest.mark.parametrize(
    "changes",
    [
        {"strand": "forward"},
        {"place": "all"},
        {"place": "every_bin"},
        {"min_mapping_quality": -1},
        {"min_mapping_quality": 255},
        {"fragment_length_bp": 0},
        {"fragment_length_bp": 150.5},
    ],
)
def test_read_settings_that_mean_nothing_are_refused(changes):
    with pytest.raises(TechnoiseError):
        ReadSettings(**changes)


def test_batches_join_without_seam(tmp_path, monkeypatch):
    from technoise.readers import bam as bam_reader
    from technoise.readers import bed as bed_reader

    rng = np.random.default_rng(4)
    starts = rng.integers(0, 440, size=50)
    names = rng.choice(sorted(SIZES), size=50)
    path = bed(tmp_path, *(f"{n}\t{s}\t{s + 9}\t.\t0\t+" for n, s in zip(names, starts, strict=True)))
    records = bam(tmp_path, *[(n, int(s), 0, 60, "9M") for n, s in zip(names, starts, strict=True)])
    whole = read_counts(path, BINS).counts
    monkeypatch.setattr(bed_reader, "_BATCH", 7)
    monkeypatch.setattr(bam_reader, "_BATCH", 7)
    np.testing.assert_array_equal(read_counts(path, BINS).counts, whole)
    np.testing.assert_array_equal(read_counts(records, BINS).counts, whole)
    assert whole.sum() == 50
