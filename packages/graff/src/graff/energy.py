"""Joules as hardware counters tell them (NVML, RAPL), or None with the reason; never an estimate."""

import importlib
import logging
import math
import warnings
from typing import Any

_WINDOW = "graff"


class EnergyMeter:
    """Measures the energy of a stretch of a run with the library ``zeus`` where it is installed.

    It counts the GPUs that the process sees by NVML's energy counter and the processor packages (with their memory)
    by RAPL. GPUs older than Volta have no counter and are reported as such rather than integrated from power
    samples. A meter never fails a run.

    Examples
    --------
    >>> meter = EnergyMeter()
    >>> meter.start()
    >>> joules, reason = meter.stop()
    >>> (joules is None) == (reason is not None)
    True
    """

    def __init__(self) -> None:
        self.counters: tuple[str, ...] = ()  # what the joules cover, such as ("gpu 0", "cpu 0")
        self._monitor: Any = None
        self._reason: str | None = "the meter was not started"
        self._read_j = 0.0

    def start(self) -> None:
        """Start measuring; what stands in the way is told by :meth:`stop`."""
        self._monitor, self._reason, self._read_j = None, None, 0.0
        try:
            logging.getLogger("zeus").setLevel(logging.CRITICAL)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                monitor = importlib.import_module("zeus.monitor").ZeusMonitor()
                self._reason = _unmeasurable(monitor)
                if self._reason is None:
                    monitor.begin_window(_WINDOW)
                    self._monitor = monitor
        except ImportError:
            self._reason = "the library zeus is not installed; install graff[energy]"
        except Exception as error:  # noqa: BLE001 - drivers fail in their own ways, and a meter must not end a run
            self._reason = f"zeus failed: {_one_line(error)}"

    def read(self) -> tuple[float | None, str | None]:
        """Return the joules since :meth:`start` and go on measuring, or None and the reason why there are none."""
        monitor = self._monitor
        joules, reason = self.stop()
        if monitor is not None and reason is None and joules is not None:
            try:
                monitor.begin_window(_WINDOW)
            except Exception as error:  # noqa: BLE001 - as in start
                self._reason = f"zeus failed: {_one_line(error)}"
            else:
                self._monitor, self._read_j = monitor, joules
        return joules, reason

    def stop(self) -> tuple[float | None, str | None]:
        """Return the joules since :meth:`start`, or None and the reason why there are none."""
        monitor, self._monitor = self._monitor, None
        if monitor is None:
            return None, self._reason or "the meter was not started"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                measured = monitor.end_window(_WINDOW)
            parts = {"gpu": measured.gpu_energy, "cpu": measured.cpu_energy, "memory": measured.dram_energy}
            read = {f"{kind} {index}": joules for kind, part in parts.items() for index, joules in (part or {}).items()}
            self.counters, joules = tuple(read), self._read_j + math.fsum(read.values())
        except Exception as error:  # noqa: BLE001 - as above
            self._reason = f"zeus failed: {_one_line(error)}"
            return None, self._reason
        if not math.isfinite(joules) or joules <= 0.0:
            self._reason = f"the energy counters read {joules} J: the window is shorter than their period"
            return None, self._reason
        return joules, None


def _unmeasurable(monitor: Any) -> str | None:
    if getattr(monitor, "power_monitor", None) is not None:
        return "a GPU without an energy counter: its power samples would be an estimate"
    if not monitor.gpu_indices and not monitor.cpu_indices:
        return "no energy counter: neither NVML nor RAPL can be read on this machine"
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
