"""What Ctrl-C and SIGTERM do to a training run."""

from __future__ import annotations

import logging
import signal
import threading

log = logging.getLogger(__name__)


def stop_between_steps(requested: threading.Event) -> None:
    """Let the first Ctrl-C or SIGTERM set `requested`, so that a run can save itself; the second stops at once."""

    def request(*_: object) -> None:
        requested.set()
        log.warning("stopping after this step; once more to stop at once")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request)
