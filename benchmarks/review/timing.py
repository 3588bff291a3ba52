"""How long a review takes: the whole command, and the work inside it."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.review.originals import folders
from benchmarks.review.report import Part, Table
from greenlight.contract.submission import submission
from greenlight.errors import GreenlightError
from greenlight.review.engine import review
from greenlight.review.registry import all_rules

REPEATS = 7


def measure(repeats: int = REPEATS) -> Part:
    """Time the review of every original; the median of several repeats counts."""
    rows, data = [], {}
    for name, folder in folders().items():
        inside = [_seconds(partial(_review, folder)) for _ in range(repeats)]
        whole = [_seconds(partial(_command, folder)) for _ in range(repeats)]
        data[name] = {"inside_s": inside, "whole_s": whole}
        rows.append((name, f"{statistics.median(whole):.3f}", f"{statistics.median(inside):.3f}"))
    columns = ("experiment", "whole process, s", "inside, s")
    notes = (f"Median of {repeats}; inside: reading the files and all rules, without the imports.",)
    return Part("time", (Table("Seconds", columns, tuple(rows), notes),), {"seconds": data})


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _review(folder: Path) -> None:
    review(submission(folder), all_rules())


def _command(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "greenlight", "review", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise GreenlightError(f"greenlight review {folder.name}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
