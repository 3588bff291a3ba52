import gzip
import resource
import shutil
from types import SimpleNamespace

import numpy as np
import pyBigWig
import pytest

from technoise import TechnoiseError
from technoise import tracks as tracks_module
from technoise.bins import Bins
from technoise.tracks import write_bedgraph, write_bigwig

# In the order of the bins chr2 comes before chr10; in the order of names, which bigWig needs, after it.
SIZES = {"chr2": 1_050, "chr10": 430, "chrM": 70}
BINS = Bins.tiled({"chr2": 1_050, "chr10": 430}, 100)


@pytest.fixture
def values():
    drawn = np.random.default_rng(0).normal(size=len(BINS)) * 10.0 ** np.arange(-8, len(BINS) - 8)
    drawn[[0, 5]] = np.nan
    return drawn


def test_a_bigwig_gives_back_every_value_as_float32_and_nothing_where_nan_was(tmp_path, values):
    write_bigwig(tmp_path / "a.bw", BINS, values, SIZES)
    file = pyBigWig.open(str(tmp_path / "a.bw"))
    assert file.chroms() == SIZES
    assert list(file.chroms()) == sorted(SIZES)
    for name, rows in BINS.rows.items():
        found = file.intervals(name)
        kept = np.flatnonzero(~np.isnan(values[rows])) + rows.start
        assert [(start, end) for start, end, _ in found] == list(
            zip(BINS.start[kept].tolist(), BINS.end[kept].tolist(), strict=True)
        )
        np.testing.assert_array_equal([v for _, _, v in found], values[kept].astype(np.float32))
    assert file.intervals("chrM") is None
    np.testing.assert_allclose(file.stats("chr2", 100, 300, exact=True), [np.float32(values[1:3]).mean()], rtol=1e-6)
    file.close()


def test_a_bedgraph_gives_back_the_exact_float64_in_the_order_of_the_bins(tmp_path, values):
    write_bedgraph(tmp_path / "a.bedgraph", BINS, values)
    rows = [line.split("\t") for line in (tmp_path / "a.bedgraph").read_text().splitlines()]
    kept = np.flatnonzero(~np.isnan(values))
    assert [row[0] for row in rows] == BINS.chromosome[kept].tolist()
    assert [int(row[1]) for row in rows] == BINS.start[kept].tolist()
    assert [int(row[2]) for row in rows] == BINS.end[kept].tolist()
    assert [float(row[3]) for row in rows] == values[kept].tolist()


def test_a_compressed_bedgraph_holds_the_same_text_and_equal_tracks_are_equal_files(tmp_path, values):
    write_bedgraph(tmp_path / "a.bedgraph", BINS, values)
    write_bedgraph(tmp_path / "b.bedgraph.gz", BINS, values)
    write_bedgraph(tmp_path / "c.bedgraph.gz", BINS, values)
    assert gzip.decompress((tmp_path / "b.bedgraph.gz").read_bytes()) == (tmp_path / "a.bedgraph").read_bytes()
    assert (tmp_path / "b.bedgraph.gz").read_bytes() == (tmp_path / "c.bedgraph.gz").read_bytes()


def test_chunks_join_without_seam(tmp_path, values, monkeypatch):
    write_bedgraph(tmp_path / "whole.bedgraph", BINS, values)
    write_bigwig(tmp_path / "whole.bw", BINS, values, SIZES)
    monkeypatch.setattr(tracks_module, "_CHUNK", 3)
    write_bedgraph(tmp_path / "parts.bedgraph", BINS, values)
    write_bigwig(tmp_path / "parts.bw", BINS, values, SIZES)
    assert (tmp_path / "parts.bedgraph").read_bytes() == (tmp_path / "whole.bedgraph").read_bytes()
    whole, parts = (pyBigWig.open(str(tmp_path / f"{name}.bw")) for name in ("whole", "parts"))
    for name in BINS.chromosome_names:
        assert parts.intervals(name) == whole.intervals(name)
    whole.close()
    parts.close()


def write_either(kind, path, values):
    if kind == "bigwig":
        write_bigwig(path, BINS, values, SIZES)
    else:
        write_bedgraph(path, BINS, values)


@pytest.mark.parametrize("kind", ["bigwig", "bedgraph"])
def test_a_file_that_cannot_be_written_to_its_end_leaves_the_old_one_and_nothing_else(tmp_path, values, kind):
    path = tmp_path / "track"
    write_either(kind, path, values)
    whole = path.read_bytes()
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) - 1, hard))
    try:
        with pytest.raises(TechnoiseError, match="could not be written"):
            write_either(kind, path, values)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["track"]


def test_a_disk_that_is_too_full_for_a_bigwig_is_an_error_before_it_is_begun(tmp_path, values, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000))
    with pytest.raises(TechnoiseError, match="may need 66048 bytes: 50000 are free"):
        write_bigwig(tmp_path / "a.bw", BINS, values, SIZES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["bigwig", "bedgraph"])
def test_values_that_are_no_track_are_refused_in_one_line_and_write_nothing(tmp_path, values, kind):
    bad = values.copy()
    bad[3] = np.inf
    for given, said in (
        (bad, "value inf at chr2:301-400"),
        (values[:, None], r"shape \(16, 1\)"),
        (values[:-1], r"16 bins need \(16,\)"),
        (np.full(16, np.nan), "0 of 16 bins have a value"),
    ):
        with pytest.raises(TechnoiseError, match=said) as caught:
            write_either(kind, tmp_path / "track", given)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["bigwig", "bedgraph"])
def test_a_folder_that_does_not_exist_is_an_error(tmp_path, values, kind):
    with pytest.raises(TechnoiseError, match="could not be written"):
        write_either(kind, tmp_path / "none" / "track", values)


def test_a_bigwig_needs_sizes_that_hold_the_bins_and_values_that_float32_holds(tmp_path, values):
    with pytest.raises(TechnoiseError, match="chromosome chr10 has no size: its bins end at 430 bp"):
        write_bigwig(tmp_path / "a.bw", BINS, values, {"chr2": 1_050})
    with pytest.raises(TechnoiseError, match="chromosome chr2 has 1049 bp"):
        write_bigwig(tmp_path / "a.bw", BINS, values, {**SIZES, "chr2": 1_049})
    with pytest.raises(TechnoiseError, match="bigWig holds float32"):
        write_bigwig(tmp_path / "a.bw", BINS, np.full(16, 1e39), SIZES)
    assert not list(tmp_path.iterdir())
