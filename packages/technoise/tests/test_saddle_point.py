import mpmath as mp
import pytest
import torch

from packages.technoise.tests.exact_counts import DIGITS
from technoise.saddle_point import digamma_error, log1p_deficit, stirling_error

SIZES = (1e-8, 0.3, 1.0, 7.0, 15.99, 16.0, 16.01, 300.0, 1e12)


@pytest.mark.parametrize("u", [1e-300, 1e-9, -1e-5, 0.01, 0.222, 0.2223, -0.18, -0.19, 0.9, -0.5, 1e15])
def test_what_a_logarithm_lacks_keeps_its_digits(u):
    with mp.workdps(400):
        exact = float((mp.mpf(u) - mp.log1p(mp.mpf(u))) / mp.mpf(u))
    assert float(log1p_deficit(torch.tensor(u, dtype=torch.float64))) == pytest.approx(exact, rel=2e-15, abs=0.0)


@pytest.mark.parametrize("x", SIZES)
def test_what_the_asymptotic_forms_leave_out_is_exact(x):
    value = torch.tensor(x, dtype=torch.float64)
    with mp.workdps(DIGITS):
        e = mp.mpf(x)
        stirling = float(mp.loggamma(e + 1) - (e + 0.5) * mp.log(e) + e - mp.log(2 * mp.pi) / 2)
        digamma = float(e * (mp.log(e) - 1 / (2 * e) - mp.digamma(e)))
    # Below the switch lgamma subtracts numbers of about 30; above it the series is exact.
    absolute, relative = (2e-14, 1e-14) if x < 16 else (0.0, 1e-14)
    assert float(stirling_error(value, value.log())) == pytest.approx(stirling, rel=relative, abs=absolute)
    assert float(digamma_error(value)) == pytest.approx(digamma, rel=relative, abs=absolute)
