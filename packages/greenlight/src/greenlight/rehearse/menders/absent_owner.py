"""A data set is loaded by a name without its owner, which newer clients of the hub refuse."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, over
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.rehearse.standins.datasets.catalogue import data_set
from greenlight.review.module import Module

_SAID = re.compile(r"Repository id must be 'namespace/name', got '([\w.-]+)'")


class AbsentOwner(Mender):
    """``load_dataset("gsm8k")`` for ``load_dataset("openai/gsm8k")``; the owners of well-known sets are known."""

    name: ClassVar[str] = "absent-owner"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the whole id wherever a value is the short one."""
        said = _SAID.search(raised.root_message)
        known = data_set(said[1]) if said else None
        if said is None or known is None or "/" not in known.id:
            return None
        short, result = said[1], dict(files)
        value = re.compile(rf"^(\s*(?:-\s+)?[\w.]*:\s*)(['\"]?){re.escape(short)}\2(?=\s*(?:#|$))", re.MULTILINE)
        for path, content in files.items():
            if path.startswith("config/"):
                text = content.decode("utf-8", errors="surrogateescape")
                text = value.sub(lambda found: f"{found[1]}{found[2]}{known.id}{found[2]}", text)
                result[path] = text.encode("utf-8", errors="surrogateescape")
            elif path.endswith(".py"):
                module = Module(path, content)
                named = [
                    call.args[0]
                    for call in module.calls("datasets.load_dataset")
                    if call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == short
                ]
                if named:
                    result = changed(result, path, [over(node, repr(known.id)) for node in named])
        said_of_it = f"the data set {short} is loaded by its whole id, {known.id}"
        return Mended(result, said_of_it) if result != files else None
