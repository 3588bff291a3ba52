"""A column of a batch is read that nothing puts there."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed, over
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, place
from greenlight.rehearse.observer.record import Raised

_TEXTS = ("answer", "gold", "target_text", "reference", "question", "solution", "prompt_text", "raw", "text")
_NEAR = 0.85


class BatchColumn(Mender):
    """``batch["prompt_mask"]`` where the collator makes ``prompt_ids`` alone."""

    name: ClassVar[str] = "batch-column"
    rank: ClassVar[int] = 70  # after those that know where a key stands

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with a stand-in of the column's kind and length."""
        where = place(raised, files)
        if raised.root_type != "KeyError" or where is None:
            return None
        key = raised.root_message.strip("'\"")
        read = next((n for n in where.inside(ast.Subscript) if _key(n) == key and isinstance(n.value, ast.Name)), None)
        if read is None or not isinstance(read.value, ast.Name) or not isinstance(read.ctx, ast.Load):
            return None
        batch = read.value.id
        others = _other_keys(where, batch, key)
        text = _standing_in(where, batch, key, others)
        if text is None:
            return None
        function = where.module.function_around(read)
        changes: list[Change] = [
            over(n, text)
            for n in where.module.nodes
            if isinstance(n, ast.Subscript)
            and isinstance(n.ctx, ast.Load)
            and _key(n) == key
            and isinstance(n.value, ast.Name)
            and n.value.id == batch
            and where.module.function_around(n) is function
        ]
        said = f"{where.module.path}:{where.line}: the column {key!r} that nothing makes is replaced by {text}"
        return Mended(changed(files, where.module.path, changes), said, rough=True)


def _key(node: ast.Subscript) -> str | None:
    return node.slice.value if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str) else None


def _other_keys(where: Place, batch: str, key: str) -> list[str]:
    """Return the other columns that the same function reads of the same batch, those on the line first."""
    scope = where.module.function_around(where.statement) if where.statement is not None else None
    found = [
        (abs(n.lineno - where.line), str(_key(n)))
        for n in (ast.walk(scope) if scope is not None else where.module.nodes)
        if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name) and n.value.id == batch and _key(n)
    ]
    return [name for name in dict.fromkeys(name for _, name in sorted(found)) if name != key]


def _standing_in(where: Place, batch: str, key: str, others: list[str]) -> str | None:
    torch, low = where.name_of("torch"), key.lower()
    ids = [o for o in others if "id" in o.lower()]
    # prompt_mask belongs to prompt_ids: the words that they share decide.
    ids.sort(key=lambda o: -difflib.SequenceMatcher(None, o, key).ratio())
    if "mask" in low and ids:
        return f'{torch}.ones_like({batch}["{ids[0]}"])'
    if low in ("labels", "label", "targets") and ids and "input_ids" in ids:
        return f'{batch}["input_ids"].clone()' if low == "labels" else None
    if any(low.startswith(t) or low.rstrip("s") == t for t in _TEXTS) and others:
        first = ids[0] if ids else others[0]
        return f'[""] * len({batch}["{first}"])'
    near = difflib.get_close_matches(key, others, n=1, cutoff=_NEAR)
    return f'{batch}["{near[0]}"]' if near else None
