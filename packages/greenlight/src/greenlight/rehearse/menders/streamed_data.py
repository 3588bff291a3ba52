"""A data set is streamed, and something asks it what only a set that lies on the disk knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, over
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Module

_SAID = re.compile(
    r"'?IterableDataset'?.*(?:has no len|has no attribute|not subscriptable|expected unspecified shuffle)|"
    r"Iterable[Dd]ataset.*shuffle option"
)
_VALUE = re.compile(rb"^(\s*streaming:\s*)(?:true|True)\b", re.MULTILINE)


class StreamedData(Mender):
    """``len(rows)`` or ``DataLoader(rows, shuffle=True)`` after ``load_dataset(..., streaming=True)``."""

    name: ClassVar[str] = "streamed-data"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with data sets that are loaded whole."""
        if not _SAID.search(raised.root_message):
            return None
        result = dict(files)
        for path, content in files.items():
            if path.startswith("config/"):
                result[path] = _VALUE.sub(rb"\1false", content)
            elif path.endswith(".py"):
                module = Module(path, content)
                given = [
                    k.value for c in module.calls("datasets.load_dataset") for k in c.keywords if k.arg == "streaming"
                ]
                changes = [over(v, "False") for v in given if isinstance(v, ast.Constant) and v.value is True]
                result = changed(result, path, changes) if changes else result
        return Mended(result, "the data set is loaded whole, not streamed") if result != files else None
