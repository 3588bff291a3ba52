"""Read an experiment from its folder."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from greenlight.errors import GreenlightError

FILES = (
    "src/train.py",
    "src/evaluate.py",
    "src/preprocess.py",
    "src/model.py",
    "src/main.py",
    "pyproject.toml",
    "config/config.yaml",
)
MODES = ("trial", "full")


@dataclass(frozen=True)
class Experiment:
    """An experiment on disk: its folder and the ids of its runs, sorted."""

    folder: Path
    run_ids: tuple[str, ...]

    def require(self, run_id: str) -> None:
        """Raise `GreenlightError`, naming the run most like it, unless the experiment has the run."""
        if run_id not in self.run_ids:
            close = difflib.get_close_matches(run_id, self.run_ids, n=1, cutoff=0.6)
            remedy = f"did you mean {close[0]}?" if close else f"its {len(self.run_ids)} runs stand there"
            raise GreenlightError(f"run {run_id}: {self.folder} has no config/runs/{run_id}.yaml; {remedy}")


def read(folder: Path) -> Experiment:
    """Return the experiment in a folder.

    Raises
    ------
    GreenlightError
        If one of the seven files is missing, or there is no run file.
    """
    if not folder.is_dir():
        raise GreenlightError(f"{folder}: not a folder; name the folder of an experiment, such as experiments/gsm8k")
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise GreenlightError(f"{folder}: an experiment has the file {missing[0]}; add it or name another folder")
    run_ids = tuple(sorted(file.stem for file in (folder / "config" / "runs").glob("*.yaml")))
    if not run_ids:
        raise GreenlightError(f"{folder}: no run file; add config/runs/<run id>.yaml")
    return Experiment(folder.resolve(), run_ids)
