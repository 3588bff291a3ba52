"""Samples of significance tests: which calls are tests, and what stands behind an argument."""

from __future__ import annotations

import ast

from greenlight.review.module import Module

_NAMES = "ttest_ind ttest_rel mannwhitneyu wilcoxon kruskal ks_2samp ranksums f_oneway"
TESTS = tuple(f"scipy.stats.{name}" for name in _NAMES.split())
"""Two-sample tests by full name."""
_COPIES = ("copy", "tolist")
_SAME_VALUES = frozenset({"list", "tuple", "numpy.array", "numpy.asarray", "torch.tensor"})


def origin(module: Module, node: ast.expr, depth: int = 6) -> ast.expr:
    """Return the expression behind a name that is assigned once, a copy, or a conversion to another container."""
    while depth:
        depth -= 1
        if isinstance(node, ast.Name):
            assigned = module.assigned(node)
            if assigned is None:
                return node
            node = assigned
        elif isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            name = node.func.id if isinstance(node.func, ast.Name) else module.dotted(node.func)
            if name not in _SAME_VALUES:
                return node
            node = node.args[0]
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("copy", "tolist")
        ):
            node = node.func.value
        else:
            return node
    return node


def vector(module: Module, node: ast.expr) -> ast.expr:
    """Return the first name of a vector that several names stand for, or the expression where it is no name."""
    for _ in range(6):
        behind = node
        if isinstance(node, ast.Name):
            assigned = module.assigned(node)
            if assigned is None:
                return node
            behind = assigned
        behind = _uncopied(module, behind)
        if not isinstance(behind, ast.Name):
            return node if isinstance(node, ast.Name) else behind
        node = behind
    return node


def _uncopied(module: Module, node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _COPIES:
        return node.func.value
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        name = node.func.id if isinstance(node.func, ast.Name) else module.dotted(node.func)
        return node.args[0] if name in _SAME_VALUES else node
    return node
