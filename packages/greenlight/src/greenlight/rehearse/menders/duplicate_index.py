"""Frames are joined with their old row labels, and something behind needs the labels to be unique."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, with_keyword
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import places
from greenlight.rehearse.observer.record import Raised


class DuplicateIndex(Mender):
    """``seaborn.boxplot(data=pandas.concat(frames))``."""

    name: ClassVar[str] = "duplicate-index"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with joined frames that are numbered anew."""
        if "duplicate labels" not in raised.root_message and "non-unique" not in raised.root_message:
            return None
        for where in places(raised, files):
            function = where.module.function_around(where.statement) if where.statement is not None else None
            joined = [
                c
                for c in where.module.calls("pandas.concat")
                if not any(k.arg in ("ignore_index", "axis", "keys", None) for k in c.keywords)
            ]
            near = [c for c in joined if function is not None and any(c is n for n in ast.walk(function))]
            changes = [c for call in near or joined if (c := with_keyword(call, "ignore_index=True")) is not None]
            if changes:
                said = f"{where.module.path}:{(near or joined)[0].lineno}: the joined rows are numbered anew"
                return Mended(changed(files, where.module.path, changes), said)
        return None
