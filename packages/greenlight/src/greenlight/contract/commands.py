"""The three documented commands of an experiment, word for word."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def train(
    run_id: str, results_dir: Path, mode: str, overrides: Sequence[str] = (), *, documented: bool = False
) -> list[str]:
    """Return the command that trains a run, to be executed in the experiment's folder.

    ``documented`` gives it word for word, whether uv is installed here or not.

    Examples
    --------
    >>> " ".join(train("a", Path("/r"), "trial")[-4:])
    'src.main run=a results_dir=/r mode=trial'
    """
    return [
        *_python("-u", documented=documented),
        "-m",
        "src.main",
        f"run={run_id}",
        f"results_dir={results_dir}",
        f"mode={mode}",
        *overrides,
    ]


def evaluate(
    results_dir: Path, run_ids: Sequence[str], overrides: Sequence[str] = (), *, documented: bool = False
) -> list[str]:
    """Return the command that evaluates and compares runs, to be executed in the experiment's folder; see `train`."""
    return [
        *_python(documented=documented),
        "-m",
        "src.evaluate",
        f"results_dir={results_dir}",
        f"run_ids={json.dumps(list(run_ids))}",
        *overrides,
    ]


def _python(*flags: str, documented: bool) -> list[str]:
    # Without uv, as in an environment that pip made, the interpreter that runs this has what the experiment needs.
    return ["uv", "run", "python", *flags] if documented or shutil.which("uv") else [sys.executable, *flags]
