"""What the names of src/evaluate.py stand for: the API, runs, their histories and their summaries."""

from __future__ import annotations

import ast
from functools import cached_property

from greenlight.review.engines.flow import Flow, returns
from greenlight.review.engines.unseen import own_imports, words, works_elsewhere
from greenlight.review.module import UNKNOWN, Function, Module, parameters, walk
from greenlight.review.subject import Subject

_SAME_FRAME = frozenset(
    {"dropna", "copy", "reset_index", "sort_values", "fillna", "head", "tail", "query", "ffill", "bfill"}
    | {"interpolate", "set_index", "sort_index"}
)
_SAME_COLUMN = frozenset({"dropna", "astype", "to_numpy", "tolist", "copy", "reset_index", "ffill", "to_list"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Readback:
    """Kinds of the expressions of src/evaluate.py.

    A kind is ``api``, ``run``, ``runs`` (to walk over), ``history`` (a table), ``rows``, ``row`` (of ``scan_history``),
    ``column`` (of a history), ``summary`` (W&B's own object), ``summary-dict`` (a dictionary of it whose nested values
    are still W&B's own), ``summary-plain`` (only JSON values), ``config``, or ``dict:KIND`` and ``list:KIND``.

    Attributes
    ----------
    module
        src/evaluate.py, or None where it is missing, blank or broken.
    modules
        It and the experiment's other files that it imports.
    is_seen
        Whether all of its work is in files that can be read.
    """

    def __init__(self, subject: Subject) -> None:
        self.module = subject.module("src/evaluate.py")
        self.flow = subject.derived(Flow)
        self.modules: tuple[Module, ...] = ()
        self.is_seen = False
        self._kinds: dict[int, str | None] = {}
        self._busy: set[int] = set()
        if self.module is not None:
            self.modules = (self.module, *own_imports(subject, self.module))
            self.is_seen = not works_elsewhere(subject, *self.modules)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every name and string of evaluate.py and the own files it imports, in lower case."""
        return frozenset().union(*(words(module) for module in self.modules))

    def says(self, *parts: str) -> bool:
        """Return whether any name, string or comment contains one of some lower-case texts."""
        return any(part in text for module in self.modules for text in (module.text.lower(),) for part in parts)

    def kind(self, node: ast.AST | None) -> str | None:
        """Return what an expression of src/evaluate.py stands for; None where that is not known."""
        if node is None or self.module is None:
            return None
        key = id(node)
        if key in self._kinds:
            return self._kinds[key]
        if key in self._busy or len(self._busy) > 60:
            return None
        self._busy.add(key)
        try:
            found = self._kind(self.module, node)
        finally:
            self._busy.discard(key)
        self._kinds[key] = found
        return found

    def _kind(self, module: Module, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return self._kind_of_name(module, node)
        if isinstance(node, ast.Call):
            return self._kind_of_call(module, node)
        if isinstance(node, ast.Attribute):
            return self._kind_of_attribute(node)
        if isinstance(node, ast.Subscript):
            return self._kind_of_item(module, node)
        if isinstance(node, ast.NamedExpr):
            return self.kind(node.value)
        if isinstance(node, ast.IfExp):
            return self._agreed([node.body, node.orelse])
        if isinstance(node, ast.BoolOp):
            return self._agreed(node.values)
        if isinstance(node, ast.DictComp | ast.ListComp):
            return self._kind_of_comprehension(node)
        return None

    def _agreed(self, nodes: list[ast.expr]) -> str | None:
        kinds = {self.kind(n) for n in nodes if not _is_nothing(n)}
        return kinds.pop() if len(kinds) == 1 else None

    def _kind_of_attribute(self, node: ast.Attribute) -> str | None:
        base = self.kind(node.value)
        if node.attr == "summary" and base == "run":
            return "summary"
        if node.attr == "_json_dict" and base == "summary":
            return "summary-plain"
        if node.attr in ("summary_metrics", "summaryMetrics") and base == "run":
            return "summary-plain"
        if node.attr == "config" and base == "run":
            return "config"
        return "column" if node.attr in ("values", "array") and base == "column" else None

    def _kind_of_item(self, module: Module, node: ast.Subscript) -> str | None:
        base = self.kind(node.value)
        if base is None:
            return None
        if base.startswith(("dict:", "list:")):
            return base.partition(":")[2]
        if base == "history":
            key = module.value(node.slice)
            return "column" if isinstance(key, str) else "history"
        if base == "column":
            return "column" if isinstance(node.slice, ast.Slice | ast.Compare) else None
        return "row" if base == "rows" and not isinstance(node.slice, ast.Slice) else None

    def _kind_of_call(self, module: Module, node: ast.Call) -> str | None:
        dotted = module.dotted(node.func)
        first = node.args[0] if node.args else None
        if dotted in ("wandb.Api", "wandb.apis.PublicApi", "wandb.apis.public.Api", "wandb.apis.public.api.Api"):
            return "api"
        if dotted in ("pandas.DataFrame", "pandas.DataFrame.from_records", "pandas.DataFrame.from_dict"):
            return "history" if self.kind(first) in ("rows", "history") else None
        if isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple", "sorted", "dict"):
            kind = self.kind(first)
            if node.func.id == "dict":
                return "summary-dict" if kind == "summary" else kind if kind and kind.startswith("summary") else None
            return kind if kind in ("rows", "runs", "column") and node.func.id != "sorted" else None
        if isinstance(node.func, ast.Attribute):
            found = self._kind_of_method(module, node, node.func)
            if found is not None:
                return found
        target = self.flow.target(module, node)
        if target is not None and target[0] is module:
            return self._agreed([r.value for r in returns(*target) if r.value is not None])
        return None

    def _kind_of_method(self, module: Module, node: ast.Call, func: ast.Attribute) -> str | None:
        base, name = self.kind(func.value), func.attr
        if name == "run" and base == "api":
            return "run"
        if name == "runs" and base == "api":
            return "runs"
        if name == "scan_history" and base == "run":
            return "rows"
        if name == "history" and base == "run":
            is_rows = any(k.arg == "pandas" and module.value(k.value) is False for k in node.keywords)
            return "rows" if is_rows else "history"
        if base == "history":
            if name in _SAME_FRAME:
                return "history"
            if name == "get":
                return "column"
            return "history-dict" if name == "to_dict" else None
        if base == "column":
            return "column" if name in _SAME_COLUMN else None
        if base is not None and base.startswith("summary") and name == "copy":
            return base
        if base is not None and base.startswith("dict:") and name in ("get", "pop"):
            return base[5:]
        return None

    def _kind_of_comprehension(self, node: ast.DictComp | ast.ListComp) -> str | None:
        if isinstance(node, ast.ListComp):
            inner = self.kind(node.elt)
            return f"list:{inner}" if inner in ("run", "history", "summary", "summary-dict", "summary-plain") else None
        generator = node.generators[0]
        source = generator.iter
        if (
            isinstance(source, ast.Call)
            and isinstance(source.func, ast.Attribute)
            and source.func.attr == "items"
            and (kind := self.kind(source.func.value)) is not None
            and kind.startswith("summary")
        ):
            if kind == "summary-plain" or generator.ifs:
                return "summary-plain"
            passed = isinstance(generator.target, ast.Tuple) and [ast.dump(e) for e in generator.target.elts] == [
                ast.dump(e).replace("Load()", "Store()") for e in (node.key, node.value)
            ]
            return "summary-dict" if passed else "summary-plain"
        inner = self.kind(node.value)
        return f"dict:{inner}" if inner is not None and ":" not in inner else None

    # -- names -------------------------------------------------------------------------------------------------

    @cached_property
    def _stores(self) -> dict[str, list[ast.Name]]:
        found: dict[str, list[ast.Name]] = {}
        for node in self.module.nodes if self.module else ():
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.setdefault(node.id, []).append(node)
        return found

    @cached_property
    def _item_stores(self) -> dict[str, list[ast.expr]]:
        """Return what ``name[...] = value`` stores, by name over the file."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.module.nodes if self.module else ():
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                        found.setdefault(target.value.id, []).append(node.value)
        return found

    def _kind_of_name(self, module: Module, node: ast.Name) -> str | None:
        scope: ast.AST = module.scope(node)
        while True:
            stores = [n for n in self._stores.get(node.id, ()) if module.scope(n) is scope]
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and any(
                a.arg == node.id for a in parameters(scope)
            ):
                return self._kind_of_parameter(scope, node.id) if not stores else None
            if stores:
                kinds = {self._kind_of_store(module, n) for n in stores} - {"nothing"}
                return kinds.pop() if len(kinds) == 1 else None
            if isinstance(scope, ast.Module):
                return None
            scope = module.scope(scope)

    def _kind_of_store(self, module: Module, name: ast.Name) -> str | None:
        around = module.parent(name)
        if isinstance(around, ast.Assign | ast.AnnAssign | ast.NamedExpr) and around.value is not None:
            if _is_empty_container(around.value):
                kinds = {self.kind(v) for v in self._item_stores.get(name.id, ())}
                inner = kinds.pop() if len(kinds) == 1 else None
                return f"dict:{inner}" if inner is not None and ":" not in inner else None
            return "nothing" if _is_nothing(around.value) else self.kind(around.value)
        if isinstance(around, ast.For | ast.comprehension) and around.target is name:
            return _element(self.kind(around.iter)) or self._walked(around.iter, "values")
        if isinstance(around, ast.Tuple) and len(around.elts) == 2 and around.elts[1] is name:
            loop = module.parent(around)
            if isinstance(loop, ast.For | ast.comprehension) and loop.target is around:
                return self._walked(loop.iter, "items")
        return None

    def _walked(self, node: ast.expr, method: str) -> str | None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
            kind = self.kind(node.func.value)
            return kind[5:] if kind is not None and kind.startswith("dict:") else None
        return None

    def _kind_of_parameter(self, scope: Function | ast.Lambda, name: str) -> str | None:
        if not isinstance(scope, _FUNCTIONS):
            return None
        given = [
            self.flow.argument_of(scope, name, call) if where is self.module else None
            for where, call in self.flow.calls_of(scope)
        ]
        kinds = {self.kind(value) for value in given}
        return kinds.pop() if len(kinds) == 1 else None

    # -- keys --------------------------------------------------------------------------------------------------

    def is_summary(self, node: ast.AST) -> bool:
        """Return whether an expression is a run's summary in any form."""
        kind = self.kind(node)
        return kind is not None and kind.startswith("summary")

    def constant(self, node: ast.AST | None) -> str | None:
        """Return the text of a constant string."""
        value = self.module.value(node) if self.module is not None else UNKNOWN
        return value if isinstance(value, str) else None

    def expanded(self, node: ast.AST, depth: int = 6) -> list[ast.AST]:
        """Return the nodes of an expression and of what its names were assigned, each name assigned just once."""
        found: list[ast.AST] = []
        waiting = [(node, depth)]
        while waiting and len(found) < 2000:
            current, left = waiting.pop()
            for inner in walk(current):
                found.append(inner)
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load) and left and self.module:
                    value = self.module.assigned(inner)
                    if value is not None:
                        waiting.append((value, left - 1))
        return found


def _element(kind: str | None) -> str | None:
    if kind == "rows":
        return "row"
    if kind == "runs":
        return "run"
    return kind[5:] if kind is not None and kind.startswith("list:") else None


def _is_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_empty_container(node: ast.AST) -> bool:
    return (isinstance(node, ast.Dict) and not node.keys) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args
    )
