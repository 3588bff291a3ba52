"""A function is given an argument that it does not take, often because a newer version dropped or renamed it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed, text_of, without_keyword
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, places
from greenlight.rehearse.observer.record import Raised

_REFUSED = re.compile(
    r"got an unexpected keyword argument '(\w+)'|got multiple values for (?:keyword )?argument '(\w+)'"
)
_RENAMED = {
    ("TrainingArguments", "evaluation_strategy"): "eval_strategy",
    ("Seq2SeqTrainingArguments", "evaluation_strategy"): "eval_strategy",
    ("Trainer", "tokenizer"): "processing_class",
    ("Seq2SeqTrainer", "tokenizer"): "processing_class",
    ("SFTTrainer", "tokenizer"): "processing_class",
    ("from_pretrained", "use_auth_token"): "token",
    ("load_dataset", "use_auth_token"): "token",
}


class KeywordArguments(Mender):
    """``ReduceLROnPlateau(optimizer, verbose=True)``."""

    name: ClassVar[str] = "keyword-arguments"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files without the argument, or with its new name."""
        found = _REFUSED.search(raised.root_message) or _REFUSED.search(raised.message)
        if found is None:
            return None
        name = found[1] or found[2]
        for where in places(raised, files):
            for call in [n for n in where.in_statement() if isinstance(n, ast.Call)]:
                called = text_of(where.module, call.func).rpartition(".")[2]
                change = _change(where, call, called, name)
                if change is not None:
                    new = _RENAMED.get((called, name))
                    done = f"is called {new} now" if new else "is left out"
                    said = f"{where.module.path}:{call.lineno}: the argument {name} of {called} {done}"
                    return Mended(changed(files, where.module.path, [change]), said)
            # What does not stand in this call may have come through a caller's.
        return None


def _change(where: Place, call: ast.Call, called: str, name: str) -> Change | None:
    new = _RENAMED.get((called, name))
    keyword = next((k for k in call.keywords if k.arg == name), None)
    if new is None or keyword is None:
        return without_keyword(where, call, name)
    return Change(keyword.lineno, keyword.col_offset, keyword.lineno, keyword.col_offset + len(name), new)
