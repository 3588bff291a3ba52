"""A structured configuration refuses a key that the code writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, statement_before, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, place
from greenlight.rehearse.observer.record import Raised

_REFUSED = re.compile(r"Key '?([\w.-]+)'? is not in struct")
_WRITING = ("merge", "update", "unsafe_merge")


class StructFlag(Mender):
    """``OmegaConf.merge(cfg, run)`` or ``cfg.new = 1`` on what Hydra composed."""

    name: ClassVar[str] = "struct-flag"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with a configuration that takes new keys from there on."""
        found = _REFUSED.search(raised.root_message) or _REFUSED.search(raised.message)
        where = place(raised, files)
        if found is None or where is None or where.statement is None:
            return None
        written = _written(where)
        if written is None:
            return None
        imported = where.module.imports.get("OmegaConf") == "omegaconf.OmegaConf"
        owner = "OmegaConf" if imported else f"{where.name_of('omegaconf')}.OmegaConf"
        text = f"{owner}.set_struct({text_of(where.module, written)}, False)"
        change = statement_before(where.module, where.statement, text)
        if change is None:
            return None
        said = f"{where.module.path}:{where.line}: the configuration takes new keys (key {found[1]})"
        return Mended(changed(files, where.module.path, [change]), said)


def _written(where: Place) -> ast.expr | None:
    """Return the configuration that the statement writes to."""
    for call in where.inside(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in _WRITING and call.args:
            owner = text_of(where.module, call.func.value)
            if owner.endswith("OmegaConf"):
                return call.args[0] if _is_plain(call.args[0]) else None
            if _is_plain(call.func.value):
                return call.func.value  # cfg.update({...})
    if isinstance(where.exact, ast.Attribute | ast.Subscript) and isinstance(where.exact.ctx, ast.Load):
        return None  # a key that is read
    statement = where.statement
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    for target in targets:
        if isinstance(target, ast.Attribute | ast.Subscript) and _is_plain(target.value):
            # A flag holds for everything below: the chain's first name is the whole configuration.
            first: ast.expr = target.value
            while isinstance(first, ast.Attribute | ast.Subscript):
                first = first.value
            return first if isinstance(first, ast.Name) and first.id != "self" else target.value
    return None


def _is_plain(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name)
