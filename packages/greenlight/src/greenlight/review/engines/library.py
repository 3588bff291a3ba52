"""What the public libraries have: names of modules, attributes of classes, keyword arguments of functions.

The files in ``catalogue`` are made from installed releases by ``scripts/make_api_catalogue.py``. A name that is not in
them is missing in that release; older ones may have had it, so a rule asks `Library.is_declared_new` as well.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from greenlight.review.engines.requirements import Requirements
from greenlight.review.subject import Subject

# Top name -> distribution, for those that the catalogue holds.
DISTRIBUTIONS = {
    "torch": "torch", "transformers": "transformers", "datasets": "datasets", "wandb": "wandb", "optuna": "optuna",
    "hydra": "hydra-core", "omegaconf": "omegaconf", "peft": "peft", "numpy": "numpy", "pandas": "pandas",
    "sklearn": "scikit-learn", "scipy": "scipy", "matplotlib": "matplotlib", "json": "python", "time": "python",
    "os": "python", "pathlib": "python", "math": "python", "random": "python", "sys": "python", "subprocess": "python",
    "re": "python", "copy": "python", "shutil": "python", "itertools": "python", "functools": "python",
    "collections": "python", "accelerate": "accelerate", "tqdm": "tqdm",
}  # fmt: skip


@cache
def _catalogue(top: str) -> dict[str, Any]:
    """Return the catalogue of a library by its import name; empty where there is none."""
    file = files("greenlight.review.engines").joinpath("catalogue", f"{top}.json")
    if top not in DISTRIBUTIONS or not file.is_file():
        return {"version": "", "names": {}, "keywords": {}}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@cache
def _split(top: str, kind: str, dotted: str) -> frozenset[str] | None:
    text = _catalogue(top)[kind].get(dotted)
    return None if text is None else frozenset(text.split())


class Library:
    """The catalogue, and which releases the experiment asks for."""

    def __init__(self, subject: Subject) -> None:
        self._requirements = subject.derived(Requirements)

    def attributes(self, dotted: str) -> frozenset[str]:
        """Return the names of a module or class by full dotted name; none where the catalogue does not hold it."""
        return _split(dotted.partition(".")[0], "names", dotted) or frozenset()

    def keywords(self, dotted: str) -> frozenset[str] | None:
        """Return the keyword arguments of a function that takes no others; None where that is not known."""
        return _split(dotted.partition(".")[0], "keywords", dotted)

    def version(self, top: str) -> str:
        """Return the release that the catalogue has of a library."""
        found: str = _catalogue(top)["version"]
        return found

    def is_declared_new(self, top: str) -> bool:
        """Return whether the experiment's requirements admit the catalogue's release: uv takes the newest."""
        distribution = DISTRIBUTIONS.get(top)
        if distribution is None:
            return False
        return distribution == "python" or self._requirements.admits(distribution, self.version(top))
