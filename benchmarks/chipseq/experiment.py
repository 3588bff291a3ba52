"""The experiment's own models and data preparation, imported from its folder."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "chipseq"


def module(name: str) -> Any:
    """Return ``src/<name>.py`` of the experiment; a process can hold the ``src`` of one experiment only."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    found = importlib.import_module(f"src.{name}")
    assert Path(str(found.__file__)).is_relative_to(FOLDER), f"src is that of another experiment: {found.__file__}"
    return found


def dataset_section() -> dict[str, Any]:
    """Return the defaults of the experiment's dataset section, as a new dict."""
    values: dict[str, Any] = yaml.safe_load((FOLDER / "config" / "config.yaml").read_text(encoding="utf-8"))
    return dict(values["dataset"])
