import numpy as np
import pytest

from greenlight.harness.measures import area_over_budget, peak_memory_mb


def test_the_area_is_the_mean_of_the_curve_over_the_whole_budget():
    curve = [[0.0, 0.2, 0], [10.0, 0.4, 5], [25.0, 0.3, 9]]
    at = np.linspace(0.0, 40.0, 400_001)
    by_hand = np.interp(at, [0.0, 10.0, 25.0], [0.2, 0.4, 0.3]).mean()  # held after the last point
    assert area_over_budget(curve, 40.0) == pytest.approx(by_hand, abs=1e-5)


def test_a_curve_that_starts_late_holds_its_first_value_before_and_what_is_after_the_deadline_counts_there():
    assert area_over_budget([[50.0, 1.0], [120.0, 3.0]], 100.0) == pytest.approx(0.5 * 1.0 + 0.5 * 2.0)


def test_peak_memory_covers_what_was_allocated():
    before = peak_memory_mb()
    block = np.ones(60_000_000)
    assert peak_memory_mb() >= before
    assert peak_memory_mb() > block.nbytes / 1e6
