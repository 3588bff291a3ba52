"""A decoder is given labels of another length than its inputs, as an encoder with a decoder wants them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, over, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import places
from greenlight.rehearse.observer.record import Raised

_SAID = re.compile(r"Expected input batch_size \(\d+\) to match target batch_size \(\d+\)")


class UnalignedLabels(Mender):
    """``model(input_ids=prompt, labels=answer)`` for a causal language model."""

    name: ClassVar[str] = "unaligned-labels"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the inputs as labels."""
        if not _SAID.search(raised.root_message):
            return None
        for where in places(raised, files):
            for call in [n for n in where.in_statement() if isinstance(n, ast.Call)]:
                given = {k.arg: k.value for k in call.keywords}
                whole = given.get(None)
                if "labels" in given and "input_ids" in given:
                    change = over(given["labels"], text_of(where.module, given["input_ids"]))
                elif whole is not None and isinstance(whole, ast.Name) and "labels" not in given:
                    change = over(whole, f'{{**{whole.id}, "labels": {whole.id}["input_ids"]}}')
                else:
                    continue
                said = f"{where.module.path}:{call.lineno}: the inputs are the labels, which have their length"
                return Mended(changed(files, where.module.path, [change]), said, rough=True)
        return None
