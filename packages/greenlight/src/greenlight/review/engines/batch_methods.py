"""What the methods of a data set do to its columns: ``map``, ``remove_columns``, ``rename_column`` and the others."""

from __future__ import annotations

import ast
from dataclasses import replace

from greenlight.review.engines.batch_calls import Calls
from greenlight.review.engines.batch_values import OPEN, Column, Columns, Data, Environment, Frame, Row, Value
from greenlight.review.module import UNKNOWN, argument, parameters

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


class DataMethods(Calls):
    """Methods of data sets."""

    def _data_method(self, frame: Frame, node: ast.Call, func: ast.Attribute, base: Data) -> Value:
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

    def _column_list(self, frame: Frame, node: ast.expr | None, base: Data) -> frozenset[str] | None:
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

    def _chosen_columns(self, frame: Frame, node: ast.ListComp, base: Data) -> frozenset[str] | None:
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

    def _mapped(self, frame: Frame, node: ast.Call, base: Data) -> Data:
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

    def _removed(self, frame: Frame, node: ast.expr) -> Value:
        return self._value(frame, node)

    def _read_by(self, frame: Frame, node: ast.expr | None, base: Data) -> Columns:
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
        env: Environment = dict(frame.env) if module is frame.module else {}
        env |= {name: self._default(a) for a in parameters(function) for name in [a.arg]}
        env |= {name: value for name, value in named.items() if name is not None and value is not UNKNOWN}
        result = self._run(module, function, {**env, names[0]: row})
        if isinstance(result, Row):
            return result.columns
        return OPEN
