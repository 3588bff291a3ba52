"""Which columns a data set has at each point, which keys its batches get, and which are read from them.

A small interpreter follows ``load_dataset`` -> ``map`` -> ``DataLoader`` -> ``for batch in loader`` through names,
tuples and the experiment's own functions, statement by statement. Whatever it does not know for sure makes the columns
*open*: any key may be there then, and no rule says anything about it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from greenlight.review.engines.data_sets import DataSets
from greenlight.review.engines.run_values import RunValues
from greenlight.review.module import UNKNOWN, Function, Module, argument, has_open_arguments, parameters, walk
from greenlight.review.subject import Subject

_TOKENIZED = frozenset({"input_ids", "attention_mask"})
_PERHAPS_TOKENIZED = frozenset(
    [
        "token_type_ids",
        "special_tokens_mask",
        "offset_mapping",
        "length",
        "overflow_to_sample_mapping",
        "overflowing_tokens",
        "num_truncated_tokens",
        "labels",
        "decoder_input_ids",
        "position_ids",
        "entity_ids",
        "bbox",
    ]
)
_SAME_COLUMNS = frozenset(
    [
        "shuffle",
        "select",
        "take",
        "skip",
        "filter",
        "shard",
        "flatten_indices",
        "to_iterable_dataset",
        "with_format",
        "sort",
        "class_encode_column",
        "repeat",
    ]
)
_WRAPPERS = frozenset({"tqdm", "tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.std.tqdm", "itertools.islice"})
_LOADERS = frozenset({"torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader"})
_MOST_CALLS = 120


@dataclass(frozen=True)
class Columns:
    """Keys that are there for sure, keys that may be there, and whether any other may be there too."""

    sure: frozenset[str] = frozenset()
    perhaps: frozenset[str] = frozenset()
    open: bool = True

    def lacks(self, key: str) -> bool:
        """Return whether a key is certainly not there."""
        return not self.open and key not in self.sure and key not in self.perhaps

    def plus(self, *keys: str) -> Columns:
        """Return these and more keys."""
        return replace(self, sure=self.sure | set(keys), perhaps=self.perhaps - set(keys))

    def minus(self, keys: Iterable[str]) -> Columns:
        """Return these without some keys."""
        gone = set(keys)
        return replace(self, sure=self.sure - gone, perhaps=self.perhaps - gone)

    def listed(self) -> str:
        """Return the keys for a message."""
        return ", ".join(sorted(self.sure)) or "none"


OPEN = Columns()


@dataclass(frozen=True)
class Data:
    """A data set: its columns, whether it streams, and whether nothing but loading has touched its columns."""

    columns: Columns = OPEN
    streaming: bool | None = None
    by_split: bool = False
    raw: str | None = None  # the name of the public data set as long as its columns are its own
    texts: frozenset[str] = frozenset()  # columns that hold text for sure


@dataclass(frozen=True)
class Loader:
    """A ``DataLoader``: the call, what it loads, and what its batches have."""

    module: Module
    call: ast.Call
    data: Data | None
    columns: Columns
    collate: Function | None = None


@dataclass(frozen=True)
class Row:
    """One example, batch or dictionary; `loader` where it is a batch, `of_data` where it comes from a data set."""

    columns: Columns
    raw: str | None = None
    loader: Loader | None = None
    of_data: bool = False


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer."""


@dataclass(frozen=True)
class Several:
    """A tuple of values."""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """``ds.column_names`` of a data set."""

    data: Data


@dataclass(frozen=True)
class Read:
    """A key that is read from a row or batch.

    Attributes
    ----------
    module, node
        Where.
    key
        The key.
    row
        What it is read from.
    """

    module: Module
    node: ast.AST
    key: str
    row: Row


Value: TypeAlias = Any
_Environment: TypeAlias = dict[str, Value]


@dataclass
class _Frame:
    module: Module
    function: Function | None
    env: _Environment
    returned: list[Value] = field(default_factory=list)


class BatchKeys:
    """What is read from rows and batches whose keys are known.

    Parameters
    ----------
    subject
        The experiment.

    Attributes
    ----------
    reads
        Every read of a constant key from a row or batch that the interpreter followed.
    loaders
        Every ``DataLoader`` that it saw being made, by its call.
    measured
        Every ``len(...)`` of a data set or loader, with what it is asked of.
    generated
        Every call of ``generate`` with what its ``input_ids`` is read from: key and batch.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._values = subject.derived(RunValues)
        self._data_sets = subject.derived(DataSets)
        self._calls = 0
        self._stack: list[Function] = []
        self._known: dict[tuple[Function, frozenset[tuple[str, Value]]], Value] = {}
        self._called: set[Function] = set()
        self.reads: list[Read] = []
        self.loaders: dict[ast.Call, Loader] = {}
        self.measured: list[tuple[Module, ast.Call, Loader | Data]] = []
        self.generated: list[tuple[Module, ast.Call, str, Row]] = []
        if not self._data_sets.loaded:
            return
        tops: list[tuple[Module, Function]] = []
        for module in subject.code:
            tops += [(module, f) for f in module.functions if isinstance(module.parent(f), ast.Module)]
        # Whoever calls others first; those that nobody reached get their own turn.
        named = {module.dotted(n.func) for module in subject.code for n in module.nodes if isinstance(n, ast.Call)}
        for module, function in reversed(tops):
            if f"{module.name}.{function.name}" not in named:
                self._run(module, function, {})
        for module, function in tops:
            if function not in self._called:
                self._run(module, function, {})

    # -- statements --------------------------------------------------------------------------------------------

    def _run(self, module: Module, function: Function, env: _Environment) -> Value:
        key = (function, frozenset((k, v) for k, v in env.items() if v is not UNKNOWN))
        if key in self._known:
            return self._known[key]
        if function in self._stack or self._calls > _MOST_CALLS or len(self._stack) > 8:
            return UNKNOWN
        self._calls += 1
        self._called.add(function)
        self._stack.append(function)
        frame = _Frame(module, function, dict(env))
        for parameter in parameters(function):
            frame.env.setdefault(parameter.arg, self._default(parameter))
        try:
            self._block(frame, function.body)
        finally:
            self._stack.pop()
        generator = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in walk(function))
        self._known[key] = frame.returned[0] if len(frame.returned) == 1 and not generator else UNKNOWN
        return self._known[key]

    @staticmethod
    def _default(parameter: ast.arg) -> Value:
        annotated = ast.unparse(parameter.annotation) if parameter.annotation is not None else ""
        if parameter.arg in ("tokenizer", "tokeniser") or "Tokenizer" in annotated:
            return Tokenizer()
        return UNKNOWN

    def _block(self, frame: _Frame, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(frame, statement)

    def _statement(self, frame: _Frame, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign):
            value = self._value(frame, node.value)
            for target in node.targets:
                self._bind(frame, target, value)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._bind(frame, node.target, self._value(frame, node.value))
        elif isinstance(node, ast.AugAssign):
            self._value(frame, node.value)
            self._bind(frame, node.target, UNKNOWN)
        elif isinstance(node, ast.Return):
            frame.returned.append(UNKNOWN if node.value is None else self._value(frame, node.value))
        elif isinstance(node, ast.Expr):
            self._value(frame, node.value)
        elif isinstance(node, ast.For | ast.AsyncFor):
            items = self._value(frame, node.iter)
            self._branches(
                frame, [[*node.body], []], first=lambda: self._bind_each(frame, node.target, node.iter, items)
            )
            self._block(frame, node.orelse)
        elif isinstance(node, ast.While | ast.If):
            self._value(frame, node.test)
            self._branches(frame, [node.body, node.orelse])
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._value(frame, item.context_expr)
                if item.optional_vars is not None:
                    self._bind(frame, item.optional_vars, UNKNOWN)
            self._block(frame, node.body)
        elif isinstance(node, ast.Try):
            self._branches(frame, [[*node.body, *node.orelse], *([*h.body] for h in node.handlers)])
            self._block(frame, node.finalbody)
        elif isinstance(node, ast.FunctionDef):
            frame.env[node.name] = node
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Subscript):
                    self._forget(frame, target.value)
                else:
                    self._bind(frame, target, UNKNOWN)
        else:
            for name in walk(node):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    frame.env[name.id] = UNKNOWN

    def _branches(self, frame: _Frame, bodies: list[list[ast.stmt]], first: Any = None) -> None:
        """Run alternatives from the same start; what they disagree about is unknown afterwards."""
        start, ends = dict(frame.env), []
        for index, body in enumerate(bodies):
            frame.env = dict(start)
            if index == 0 and first is not None:
                first()
            self._block(frame, body)
            if not (body and isinstance(body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)):
                ends.append(frame.env)
        if not ends:
            frame.env = start
            return
        merged = dict(ends[0])
        for end in ends[1:]:
            for name in merged.keys() | end.keys():
                if merged.get(name, UNKNOWN) != end.get(name, UNKNOWN):
                    merged[name] = UNKNOWN
        frame.env = merged

    def _bind(self, frame: _Frame, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            frame.env[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            known = isinstance(value, Several) and len(value.items) == len(target.elts)
            for index, inner in enumerate(target.elts):
                self._bind(frame, inner, value.items[index] if known else UNKNOWN)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            key, row = frame.module.value(target.slice), frame.env.get(target.value.id)
            if isinstance(row, Row):
                columns = row.columns.plus(key) if isinstance(key, str) else OPEN
                frame.env[target.value.id] = replace(row, columns=columns)
            elif isinstance(row, Data):
                frame.env[target.value.id] = replace(row, columns=OPEN, raw=None)

    def _bind_each(self, frame: _Frame, target: ast.expr, source: ast.expr, items: Value) -> None:
        numbered = (
            isinstance(source, ast.Call)
            and isinstance(source.func, ast.Name)
            and source.func.id == "enumerate"
            and isinstance(target, ast.Tuple)
            and len(target.elts) == 2
        )
        each = self._element(items)
        if numbered and isinstance(target, ast.Tuple):
            self._bind(frame, target.elts[0], UNKNOWN)
            target = target.elts[1]
        self._bind(frame, target, each)

    @staticmethod
    def _element(items: Value) -> Value:
        if isinstance(items, Loader):
            return Row(items.columns, loader=items, of_data=True)
        if isinstance(items, Data) and not items.by_split:
            return Row(items.columns, items.raw, of_data=True)
        return UNKNOWN

    def _forget(self, frame: _Frame, node: ast.expr) -> None:
        if isinstance(node, ast.Name) and isinstance(frame.env.get(node.id), Row | Data):
            frame.env[node.id] = UNKNOWN

    # -- expressions -------------------------------------------------------------------------------------------

    def _value(self, frame: _Frame, node: ast.expr) -> Value:
        if isinstance(node, ast.Name):
            if node.id in frame.env:
                return frame.env[node.id]
            return UNKNOWN
        if isinstance(node, ast.Tuple | ast.List):
            return Several(tuple(self._value(frame, e) for e in node.elts))
        if isinstance(node, ast.Attribute):
            base = self._value(frame, node.value)
            if isinstance(base, Data) and node.attr in ("column_names", "features"):
                return Column(base)
            return base if isinstance(base, Row) and node.attr == "data" else UNKNOWN
        if isinstance(node, ast.Subscript):
            return self._subscript(frame, node)
        if isinstance(node, ast.Call):
            return self._call(frame, node)
        if isinstance(node, ast.Dict):
            return self._dict(frame, node)
        if isinstance(node, ast.DictComp):
            return self._dict_comprehension(frame, node)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            self._comprehension(frame, node)
            return UNKNOWN
        if isinstance(node, ast.IfExp):
            self._value(frame, node.test)
            one, other = self._value(frame, node.body), self._value(frame, node.orelse)
            return one if one == other else UNKNOWN
        if isinstance(node, ast.Lambda):
            return UNKNOWN
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._value(frame, child)
        return UNKNOWN

    def _subscript(self, frame: _Frame, node: ast.Subscript) -> Value:
        base = self._value(frame, node.value)
        key = frame.module.value(node.slice)
        if isinstance(base, Row) and isinstance(key, str):
            if isinstance(node.ctx, ast.Load) and not self._is_guarded(frame, node, key):
                self.reads.append(Read(frame.module, node, key, base))
            return UNKNOWN
        if isinstance(base, Data) and base.by_split:
            return replace(base, by_split=False)
        if isinstance(base, Several) and isinstance(key, int) and -len(base.items) <= key < len(base.items):
            return base.items[key]
        self._value(frame, node.slice)
        return UNKNOWN

    @staticmethod
    def _is_guarded(frame: _Frame, node: ast.AST, key: str) -> bool:
        """Return whether the function asks anywhere whether the key is there, or catches that it is not."""
        around: ast.AST = frame.function or frame.module.tree
        asked = any(
            isinstance(n, ast.Compare)
            and isinstance(n.ops[0], ast.In | ast.NotIn)
            and isinstance(n.left, ast.Constant)
            and n.left.value == key
            for n in walk(around)
        )
        return asked or any(isinstance(a, ast.Try) and a.handlers for a in frame.module.ancestors(node))

    def _dict(self, frame: _Frame, node: ast.Dict) -> Row:
        columns = Columns(open=False)
        for key, value in zip(node.keys, node.values, strict=True):
            inner = self._value(frame, value)
            if key is None:
                spread = inner.columns if isinstance(inner, Row) else OPEN
                columns = Columns(
                    columns.sure | spread.sure, columns.perhaps | spread.perhaps, columns.open or spread.open
                )
                continue
            name = frame.module.value(key)
            columns = columns.plus(name) if isinstance(name, str) else replace(columns, open=True)
        return Row(columns)

    def _dict_comprehension(self, frame: _Frame, node: ast.DictComp) -> Value:
        """``{k: f(v) for k, v in batch.items()}`` has the keys of the batch."""
        first = node.generators[0]
        source = first.iter
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute) and source.func.attr == "items":
            row = self._value(frame, source.func.value)
            if (
                isinstance(row, Row)
                and len(node.generators) == 1
                and not first.ifs
                and isinstance(first.target, ast.Tuple)
                and isinstance(first.target.elts[0], ast.Name)
                and isinstance(node.key, ast.Name)
                and node.key.id == first.target.elts[0].id
            ):
                return row
        return UNKNOWN

    def _comprehension(self, frame: _Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        saved = dict(frame.env)
        for generator in node.generators:
            items = self._value(frame, generator.iter)
            self._bind_each(frame, generator.target, generator.iter, items)
        self._value(frame, node.elt)
        frame.env = saved

    # -- calls -------------------------------------------------------------------------------------------------

    def _call(self, frame: _Frame, node: ast.Call) -> Value:
        module = frame.module
        dotted = module.dotted(node.func) or ""
        given = [self._value(frame, a) for a in node.args]
        named = {k.arg: self._value(frame, k.value) for k in node.keywords}
        if node in self._data_sets.loaded:
            return self._loaded(node)
        if dotted.startswith("transformers.") and dotted.endswith(".from_pretrained") and "Tokenizer" in dotted:
            return Tokenizer()
        if dotted in _LOADERS:
            return self._loader(frame, node)
        if (
            dotted in _WRAPPERS or (isinstance(node.func, ast.Name) and node.func.id in ("enumerate", "iter"))
        ) and given:
            return given[0]
        if isinstance(node.func, ast.Name):
            if node.func.id == "len" and given and isinstance(given[0], Loader | Data):
                self.measured.append((module, node, given[0]))
            if node.func.id == "next" and given:
                return self._element(given[0])
            if node.func.id == "dict" and len(given) == 1 and not node.keywords and isinstance(given[0], Row):
                return given[0]
            if isinstance(frame.env.get(node.func.id), Tokenizer):
                return Row(Columns(_TOKENIZED, _PERHAPS_TOKENIZED, open=False))
        if isinstance(node.func, ast.Attribute):
            result = self._method(frame, node, node.func)
            if result is not None:
                return result
        function = self._own_function(frame, node.func)
        if function is not None:
            return self._enter(*function, node, given, named)
        # Whoever gets a batch may change it.
        for argument_node in (*node.args, *(k.value for k in node.keywords if k.arg is not None)):
            self._forget_if_changed(frame, node, argument_node)
        return UNKNOWN

    def _forget_if_changed(self, frame: _Frame, call: ast.Call, node: ast.expr) -> None:
        quiet = isinstance(call.func, ast.Name) and call.func.id in (
            "len",
            "print",
            "isinstance",
            "list",
            "type",
            "sorted",
        )
        if not quiet:
            self._forget(frame, node)

    def _own_function(self, frame: _Frame, node: ast.expr) -> tuple[Module, Function] | None:
        if isinstance(node, ast.Name) and isinstance(frame.env.get(node.id), ast.FunctionDef):
            return frame.module, frame.env[node.id]
        dotted = frame.module.dotted(node)
        found = self._subject.find(dotted) if dotted else None
        if found is not None and isinstance(found[1], ast.FunctionDef):
            return found[0], found[1]
        return None

    def _enter(
        self, module: Module, function: Function, call: ast.Call, given: list[Value], named: dict[str | None, Value]
    ) -> Value:
        if has_open_arguments(call) or function.decorator_list:
            return UNKNOWN
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        env = {name: value for name, value in zip(names, given, strict=False) if value is not UNKNOWN}
        env |= {name: value for name, value in named.items() if name is not None and value is not UNKNOWN}
        return self._run(module, function, env)

    def _loaded(self, node: ast.Call) -> Data:
        loaded = self._data_sets.loaded[node]
        public = loaded.public
        columns = {one.columns for one in public}
        if len(columns) != 1 or not (known := columns.pop()):
            return Data(streaming=loaded.streaming, by_split=loaded.whole)
        return Data(
            Columns(frozenset(known), open=False), loaded.streaming, loaded.whole, public[0].name, public[0].texts
        )

    def _method(self, frame: _Frame, node: ast.Call, func: ast.Attribute) -> Value | None:
        base = self._value(frame, func.value)
        if func.attr == "generate":
            self._note_generate(frame, node)
        if isinstance(base, Data):
            return self._data_method(frame, node, func, base)
        if isinstance(base, Row):
            return self._row_method(frame, node, func, base)
        if isinstance(base, Tokenizer):
            if func.attr in ("encode_plus", "batch_encode_plus", "__call__"):
                return Row(Columns(_TOKENIZED, _PERHAPS_TOKENIZED, open=False))
            return UNKNOWN
        if func.attr in ("to", "cuda") and isinstance(base, Loader):
            return base
        return None

    def _note_generate(self, frame: _Frame, node: ast.Call) -> None:
        given = argument(node, "input_ids", 0) or argument(node, "inputs", 0)
        while (
            isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr in ("to", "cuda")
        ):
            given = given.func.value
        if isinstance(given, ast.Name):
            assigned = frame.module.assigned(given)
            while (
                isinstance(assigned, ast.Call)
                and isinstance(assigned.func, ast.Attribute)
                and assigned.func.attr in ("to", "cuda")
            ):
                assigned = assigned.func.value
            given = assigned
        if isinstance(given, ast.Subscript):
            row, key = self._value(frame, given.value), frame.module.value(given.slice)
            if isinstance(row, Row) and isinstance(key, str):
                self.generated.append((frame.module, node, key, row))

    def _row_method(self, frame: _Frame, node: ast.Call, func: ast.Attribute, base: Row) -> Value:
        key = frame.module.value(node.args[0]) if node.args else UNKNOWN
        if func.attr in ("to", "copy", "items", "keys", "cuda"):
            return base if func.attr in ("to", "copy", "cuda") else UNKNOWN
        if func.attr == "pop" and isinstance(key, str) and isinstance(func.value, ast.Name):
            if len(node.args) == 1 and not self._is_guarded(frame, node, key):
                self.reads.append(Read(frame.module, node, key, base))
            frame.env[func.value.id] = replace(base, columns=base.columns.minus([key]))
        elif func.attr in ("update", "setdefault", "clear", "popitem", "convert_to_tensors"):
            self._forget(frame, func.value)
        return UNKNOWN

    def _data_method(self, frame: _Frame, node: ast.Call, func: ast.Attribute, base: Data) -> Value:
        module = frame.module
        if func.attr == "map":
            return self._mapped(frame, node, base)
        if func.attr in _SAME_COLUMNS:
            if func.attr == "filter" and node.args:
                self._read_by(frame, node.args[0], base)
            return base
        if func.attr == "train_test_split":
            return replace(base, by_split=True)
        if func.attr in ("remove_columns", "select_columns"):
            names = self._column_list(frame, argument(node, "column_names", 0), base)
            if names is None:
                return replace(base, columns=OPEN, raw=None)
            kept = base.columns.minus(names)
            if func.attr == "select_columns":
                kept = Columns(frozenset(names), open=False)
            return replace(base, columns=kept, raw=None, texts=base.texts & kept.sure)
        if func.attr == "rename_column":
            old = module.value(argument(node, "original_column_name", 0))
            new = module.value(argument(node, "new_column_name", 1))
            if isinstance(old, str) and isinstance(new, str):
                texts = base.texts - {old} | ({new} if old in base.texts else set())
                return replace(base, columns=base.columns.minus([old]).plus(new), raw=None, texts=texts)
        if func.attr == "add_column":
            name = module.value(argument(node, "name", 0))
            if isinstance(name, str):
                return replace(base, columns=base.columns.plus(name), raw=None)
        if func.attr == "set_transform" and isinstance(func.value, ast.Name):
            frame.env[func.value.id] = replace(base, columns=OPEN, raw=None)
            return UNKNOWN
        if func.attr == "set_format" and isinstance(func.value, ast.Name):
            chosen = argument(node, "columns", 1)
            if chosen is not None:
                names = self._column_list(frame, chosen, base)
                columns = OPEN if names is None else Columns(frozenset(names), open=False)
                frame.env[func.value.id] = replace(base, columns=columns, texts=base.texts & columns.sure)
            return UNKNOWN
        return UNKNOWN

    def _column_list(self, frame: _Frame, node: ast.expr | None, base: Data) -> frozenset[str] | None:
        """Return the names of columns that an expression lists; None where not known."""
        if node is None:
            return frozenset()
        value = frame.module.value(node)
        if value is not UNKNOWN:
            listed = [value] if isinstance(value, str) else value
            return frozenset(listed) if isinstance(listed, list | tuple | set) else None
        if isinstance(node, ast.Name) and isinstance(chosen := frame.module.assigned(node), ast.ListComp):
            node = chosen
        if isinstance(node, ast.ListComp):
            return self._chosen_columns(frame, node, base)
        found = self._value(frame, node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "list" and node.args:
            found = self._value(frame, node.args[0])
        if isinstance(found, Column):
            # All columns of what was loaded; those that are not known by name are gone too.
            return base.columns.sure | base.columns.perhaps if found.data.columns == base.columns else None
        return None

    def _chosen_columns(self, frame: _Frame, node: ast.ListComp, base: Data) -> frozenset[str] | None:
        """Return what ``[c for c in ds.column_names if c not in ("label",)]`` lists; None where not known."""
        first = node.generators[0]
        source = self._value(frame, first.iter)
        if not isinstance(source, Column) or source.data.columns != base.columns or base.columns.open:
            return None
        same = isinstance(node.elt, ast.Name) and isinstance(first.target, ast.Name) and node.elt.id == first.target.id
        if not same or len(node.generators) != 1 or len(first.ifs) != 1 or not isinstance(first.ifs[0], ast.Compare):
            return None
        test = first.ifs[0]
        kept = frame.module.value(test.comparators[0])
        if isinstance(test.ops[0], ast.NotEq) and isinstance(kept, str):
            kept = [kept]
        elif not isinstance(test.ops[0], ast.NotIn):
            return None
        plain = isinstance(test.left, ast.Name) and isinstance(node.elt, ast.Name) and test.left.id == node.elt.id
        if not plain or not isinstance(kept, list | tuple | set):
            return None
        return base.columns.sure - set(kept)

    def _mapped(self, frame: _Frame, node: ast.Call, base: Data) -> Data:
        removing = argument(node, "remove_columns")
        function = argument(node, "function", 0)
        made = self._read_by(frame, function, base)
        removed = self._column_list(frame, removing, base)
        if base.columns.open and removing is not None and isinstance(self._removed(frame, removing), Column):
            kept = Columns(open=False)  # whatever there was is removed
        elif removed is None:
            kept = OPEN
        else:
            kept = base.columns.minus(removed)
        columns = Columns(kept.sure | made.sure, (kept.perhaps | made.perhaps) - made.sure, kept.open or made.open)
        return Data(columns, base.streaming, base.by_split, None, base.texts & kept.sure - made.sure)

    def _removed(self, frame: _Frame, node: ast.expr) -> Value:
        return self._value(frame, node)

    def _read_by(self, frame: _Frame, node: ast.expr | None, base: Data) -> Columns:
        """Run a function that is mapped over rows; return the keys it makes."""
        named: dict[str | None, Value] = {}
        skipped = 0
        if isinstance(node, ast.Name) and node.id not in frame.env:
            assigned = frame.module.assigned(node)
            node = assigned if isinstance(assigned, ast.Call | ast.Lambda) else node
        if isinstance(node, ast.Call) and frame.module.dotted(node.func) == "functools.partial" and node.args:
            named = {k.arg: self._value(frame, k.value) for k in node.keywords}
            skipped = len(node.args) - 1
            node = node.args[0]
        row = Row(base.columns, base.raw, of_data=True)
        if isinstance(node, ast.Lambda) and len(node.args.args) == 1:
            saved = dict(frame.env)
            frame.env[node.args.args[0].arg] = row
            result = self._value(frame, node.body)
            frame.env = saved
            return result.columns if isinstance(result, Row) else OPEN
        found = self._own_function(frame, node) if node is not None else None
        if found is None or skipped or None in named:
            return OPEN
        module, function = found
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        if not names or function.decorator_list:
            return OPEN
        env: _Environment = dict(frame.env) if module is frame.module else {}
        env |= {name: self._default(a) for a in parameters(function) for name in [a.arg]}
        env |= {name: value for name, value in named.items() if name is not None and value is not UNKNOWN}
        result = self._run(module, function, {**env, names[0]: row})
        if isinstance(result, Row):
            return result.columns
        return OPEN

    # -- loaders -----------------------------------------------------------------------------------------------

    def _loader(self, frame: _Frame, node: ast.Call) -> Loader:
        data = (
            self._value(frame, node.args[0])
            if node.args
            else self._value(frame, argument(node, "dataset") or node.func)
        )
        known = data if isinstance(data, Data) else None
        collating = argument(node, "collate_fn", 6)
        function: Function | None = None
        if known is None or known.by_split or has_open_arguments(node):
            columns = OPEN
        elif collating is None:
            columns = known.columns
        else:
            columns, function = self._collated(frame, collating, known)
        if function is None and collating is not None:
            found = self._own_function(frame, collating)
            function = found[1] if found is not None else None
        loader = Loader(frame.module, node, known, columns, function)
        self.loaders[node] = loader
        return loader

    def _collated(self, frame: _Frame, node: ast.expr, data: Data) -> tuple[Columns, Function | None]:
        if isinstance(node, ast.Name) and node.id not in frame.env:
            node = frame.module.assigned(node) or node
        made = node
        if isinstance(node, ast.Name):
            assigned = frame.module.assigned(node)
            made = assigned if assigned is not None else node
        if isinstance(made, ast.Call):
            name = (frame.module.dotted(made.func) or "").removeprefix("transformers.")
            if name == "DataCollatorWithPadding":
                renamed = data.columns.minus(["label", "label_ids"])
                labels = ["labels"] if data.columns.sure & {"label", "label_ids"} else []
                columns = renamed.plus(*labels)
                return replace(columns, perhaps=columns.perhaps | {"attention_mask", "labels"} - columns.sure), None
            if name in ("DataCollatorForLanguageModeling", "DataCollatorForSeq2Seq"):
                perhaps = data.columns.perhaps | {"attention_mask", "decoder_input_ids"} - data.columns.sure
                return replace(data.columns.plus("labels"), perhaps=perhaps), None
            return OPEN, None
        found = self._own_function(frame, node)
        if found is None or len(parameters(found[1])) != 1:
            return OPEN, None
        return self._keys_of_collate(*found, data), found[1]

    def _keys_of_collate(self, module: Module, function: Function, data: Data) -> Columns:
        """Return the keys of the dictionary that a collate function returns."""
        batch = parameters(function)[0].arg
        self._read_rows(module, function, batch, data)
        returns = [n for n in walk(function) if isinstance(n, ast.Return) and module.function_around(n) is function]
        if len(returns) != 1:
            return OPEN
        frame = _Frame(module, function, {})
        if isinstance(returns[0].value, ast.Dict):
            return self._dict(frame, returns[0].value).columns
        if not isinstance(returns[0].value, ast.Name):
            return OPEN
        name = returns[0].value.id
        columns: Columns | None = None
        for n in walk(function):
            if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store):
                statement = module.parent(n)
                value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
                if columns is not None or value is None:
                    return OPEN
                if isinstance(value, ast.Dict):
                    columns = self._dict(frame, value).columns
                elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
                    columns = Columns(open=False) if not value.args and not value.keywords else OPEN
                else:
                    return OPEN
        if columns is None:
            return OPEN
        for n in walk(function):
            if not (isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)):
                continue
            around = module.parent(n)
            if isinstance(around, ast.Return):
                continue
            if not (isinstance(around, ast.Subscript) and around.value is n):
                return OPEN
            if isinstance(around.ctx, ast.Load):
                continue
            key = module.value(around.slice)
            if isinstance(key, str):
                columns = columns.plus(key)
            elif isinstance(around.slice, ast.Name) and self._ranges_over_rows(module, function, around.slice, batch):
                more = data.columns
                columns = Columns(columns.sure | more.sure, columns.perhaps | more.perhaps, columns.open or more.open)
            else:
                return OPEN
        return columns

    def _read_rows(self, module: Module, function: Function, batch: str, data: Data) -> None:
        """Note what a collate function reads from the rows: ``[row["x"] for row in batch]``."""
        frame = _Frame(module, function, {batch: data})
        for n in walk(function):
            if isinstance(n, ast.ListComp | ast.GeneratorExp) and len(n.generators) == 1:
                source, target = n.generators[0].iter, n.generators[0].target
                if isinstance(source, ast.Name) and source.id == batch and isinstance(target, ast.Name):
                    self._comprehension(frame, n)

    @staticmethod
    def _ranges_over_rows(module: Module, function: Function, name: ast.Name, batch: str) -> bool:
        """Return whether a loop variable goes over the keys of ``batch[0]``."""
        for n in walk(function):
            if isinstance(n, ast.For) and isinstance(n.target, ast.Name) and n.target.id == name.id:
                source: ast.AST | None = n.iter
                if isinstance(source, ast.Name):
                    source = module.assigned(source)
                if (
                    isinstance(source, ast.Call)
                    and isinstance(source.func, ast.Attribute)
                    and source.func.attr == "keys"
                ):
                    source = source.func.value
                return (
                    isinstance(source, ast.Subscript)
                    and isinstance(source.value, ast.Name)
                    and source.value.id == batch
                    and module.value(source.slice) == 0
                )
        return False
