"""Which keys the batches of a ``DataLoader`` have: those of its rows, or those that its collate function makes."""

from __future__ import annotations

import ast
from dataclasses import replace

from greenlight.review.engines.batch_methods import DataMethods
from greenlight.review.engines.batch_values import OPEN, Columns, Data, Frame, Loader, Own
from greenlight.review.engines.own_rows import method_of
from greenlight.review.module import Function, Module, argument, has_open_arguments, parameters, walk


class Loaders(DataMethods):
    """Loaders and collate functions."""

    def _loader(self, frame: Frame, node: ast.Call) -> Loader:
        data = (
            self._value(frame, node.args[0])
            if node.args
            else self._value(frame, argument(node, "dataset") or node.func)
        )
        known = data if isinstance(data, Data) else None
        collating = argument(node, "collate_fn", 6)
        function: Function | None = None
        if has_open_arguments(node):
            columns = OPEN
        elif collating is not None:
            rows = Data() if known is None or known.by_split else known
            columns, function = self._collated(frame, collating, rows)
        else:
            columns = OPEN if known is None or known.by_split else known.columns
        loader = Loader(frame.module, node, known, columns, function)
        self.loaders[node] = loader
        return loader

    def _collated(self, frame: Frame, node: ast.expr, data: Data) -> tuple[Columns, Function | None]:
        if isinstance(node, ast.Name) and node.id not in frame.env:
            node = frame.module.assigned(node) or node
        made = node
        if isinstance(node, ast.Name):
            assigned = frame.module.assigned(node)
            made = assigned if assigned is not None else node
        if isinstance(made, ast.Call) and frame.module.dotted(made.func) == "functools.partial" and len(made.args) == 1:
            node = made.args[0]
        elif isinstance(made, ast.Lambda) and len(made.args.args) == 1 and isinstance(made.body, ast.Call):
            first = made.body.args[0] if made.body.args else None
            if not (isinstance(first, ast.Name) and first.id == made.args.args[0].arg):
                return OPEN, None
            node = made.body.func
        elif isinstance(made, ast.Call) and isinstance(owner := self._value(frame, made), Own):
            called = method_of(owner.owner, "__call__")
            if called is None or len(called.args.args) < 2:
                return OPEN, None
            return self._keys_of_collate(owner.module, called, called.args.args[1].arg, data), called
        elif isinstance(made, ast.Call):
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
        if found is None or found[1].decorator_list or not parameters(found[1]):
            return OPEN, None
        skipped = 1 if isinstance(found[0].parent(found[1]), ast.ClassDef) else 0
        names = [a.arg for a in (*found[1].args.posonlyargs, *found[1].args.args)]
        if len(names) <= skipped:
            return OPEN, None
        return self._keys_of_collate(*found, names[skipped], data), found[1]

    def _keys_of_collate(self, module: Module, function: Function, batch: str, data: Data) -> Columns:
        """Return the keys of the dictionary that a collate function returns for the rows in its parameter `batch`."""
        self._read_rows(module, function, batch, data)
        returns = [n for n in walk(function) if isinstance(n, ast.Return) and module.function_around(n) is function]
        if len(returns) != 1:
            return OPEN
        frame = Frame(module, function, {})
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
        frame = Frame(module, function, {batch: data})
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
