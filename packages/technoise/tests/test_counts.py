import json
import stat

import numpy as np
import pytest

from technoise import TechnoiseError
from technoise.bins import Bins
from technoise.counts import ARRAYS, MANIFEST, CountTable


def table(**changes):
    bins = Bins.tiled({"chr1": 500, "chr2": 300}, 100)
    values = {
        "bins": bins,
        "treatment": np.arange(16).reshape(8, 2),
        "control": np.arange(8)[:, None] % 3,
        "treatment_names": ("ip_1", "ip_2"),
        "control_names": ("input",),
        "genome": "toy",
        "chromosome_sizes": {"chr1": 500, "chr2": 300, "chrM": 70},
        "provenance": {"ip_1": {"skipped": {"duplicate": 3}}},
    }
    return CountTable(**{**values, **changes})


def test_a_saved_table_is_loaded_as_it_was(tmp_path):
    saved = table()
    saved.save(tmp_path / "new" / "folder")
    loaded = CountTable.load(tmp_path / "new" / "folder")
    assert loaded.bins == saved.bins
    np.testing.assert_array_equal(loaded.treatment, saved.treatment)
    np.testing.assert_array_equal(loaded.control, saved.control)
    assert loaded.treatment.dtype == loaded.control.dtype == np.int64
    for field in ("treatment_names", "control_names", "genome", "chromosome_sizes", "provenance"):
        assert getattr(loaded, field) == getattr(saved, field)


def test_the_manifest_says_units_coordinates_samples_depths_and_what_was_skipped(tmp_path):
    table().save(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["units"]["treatment"] == "reads per bin"
    assert manifest["coordinates"] == "0-based, half-open"
    assert manifest["bin_width_bp"] == 100
    assert manifest["treatment"] == {"names": ["ip_1", "ip_2"], "depth_reads": [56, 64]}
    assert manifest["provenance"]["ip_1"]["skipped"] == {"duplicate": 3}
    assert manifest["libraries"]["numpy"] == np.__version__
    assert set(manifest["sha256"]) == {"code", "start", "end", "treatment", "control"}


def test_equal_tables_are_equal_files(tmp_path):
    for name in ("a", "b"):
        table().save(tmp_path / name)
    for file in (ARRAYS, MANIFEST):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", ["code", "start", "end", "treatment", "control"])
def test_an_array_that_was_changed_is_named_on_loading(tmp_path, name):
    table().save(tmp_path)
    with np.load(tmp_path / ARRAYS) as file:
        arrays = dict(file)
    arrays[name] = arrays[name].copy()
    arrays[name].flat[-1] += 1
    np.savez_compressed(tmp_path / ARRAYS, **arrays)
    with pytest.raises(TechnoiseError, match=f"array {name} .* SHA-256"):
        CountTable.load(tmp_path)


def test_an_array_of_another_shape_with_the_same_bytes_is_refused(tmp_path):
    table().save(tmp_path)
    with np.load(tmp_path / ARRAYS) as file:
        arrays = dict(file)
    arrays["treatment"] = arrays["treatment"].reshape(2, 8)
    np.savez_compressed(tmp_path / ARRAYS, **arrays)
    with pytest.raises(TechnoiseError, match="array treatment"):
        CountTable.load(tmp_path)


def test_pickled_arrays_are_never_opened(tmp_path):
    table().save(tmp_path)
    np.savez_compressed(tmp_path / ARRAYS, code=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TechnoiseError, match="damaged"):
        CountTable.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY", b"text"])
def test_arrays_that_are_no_archive_are_a_one_line_error(tmp_path, content):
    table().save(tmp_path)
    (tmp_path / ARRAYS).write_bytes(content)
    with pytest.raises(TechnoiseError, match="damaged") as caught:
        CountTable.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_truncated_arrays_are_refused(tmp_path):
    table().save(tmp_path)
    data = (tmp_path / ARRAYS).read_bytes()
    for length in (len(data) // 2, len(data) - 1):
        (tmp_path / ARRAYS).write_bytes(data[:length])
        with pytest.raises(TechnoiseError, match="damaged"):
            CountTable.load(tmp_path)


def test_a_manifest_that_is_missing_garbled_or_of_another_version_is_refused(tmp_path):
    with pytest.raises(TechnoiseError, match="has a manifest; preprocess first"):
        CountTable.load(tmp_path)
    table().save(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    for change, said in [
        ({"format_version": 99}, "format version 99: this library reads 1"),
        ({"sha256": {}}, "lacks or garbles"),
        ({"treatment": None}, "lacks or garbles"),
    ]:
        (tmp_path / MANIFEST).write_text(json.dumps({**manifest, **change}))
        with pytest.raises(TechnoiseError, match=said):
            CountTable.load(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(TechnoiseError, match="not readable as JSON"):
        CountTable.load(tmp_path)
    (tmp_path / MANIFEST).write_text("[]")
    with pytest.raises(TechnoiseError, match="format version None"):
        CountTable.load(tmp_path)
    (tmp_path / ARRAYS).unlink()
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(TechnoiseError, match="beside its manifest"):
        CountTable.load(tmp_path)


def test_saving_over_a_table_replaces_it_and_leaves_nothing_else(tmp_path):
    table().save(tmp_path)
    table(genome="other").save(tmp_path)
    assert CountTable.load(tmp_path).genome == "other"
    assert sorted(file.name for file in tmp_path.iterdir()) == [ARRAYS, MANIFEST]
    assert stat.S_IMODE((tmp_path / ARRAYS).stat().st_mode) & stat.S_IRUSR


def test_a_save_that_fails_leaves_the_table_that_was_there(tmp_path):
    table().save(tmp_path)
    with pytest.raises(TechnoiseError, match="JSON cannot hold"):
        table(genome="other", provenance={"depth": float("nan")}).save(tmp_path)
    assert CountTable.load(tmp_path).genome == "toy"


def test_a_subset_takes_the_same_bins_in_every_sample():
    whole = table()
    part = whole.subset(whole.bins.start == 100)
    assert part.treatment.tolist() == [[2, 3], [12, 13]]
    assert part.control.tolist() == [[1], [0]]
    assert part.bins.chromosome.tolist() == ["chr1", "chr2"]
    assert part.treatment_depths.tolist() == [14, 16]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"treatment": np.zeros((8, 1), dtype=int)}, r"shape \(8, 1\): 8 bins and 2 names"),
        ({"treatment": np.zeros(8, dtype=int)}, r"shape \(8,\)"),
        ({"control": np.zeros((7, 1), dtype=int)}, r"control counts of shape \(7, 1\)"),
        ({"treatment": np.ones((8, 2))}, "whole numbers"),
        ({"control": -np.ones((8, 1), dtype=int)}, "zero or more"),
        ({"control_names": ("ip_1",)}, "its own name"),
        ({"treatment_names": (), "treatment": np.zeros((8, 0), dtype=int)}, "at least one replicate"),
        ({"chromosome_sizes": {"chr1": 500}}, "chr2: it has bins but no size"),
        ({"chromosome_sizes": {"chr1": 450, "chr2": 300}}, "ends at 500 bp: chr1 of toy has 450 bp"),
    ],
)
def test_a_table_whose_parts_do_not_fit_is_refused_in_one_line(changes, said):
    with pytest.raises(TechnoiseError, match=said) as caught:
        table(**changes)
    assert "\n" not in str(caught.value)


def test_a_table_may_have_no_control(tmp_path):
    table(control=np.zeros((8, 0), dtype=int), control_names=()).save(tmp_path)
    assert CountTable.load(tmp_path).control.shape == (8, 0)
