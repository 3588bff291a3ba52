"""A model or a data set is loaded by a name without its owner, under which the hub or its client knows nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, over
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.rehearse.standins.datasets.catalogue import data_set
from greenlight.rehearse.standins.models import whole_id
from greenlight.review.module import Module

_SET = re.compile(r"Repository id must be 'namespace/name', got '([\w.-]+)'")
_MODEL = re.compile(
    r"'?([\w.-]+)'? is not a local folder and is not a valid model identifier|https?://[^/\s]+/([\w.-]+)/resolve/"
)


class AbsentOwner(Mender):
    """``load_dataset("gsm8k")`` for ``"openai/gsm8k"``, ``Llama-2-7B`` for ``meta-llama/Llama-2-7b``.

    Owners of well-known sets and of the models in the table of stand-ins are known.
    """

    name: ClassVar[str] = "absent-owner"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the whole id wherever a value is the short one."""
        for message in (raised.root_message, raised.message):
            short, whole = _meant(message)
            if whole is not None:
                result = _renamed(files, short, whole)
                return Mended(result, f"{short} is loaded by its whole id, {whole}") if result != files else None
        return None


def _meant(message: str) -> tuple[str, str | None]:
    found = _SET.search(message)
    if found:
        known = data_set(found[1])
        return found[1], known.id if known is not None and "/" in known.id else None
    found = _MODEL.search(message)
    short = (found[1] or found[2]) if found else ""
    return short, whole_id(short) if short else None


def _renamed(files: Mapping[str, bytes], short: str, whole: str) -> dict[str, bytes]:
    result = dict(files)
    value = re.compile(rf"^(\s*(?:-\s+)?[\w.]*:\s*)(['\"]?){re.escape(short)}\2(?=\s*(?:#|$))", re.MULTILINE)
    for path, content in files.items():
        if path.startswith("config/"):
            text = content.decode("utf-8", errors="surrogateescape")
            text = value.sub(lambda found: f"{found[1]}{found[2]}{whole}{found[2]}", text)
            result[path] = text.encode("utf-8", errors="surrogateescape")
        elif path.endswith(".py"):
            module = Module(path, content)
            calls = [*module.calls("datasets.load_dataset"), *module.method_calls("from_pretrained")]
            named = [
                call.args[0]
                for call in calls
                if call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == short
            ]
            if named:
                result = changed(result, path, [over(node, repr(whole)) for node in named])
    return result
