"""One set of findings in several forms; a form is one file with a ``NAME`` and a function ``render``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache

from greenlight.report.document import Document

Render = Callable[[Document], str]


@cache
def forms() -> Mapping[str, Render]:
    """Return the function that renders each form, by the name that ``--format`` takes."""
    found: dict[str, Render] = {}
    for info in pkgutil.iter_modules(__path__, __name__ + "."):
        module = importlib.import_module(info.name)
        if hasattr(module, "NAME"):
            found[module.NAME] = module.render
    return found


__all__ = ["Document", "Render", "forms"]
