"""Tensors of unequal length are stacked."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import around, changed, over, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised

_CUT = "(lambda parts: [part[: min(map(len, parts))] for part in parts])("


class UnequalSizes(Mender):
    """``torch.stack([curvatures, entropies], -1)`` where one has a value per layer and the other one per token."""

    name: ClassVar[str] = "unequal-sizes"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with named parts that are cut to the shortest, or rows that are padded to the longest."""
        where = place(raised, files)
        if where is None or "stack expects each tensor to be equal size" not in raised.root_message:
            return None
        path = where.module.path
        for call in [n for n in where.in_statement() if isinstance(n, ast.Call) and n.args]:
            if where.module.dotted(call.func) != "torch.stack":
                continue
            parts = call.args[0]
            if isinstance(parts, ast.List | ast.Tuple):
                said = f"{path}:{where.line}: parts of unequal length are cut to the shortest"
                return Mended(changed(files, path, around(parts, _CUT, ")")), said, rough=True)
            if len(call.args) == 1 and not call.keywords:
                function = f"{where.name_of('torch')}.nn.utils.rnn.pad_sequence"
                rows = f"{function}({text_of(where.module, parts)}, batch_first=True)"
                said = f"{path}:{where.line}: rows of unequal length are padded to one"
                return Mended(changed(files, path, [over(call, rows)]), said)
        return None
