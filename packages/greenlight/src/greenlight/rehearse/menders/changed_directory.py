"""Hydra's old default changes the working directory, and a file of the experiment is looked for relative to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, over, with_keyword
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Module

_PATH = re.compile(r"[\w./@+=-]+\.\w+")
_MISSING = re.compile(r"not found|[Nn]o such file|not exist|[Mm]issing")


class ChangedDirectory(Mender):
    """``open("config/runs/a.yaml")`` in an application of Hydra that has no ``version_base``."""

    name: ClassVar[str] = "changed-directory"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with applications that stay in the directory they were started in."""
        if raised.root_type != "FileNotFoundError" and not _MISSING.search(raised.root_message):
            return None
        named = [path.lstrip("./") for path in _PATH.findall(raised.root_message)]
        if not any(path == name or name.endswith(f"/{path}") for path in files for name in named):
            return None
        result = dict(files)
        for path in files:
            module = Module(path, files[path]) if path.endswith(".py") else None
            for call in module.calls("hydra.main") if module is not None else ():
                given = next((k.value for k in call.keywords if k.arg == "version_base"), None)
                change = with_keyword(call, "version_base=None") if given is None else over(given, "None")
                if change is not None:
                    result = changed(result, path, [change])
        said = "hydra.main stays in the directory it was started in (version_base=None)"
        return Mended(result, said) if result != files else None
