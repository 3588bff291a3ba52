import math

import pytest

from graff.anchor import Anchor


def test_it_grows_threefold_while_the_probe_says_far_too_small_and_stops_for_good():
    anchor = Anchor(enabled=True)
    assert anchor.take(gain=1.0, curvature=-1.0, rho=None) == 3.0
    assert anchor.take(gain=1.0, curvature=0.1, rho=0.1) == 3.0  # half a line search is five times the step
    assert anchor.take(gain=1.0, curvature=0.2, rho=0.2) == 1.0  # two and a half times: left as it is
    assert anchor.log_factor == pytest.approx(math.log(9.0))
    assert anchor.take(gain=1.0, curvature=-1.0, rho=None) == 1.0
    assert not anchor.wants_probe(20, 0.01)


def test_while_the_probe_says_far_too_large_it_goes_on_looking():
    anchor = Anchor(enabled=True)
    assert anchor.take(gain=1.0, curvature=9.0, rho=9.0) == 1.0
    assert anchor.wants_probe(5, 0.01)
    assert anchor.take(gain=1.0, curvature=3.0, rho=3.0) == 1.0
    assert not anchor.wants_probe(6, 0.01)
    assert anchor.log_factor == 0.0


@pytest.mark.parametrize(("gain", "curvature"), [(-1.0, -1.0), (1.0, math.nan), (0.0, -1.0)])
def test_what_gains_nothing_or_cannot_be_measured_is_no_reason_to_grow(gain, curvature):
    anchor = Anchor(enabled=True)
    assert anchor.take(gain=gain, curvature=curvature, rho=None) == 1.0
    assert anchor.log_factor == 0.0


def test_it_looks_early_but_not_during_the_warm_up_and_not_forever():
    anchor = Anchor(enabled=True)
    assert not anchor.wants_probe(1, 0.0)
    assert not anchor.wants_probe(5, -0.01)
    assert anchor.wants_probe(5, 0.01)
    assert not anchor.wants_probe(50, 0.2)
    assert not anchor.wants_probe(51, 0.05), "it does not begin again"
    tired = Anchor(enabled=True)
    for _ in range(12):
        tired.take(gain=1.0, curvature=-1.0, rho=None)
    assert not tired.wants_probe(20, 0.05)


def test_a_saved_search_goes_on_where_it_was():
    anchor, again = Anchor(enabled=True), Anchor(enabled=True)
    anchor.take(gain=1.0, curvature=-1.0, rho=None)
    again.load_state_dict(anchor.state_dict())
    assert again.log_factor == anchor.log_factor
    anchor.take(gain=-1.0, curvature=1.0, rho=None)
    again.load_state_dict(anchor.state_dict())
    assert not again.wants_probe(5, 0.01)
