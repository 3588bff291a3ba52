"""A name is used that a newer version of a library dropped, and that has a successor of the same meaning."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed, over, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, place
from greenlight.rehearse.observer.record import Raised

_NO_ATTRIBUTE = re.compile(r"(?:'(\w+)' object|module '([\w.]+)'|^(\w*Tokenizer\w*)) has no attribute '?(\w+)'?")
_METHODS = {  # object's class, method -> attribute or method
    ("Run", "get_url"): "url", ("Run", "get_project_url"): "project_url", ("Run", "project_name"): "project",
    ("DataFrame", "iteritems"): "items()", ("Series", "iteritems"): "items()",
    ("DataFrame", "applymap"): "map", ("DataFrame", "as_matrix"): "to_numpy()",
}  # fmt: skip
_MODULES = {  # full name -> expression; {torch} and the like stand for the module
    "numpy.float": "float", "numpy.int": "int", "numpy.bool": "bool", "numpy.object": "object", "numpy.str": "str",
    "numpy.NaN": 'float("nan")', "numpy.Inf": 'float("inf")', "numpy.infty": 'float("inf")', "numpy.float_": "float",
    "numpy.trapz": '__import__("numpy").trapezoid', "transformers.AdamW": '__import__("torch").optim.AdamW',
    "matplotlib.cm.get_cmap": '__import__("matplotlib.pyplot").pyplot.get_cmap',
    "matplotlib.pyplot.cm.get_cmap": '__import__("matplotlib.pyplot").pyplot.get_cmap',
}  # fmt: skip


class RemovedNames(Mender):
    """``numpy.float``, ``run.get_url()``, ``frame.append(row)``."""

    name: ClassVar[str] = "removed-names"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the successor."""
        found = _NO_ATTRIBUTE.search(raised.root_message)
        where = place(raised, files)
        if found is None or where is None:
            return None
        kind, module, tokenizer, name = found.groups()
        if module:
            changes = _of_module(where, name)
        else:
            changes = _of_tokenizer(where, name) if tokenizer else _of_object(where, kind, name)
        said = f"{where.module.path}:{where.line}: {name} is replaced by its successor"
        return Mended(changed(files, where.module.path, changes), said) if changes else None


def _of_module(where: Place, name: str) -> list[Change]:
    return [
        over(n, _MODULES[dotted])
        for n in where.module.nodes
        if isinstance(n, ast.Attribute) and n.attr == name and (dotted := where.module.dotted(n)) in _MODULES
    ]


def _of_object(where: Place, kind: str, name: str) -> list[Change]:
    changes: list[Change] = []
    new = _METHODS.get((kind, name))
    for node in where.in_statement():
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name):
            continue
        owner = text_of(where.module, node.func.value)
        if new is not None and (new.endswith("()") or "(" not in new) and not node.args:
            changes.append(over(node, f"{owner}.{new}"))
        elif new is not None:
            changes.append(over(node.func, f"{owner}.{new}"))
        elif (kind, name) == ("DataFrame", "append") and node.args:
            row = text_of(where.module, node.args[0])
            pandas = where.name_of("pandas")
            rows = f"{row} if isinstance({row}, {pandas}.DataFrame) else {pandas}.DataFrame([{row}])"
            changes.append(over(node, f"{pandas}.concat([{owner}, {rows}], ignore_index=True)"))
    return changes


def _of_tokenizer(where: Place, name: str) -> list[Change]:
    """Return the changes of calls of what a tokenizer does itself now, in the whole file."""
    changes: list[Change] = []
    for call in where.module.method_calls(name):
        if name == "as_target_tokenizer":
            changes.append(over(call, '__import__("contextlib").nullcontext()'))
        elif name in ("encode_plus", "batch_encode_plus") and isinstance(call.func, ast.Attribute):
            changes.append(over(call.func, text_of(where.module, call.func.value)))
    return changes
