"""What the names of src/evaluate.py stand for: the API, runs, their histories and their summaries."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cached_property

from greenlight.review.engines.flow import Flow, returns
from greenlight.review.engines.records import EMPTY, Records
from greenlight.review.engines.stores import Stores, class_around
from greenlight.review.engines.unseen import own_imports, words, works_elsewhere
from greenlight.review.module import UNKNOWN, Function, Module, parameters, walk
from greenlight.review.subject import Subject

_SAME_FRAME = frozenset(
    {"dropna", "copy", "reset_index", "sort_values", "fillna", "head", "tail", "query", "ffill", "bfill"}
    | {"interpolate", "set_index", "sort_index"}
)
_SAME_ROWS = frozenset({"copy", "reset_index", "sort_values", "set_index", "sort_index"})
_SAME_COLUMN = frozenset({"dropna", "astype", "to_numpy", "tolist", "copy", "reset_index", "ffill", "to_list"})
HISTORIES = ("history", "history-cut")
"""The kinds of a table of a run's history."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NAMES_NO_FILES = frozenset({"greenlight"})


class Readback:
    """Kinds of the expressions of src/evaluate.py.

    A kind is ``api``, ``run``, ``runs`` (to walk over), ``history`` (a table), ``history-cut`` (one from which rows or
    gaps were taken), ``history-dict`` (``to_dict`` of a whole one), ``rows``, ``row`` (of ``scan_history``), ``column``
    (of a history), ``summary`` (W&B's own object), ``summary-dict`` (a dictionary of it whose nested values are still
    W&B's own), ``summary-plain`` (only JSON values), ``config``, ``dict:KIND``, ``list:KIND``, or a record, see
    `Records`: a dictionary with constant keys, a tuple, or an object with fields.

    Attributes
    ----------
    module
        src/evaluate.py, or None where it is missing, blank or broken.
    modules
        It and the experiment's other files that it imports.
    is_seen
        Whether all of its work is in files that can be read.
    names_its_files
        Whether it or a file that can be read names every file that it writes: greenlight.compare is given the paths of
        metrics.json and aggregated_metrics.json.
    """

    def __init__(self, subject: Subject) -> None:
        self.module = subject.module("src/evaluate.py")
        self.flow = subject.derived(Flow)
        self.modules: tuple[Module, ...] = ()
        self.is_seen = self.names_its_files = False
        self.records = Records()
        self.stores = Stores(self.module)
        self._kinds: dict[int, str | None] = {}
        self._busy: set[int] = set()
        if self.module is not None:
            self.modules = (self.module, *own_imports(subject, self.module))
            self.is_seen = not works_elsewhere(subject, *self.modules)
            self.names_its_files = not works_elsewhere(subject, *self.modules, besides=_NAMES_NO_FILES)

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
            return self._kind_of_attribute(module, node)
        if isinstance(node, ast.Subscript):
            return self._kind_of_item(module, node)
        if isinstance(node, ast.NamedExpr):
            return self.kind(node.value)
        if isinstance(node, ast.IfExp):
            return self._agreed([node.body, node.orelse])
        if isinstance(node, ast.BoolOp):
            return self._agreed(node.values)
        if isinstance(node, ast.DictComp):
            return self._kind_of_dict_comprehension(node)
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            return _within("list", self.kind(node.elt))
        if isinstance(node, ast.Tuple | ast.List):
            return self._kind_of_sequence(node)
        if isinstance(node, ast.Dict):
            return self._kind_of_dict(module, node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            left, right = self.records.fields(self.kind(node.left)), self.records.fields(self.kind(node.right))
            return None if left is None or right is None else self.records.kind(left | right)
        return None

    def _agreed(self, nodes: list[ast.expr]) -> str | None:
        return self.records.merged({self.kind(n) for n in nodes if not _is_nothing(n)})

    def _kind_of_attribute(self, module: Module, node: ast.Attribute) -> str | None:
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return self._agreed(self.stores.attributes.get((class_around(module, node), node.attr), []))
        base = self.kind(node.value)
        if node.attr == "summary" and base == "run":
            return "summary"
        if node.attr == "_json_dict" and base == "summary":
            return "summary-plain"
        if node.attr in ("summary_metrics", "summaryMetrics") and base == "run":
            return "summary-plain"
        if node.attr == "config" and base == "run":
            return "config"
        fields = self.records.fields(base)
        if fields is not None:
            return fields.get(node.attr)
        return "column" if node.attr in ("values", "array") and base == "column" else None

    def _kind_of_item(self, module: Module, node: ast.Subscript) -> str | None:
        base = self.kind(node.value)
        if base is None:
            return None
        if base.startswith(("dict:", "list:")):
            return base if isinstance(node.slice, ast.Slice) else base.partition(":")[2]
        fields = self.records.fields(base)
        key = module.value(node.slice)
        if fields is not None:
            return self._field(fields, str(key)) if isinstance(key, str | int) else None
        if base in HISTORIES:
            if isinstance(key, str):
                return "column"
            return base if isinstance(key, list) else "history-cut"
        if base == "column":
            return "column" if isinstance(node.slice, ast.Slice | ast.Compare) else None
        return "row" if base == "rows" and not isinstance(node.slice, ast.Slice) else None

    def _field(self, fields: Mapping[str, str | None], key: str) -> str | None:
        """Return the kind under a key, unless something else is stored under that key anywhere in the file."""
        kinds = {self.kind(value) for value in self.stores.keys.get(key, ())}
        return fields.get(key) if kinds <= {fields.get(key)} else None

    def _kind_of_call(self, module: Module, node: ast.Call) -> str | None:
        dotted = module.dotted(node.func)
        first = node.args[0] if node.args else None
        if dotted in ("wandb.Api", "wandb.apis.PublicApi", "wandb.apis.public.Api", "wandb.apis.public.api.Api"):
            return "api"
        if dotted in ("pandas.DataFrame", "pandas.DataFrame.from_records", "pandas.DataFrame.from_dict"):
            if first is None and not node.keywords:
                return EMPTY
            return {"rows": "history", "history": "history", "history-cut": "history-cut"}.get(self.kind(first) or "")
        if isinstance(node.func, ast.Name) and (
            node.func.id in ("list", "tuple", "sorted", "dict", "reversed", "enumerate", "zip", "tqdm")
        ):
            return self._kind_of_container(node, node.func.id)
        if isinstance(node.func, ast.Attribute):
            found = self._kind_of_method(node, node.func)
            if found is not None:
                return found
        target = self.flow.target(module, node)
        if target is not None and target[0] is module:
            return self._agreed([r.value for r in returns(*target) if r.value is not None])
        return self._kind_of_object(module, node)

    def _kind_of_container(self, node: ast.Call, name: str) -> str | None:
        kinds = [self.kind(given) for given in node.args]
        first = kinds[0] if kinds else None
        if name == "zip":
            return _within("list", self.records.kind({str(n): _element(kind) for n, kind in enumerate(kinds)}))
        if name == "enumerate":
            return _within("list", self.records.kind({"0": None, "1": _element(first)}))
        if name == "dict":
            if not node.args:
                return self.records.kind({k.arg: self.kind(k.value) for k in node.keywords if k.arg}) or EMPTY
            kept = first is not None and first.startswith(("summary-", "dict:", "record#"))
            return "summary-dict" if first == "summary" else first if kept and not node.keywords else None
        if first is not None and first.startswith("list:"):
            return first
        return first if first in ("rows", "runs", "column") and name != "sorted" else None

    def _kind_of_method(self, node: ast.Call, func: ast.Attribute) -> str | None:
        base, name = self.kind(func.value), func.attr
        if base is None:
            return None
        if base == "api":
            return {"run": "run", "runs": "runs"}.get(name)
        if base == "run" and name == "scan_history":
            return "rows"
        if base == "run" and name == "history":
            module = self.module
            is_rows = module and any(k.arg == "pandas" and module.value(k.value) is False for k in node.keywords)
            return "rows" if is_rows else "history"
        if base in HISTORIES:
            if name in _SAME_FRAME:
                return base if name in _SAME_ROWS else "history-cut"
            if name == "get":
                return "column"
            return None if name != "to_dict" else "history-dict" if base == "history" else "history-dict-cut"
        if base == "column":
            return "column" if name in _SAME_COLUMN else None
        if base.startswith("summary") and name == "copy":
            return base
        if base.startswith("dict:"):
            inner = base[5:]
            if name == "items":
                return _within("list", self.records.kind({"0": None, "1": inner}))
            return f"list:{inner}" if name == "values" else inner if name in ("get", "pop") else None
        fields = self.records.fields(base)
        if fields is not None and name in ("get", "pop") and node.args and self.module is not None:
            key = self.module.value(node.args[0])
            return self._field(fields, key) if isinstance(key, str) else None
        return None

    def _kind_of_object(self, module: Module, node: ast.Call) -> str | None:
        """Return the record that a call of an own class with fields makes."""
        made = module.top_level.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if not isinstance(made, ast.ClassDef) or any(k.arg is None for k in node.keywords):
            return None
        fields = [n.target.id for n in made.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        if any(isinstance(n, _FUNCTIONS) and n.name == "__init__" for n in made.body):
            return None
        given = {name: self.kind(value) for name, value in zip(fields, node.args, strict=False)}
        return self.records.kind(given | {k.arg: self.kind(k.value) for k in node.keywords if k.arg in fields})

    def _kind_of_sequence(self, node: ast.Tuple | ast.List) -> str | None:
        if any(isinstance(n, ast.Starred) for n in node.elts):
            return None
        if not node.elts:
            return EMPTY
        return self.records.kind({str(n): self.kind(value) for n, value in enumerate(node.elts)})

    def _kind_of_dict(self, module: Module, node: ast.Dict) -> str | None:
        if not node.keys:
            return EMPTY
        found: dict[str, str | None] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                fields = self.records.fields(self.kind(value))
                if fields is None:
                    return None
                found |= fields
                continue
            name = module.value(key)
            if not isinstance(name, str):
                return None
            found[name] = self.kind(value)
        return self.records.kind(found)

    def _kind_of_dict_comprehension(self, node: ast.DictComp) -> str | None:
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
        return _within("dict", self.kind(node.value))

    # -- names -------------------------------------------------------------------------------------------------

    def _kind_of_name(self, module: Module, node: ast.Name) -> str | None:
        nearest = self.stores.nearest(node)
        if nearest is not None:
            return self._kind_of_store(module, nearest)
        scope: ast.AST = module.scope(node)
        while True:
            stores = self.stores.names.get((scope, node.id), [])
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and any(
                a.arg == node.id for a in parameters(scope)
            ):
                if not stores:
                    return self._kind_of_parameter(scope, node.id)
                return self.records.merged(
                    {self._kind_of_parameter(scope, node.id), *(self._kind_of_store(module, n) for n in stores)}
                )
            if stores:
                return self.records.merged({self._kind_of_store(module, n) for n in stores})
            if isinstance(scope, ast.Module):
                return None
            scope = module.scope(scope)

    def _kind_of_store(self, module: Module, name: ast.Name) -> str | None:
        path: list[str] = []
        inner: ast.AST = name
        around = module.parent(name)
        while isinstance(around, ast.Tuple | ast.List):
            path.append(str(around.elts.index(inner)))  # type: ignore[arg-type]
            inner, around = around, module.parent(around)
        if isinstance(around, ast.Assign | ast.AnnAssign | ast.NamedExpr) and around.value is not None:
            kind = self._filled(module, name, around.value) if not path else self.kind(around.value)
        elif isinstance(around, ast.For | ast.comprehension):
            kind = _element(self.kind(around.iter))
        else:
            return None
        for step in reversed(path):
            fields = self.records.fields(kind)
            kind = fields.get(step) if fields is not None else None
        return kind

    def _filled(self, module: Module, name: ast.Name, value: ast.expr) -> str | None:
        """Return the kind of a name's value with what is put into it afterwards."""
        if _is_nothing(value):
            return EMPTY
        kind = self.kind(value)
        stored = self.stores.items.get((module.scope(name), name.id), [])
        fields = {} if kind == EMPTY else self.records.fields(kind)
        if not stored or fields is None or isinstance(value, ast.Tuple):
            return kind
        names = [module.value(key) for key, _ in stored]
        if all(isinstance(key, str) for key in names):
            more: dict[str, set[str | None]] = {}
            for key, (_, item) in zip(names, stored, strict=True):
                more.setdefault(key, set()).add(self.kind(item))
            return self.records.kind({**fields, **{key: self.records.merged(kinds) for key, kinds in more.items()}})
        is_list = all(isinstance(key, ast.Name) and key.id == name.id for key, _ in stored)
        inner = self.records.merged({self.kind(item) for _, item in stored})
        return _within("list" if is_list else "dict", inner) if kind == EMPTY else None

    def _kind_of_parameter(self, scope: Function | ast.Lambda, name: str) -> str | None:
        if not isinstance(scope, _FUNCTIONS):
            return None
        given = [
            self.flow.argument_of(scope, name, call) if where is self.module else None
            for where, call in self.flow.calls_of(scope)
        ]
        return self.records.merged({self.kind(value) for value in given if value is None or not _is_nothing(value)})

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


def _within(container: str, kind: str | None) -> str | None:
    return None if kind is None or kind == EMPTY or kind.count(":") > 4 else f"{container}:{kind}"


def _is_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
