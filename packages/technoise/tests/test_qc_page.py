import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from technoise import TechnoiseError, calibration_table, ks_uniform
from technoise.qc.blocks import BlockDifference
from technoise.qc.calibration_panels import CELLS, coverage_curve, pit_histogram
from technoise.qc.differences import draw_differences
from technoise.qc.dispersion_panel import mean_dispersion
from technoise.qc.page import draw_page
from technoise.qc.replicate_panels import concordance_panel, read_coverage


@pytest.fixture
def axes():
    return Figure().subplots()


@pytest.fixture
def data():
    rng = np.random.default_rng(4)
    mean = rng.uniform(1, 20, (600, 2))
    size = np.full_like(mean, 4.0)
    return rng.poisson(rng.gamma(size, mean / size)), mean, size


def page(path, data, **changed):
    counts, mean, size = data
    arguments = {"replicates": ("a", "b"), "title": "a title", "seed": 0} | changed
    return draw_page(path, counts, mean, size, **arguments)


def test_a_page_is_a_whole_file_the_same_every_time_and_leaves_matplotlib_as_it_was(data, tmp_path):
    before = dict(mpl.rcParams)
    first = page(tmp_path / "deep" / "a.pdf", data).read_bytes()
    assert first.startswith(b"%PDF-")
    assert first.rstrip().endswith(b"%%EOF")
    assert page(tmp_path / "b.pdf", data).read_bytes() == first
    assert dict(mpl.rcParams) == before
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "b.pdf"}


def test_a_page_of_a_poisson_or_of_one_replicate_is_drawn_too(data, tmp_path):
    counts, mean, _ = data
    assert page(tmp_path / "a.pdf", (counts, mean, None)).stat().st_size > 5000
    single = (counts[:, :1], mean[:, :1], None)
    assert page(tmp_path / "b.pdf", single, replicates=("a",)).stat().st_size > 5000


def test_a_folder_that_cannot_be_written_is_named(data, tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(TechnoiseError, match="cannot be written"):
        page(tmp_path / "file" / "a.pdf", data)
    assert (tmp_path / "file").read_text() == "precious"


def test_the_histogram_shows_every_value_and_the_band_of_a_flat_one(axes):
    pit = np.random.default_rng(0).random(2000)
    pit_histogram(axes, pit, ks_uniform(pit))
    heights = axes.patches[-1].get_data().values
    assert heights.sum() == pytest.approx(CELLS)
    band = axes.patches[0].get_y(), axes.patches[0].get_y() + axes.patches[0].get_height()
    assert band[0] < 1 < band[1]
    assert np.mean((heights >= band[0]) & (heights <= band[1])) > 0.9
    assert f"{ks_uniform(pit).statistic:.3f}" in axes.get_title("left") + axes.get_title()


def test_the_coverage_curve_has_the_numbers_of_the_table(axes):
    rows = calibration_table(np.random.default_rng(0).random(500) ** 2)
    coverage_curve(axes, rows)
    points = axes.containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(points, [(row.nominal, row.observed) for row in rows])
    assert [text.get_text() for text in axes.texts] == [f"{row.observed:.1%}" for row in rows]


def test_the_dispersion_panel_sets_observed_variance_against_the_models(axes, data):
    counts, mean, size = data
    mean_dispersion(axes, counts.ravel(), mean.ravel(), (mean + mean**2 / size).ravel())
    observed, predicted, straight = (line.get_xydata() for line in axes.lines)
    np.testing.assert_allclose(straight[:, 0], straight[:, 1])
    assert (predicted[:, 1] > straight[:, 1]).all()
    assert np.median(observed[:, 1] / predicted[:, 1]) == pytest.approx(1, abs=0.35)


def test_replicates_are_told_by_correlation_and_by_covered_bins(data):
    counts, _, _ = data
    figure = Figure().subplots(1, 2)
    concordance_panel(figure[0], counts[:, 0], counts[:, 1], what="reads")
    assert re.search(r"Spearman -?0\.\d{3}", figure[0].get_title("left") + figure[0].get_title())
    read_coverage(figure[1], counts, ("a", "b"))
    label = figure[1].get_legend().get_texts()[0].get_text()
    assert label == f"a: mean {counts[:, 0].mean():.2f}, {np.mean(counts[:, 0] > 0):.1%} covered"


def test_differences_are_drawn_as_one_file(tmp_path):
    found = BlockDifference(-0.1, -0.2, 0.01, 0.04, 20, 1000)
    path = draw_differences(tmp_path / "d.pdf", [("ours", found, "p = 0.04")], reference="theirs", title="t")
    assert path.read_bytes().startswith(b"%PDF-")
