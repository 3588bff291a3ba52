"""The formula behind the value that src/evaluate.py writes as ``gap``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.module import Module


def gap_formulas(module: Module) -> Iterator[ast.BinOp]:
    """Yield the formula of each value under the key ``gap``, where the text tells it.

    Names that are assigned once, rounding, and a condition with one formula are seen through.
    """
    for node in module.nodes:
        value: ast.expr | None = None
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            value = next((v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "gap"), None)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            value = node.value if module.value(node.targets[0].slice) == "gap" else None
        found = None if value is None else _formula(module, value)
        if found is not None:
            yield found


def _formula(module: Module, node: ast.expr, depth: int = 4) -> ast.BinOp | None:
    if isinstance(node, ast.Name) and depth:
        value = module.assigned(node)
        return None if value is None else _formula(module, value, depth - 1)
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("float", "round") and node.args:
        return _formula(module, node.args[0], depth)
    if isinstance(node, ast.IfExp):
        chosen = [n for n in (node.body, node.orelse) if not isinstance(n, ast.Constant)]
        return _formula(module, chosen[0], depth) if len(chosen) == 1 else None
    return node if isinstance(node, ast.BinOp) else None
