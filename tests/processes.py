"""Start the product's own commands as a person would, and look at what they leave behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
GREENLIGHT = [sys.executable, "-m", "greenlight"]
CLEAN = ("WANDB_BASE_URL", "WANDB_API_KEY", "HF_ENDPOINT", "HF_HUB_OFFLINE", "WANDB_MODE")


def environment(**changed: str) -> dict[str, str]:
    """Return this process's environment without what leads clients elsewhere."""
    kept = {key: value for key, value in os.environ.items() if key not in CLEAN}
    # Two training processes share the cores with servers: a spinning OpenMP thread would steal one.
    return kept | {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "PYTHONUNBUFFERED": "1"} | changed


@contextmanager
def server(*arguments: str) -> Iterator[dict[str, str]]:
    """Run ``greenlight tracker`` or ``greenlight hub``; yield what it tells the user to export."""
    command = [*GREENLIGHT, *arguments, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        exports: dict[str, str] = {}
        wanted = 2 if arguments[0] == "tracker" else 1
        for line in process.stdout:
            if found := re.fullmatch(r"export (\w+)=(\S+)\n", line):
                exports[found[1]] = found[2]
            if len(exports) == wanted:
                break
        try:
            yield exports
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(100)


def python(
    module: str, *arguments: str, folder: Path, env: dict[str, str], timeout_s: float = 200
) -> subprocess.CompletedProcess[str]:
    """Run a documented command of an experiment in its folder."""
    return subprocess.run(
        [sys.executable, "-u", "-m", module, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def wait_for(condition, timeout_s: float = 120, every_s: float = 0.1):
    """Return the first true value of a condition."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(every_s)
    raise AssertionError(f"did not happen within {timeout_s} s")


def marked(marker: str) -> list[int]:
    """Return the processes whose environment holds a marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if marker.encode() in (entry / "environ").read_bytes() and (entry / "stat").read_text().split()[2] != "Z":
                found.append(int(entry.name))
        except (OSError, IndexError):
            continue
    return found
