"""A tokenizer without a padding token is to pad."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, statement_after, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Module

_SAID = re.compile(
    r"does not have a padding token|'padding_value' .*NoneType|Cannot handle batch sizes > 1 if no padding token"
)


class PaddingToken(Mender):
    """GPT-2 and Llama have none."""

    name: ClassVar[str] = "padding-token"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with tokenizers that pad with the token that ends a text."""
        if not _SAID.search(raised.root_message) and not _SAID.search(raised.message):
            return None
        result, said = dict(files), ""
        for path, content in files.items():
            if not path.endswith(".py"):
                continue
            module = Module(path, content)
            changes = []
            for node in module.nodes:
                if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
                    continue
                made = module.dotted(node.value.func) or ""
                if not (made.startswith("transformers.") and "Tokenizer" in made and made.endswith("from_pretrained")):
                    continue
                name = text_of(module, node.targets[0])
                change = statement_after(module, node, f"{name}.pad_token = {name}.pad_token or {name}.eos_token")
                changes += [] if change is None else [change]
            if changes:
                result = changed(result, path, changes)
                said = said or f"{path}: the tokenizer pads with the token that ends a text"
        return Mended(result, said) if said else None
