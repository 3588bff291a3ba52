import importlib
import logging
import sys

import pytest

from graff import EnergyMeter


class Counters:
    """Hardware as zeus reports it: one GPU counter and one processor package."""

    gpu_indices: tuple[int, ...] = (0,)
    cpu_indices: tuple[int, ...] = (0,)
    power_monitor = None

    def begin_window(self, key):
        self.key = key

    def end_window(self, key):
        assert key == self.key
        measurement = importlib.import_module("zeus.monitor.energy").Measurement
        return measurement(time=1.0, gpu_energy={0: 40.0}, cpu_energy={0: 2.0}, dram_energy=None)


def test_without_the_library_there_are_no_joules_and_the_reason_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeus", None)
    monkeypatch.setitem(sys.modules, "zeus.monitor", None)
    meter = EnergyMeter()
    meter.start()
    assert meter.stop() == (None, "the library zeus is not installed; install graff[energy]")


def test_a_meter_that_was_not_started_says_so():
    assert EnergyMeter().stop() == (None, "the meter was not started")


def test_this_machine_gives_joules_or_a_reason_never_both_never_neither(caplog):
    pytest.importorskip("zeus")
    with caplog.at_level(logging.DEBUG):
        meter = EnergyMeter()
        meter.start()
        joules, reason = meter.stop()
    assert (joules is None) != (reason is None)
    assert joules is None or (joules > 0 and meter.counters)
    assert not [record for record in caplog.records if record.name.startswith("zeus")]


def test_the_joules_are_the_sum_of_the_counters_and_say_what_they_cover(monkeypatch):
    monitor = pytest.importorskip("zeus.monitor")
    monkeypatch.setattr(monitor, "ZeusMonitor", Counters)
    meter = EnergyMeter()
    meter.start()
    assert meter.stop() == (42.0, None)
    assert meter.counters == ("gpu 0", "cpu 0")
    assert meter.stop() == (None, "the meter was not started")


def test_a_reading_in_between_is_part_of_the_sum_and_does_not_end_it(monkeypatch):
    monitor = pytest.importorskip("zeus.monitor")
    monkeypatch.setattr(monitor, "ZeusMonitor", Counters)
    meter = EnergyMeter()
    assert meter.read() == (None, "the meter was not started")
    meter.start()
    assert [meter.read(), meter.read(), meter.stop()] == [(42.0, None), (84.0, None), (126.0, None)]
    meter.start()
    assert meter.stop() == (42.0, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"power_monitor": object()}, "would be an estimate"),
        ({"gpu_indices": (), "cpu_indices": ()}, "neither NVML nor RAPL"),
    ],
)
def test_what_would_be_an_estimate_is_refused(monkeypatch, change, reason):
    monitor = pytest.importorskip("zeus.monitor")
    monkeypatch.setattr(monitor, "ZeusMonitor", type("Other", (Counters,), change))
    meter = EnergyMeter()
    meter.start()
    joules, why = meter.stop()
    assert joules is None
    assert reason in why


def test_a_driver_that_fails_does_not_end_the_run(monkeypatch):
    monitor = pytest.importorskip("zeus.monitor")

    def broken():
        raise OSError("no such\ndevice")

    monkeypatch.setattr(monitor, "ZeusMonitor", broken)
    meter = EnergyMeter()
    meter.start()
    assert meter.stop() == (None, "zeus failed: OSError: no such device")
