"""Which split of a data set a value comes from: followed through the experiment's own functions, loops and records.

Everything that a value is computed from counts, and what is not known counts as `UNKNOWN_SPLIT`: what comes from
``{"test"}`` alone was computed from the test split and from no other data. Models, numbers and settings are no data.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from greenlight.review.engines.bound_names import Binding, BoundNames
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.engines.flow import Flow, returns
from greenlight.review.engines.run_values import RunValues
from greenlight.review.engines.split_libraries import (
    BUILTINS,
    DIVIDES,
    FACTS,
    KEEPS_SPLITS,
    NO_SOURCES,
    NUMBERS,
    READS,
    SAME,
    TRAIN_FLAG,
)
from greenlight.review.engines.split_values import (
    NOTHING,
    UNKNOWN_DATA,
    UNKNOWN_SPLIT,
    Frame,
    Value,
    item_of,
    joined,
    mixed,
)
from greenlight.review.module import UNKNOWN, Function, Module, argument, has_open_arguments, parameters, walk
from greenlight.review.subject import Subject

_DEEPEST, _MOST_STEPS = 12, 6000
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class SplitFlow:
    """Follows values back to the splits that they come from.

    Parameters
    ----------
    subject
        The experiment.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._flow = subject.derived(Flow)
        self._bound = subject.derived(BoundNames)
        self._values = subject.derived(RunValues)
        self._loaded = subject.derived(DataSets).loaded
        self._busy: set[tuple[int, int]] = set()
        self._known: dict[tuple[int, int], tuple[Value, ast.AST, Frame | None]] = {}
        self._steps = 0

    def splits_of(self, module: Module, node: ast.expr, given: Mapping[str, Value] | None = None) -> frozenset[str]:
        """Return the splits that an expression comes from, `UNKNOWN_SPLIT` among them where not all are known.

        Parameters
        ----------
        module, node
            The expression and its file.
        given
            Parameters of the function around it whose values are known.
        """
        self._steps, self._known, self._busy = 0, {}, set()
        function = module.function_around(node)
        frame = Frame(function, given or {}) if function is not None else None
        found = self._of(module, node, frame).all_splits
        return found | {UNKNOWN_SPLIT} if self._steps > _MOST_STEPS else found

    def _of(self, module: Module, node: ast.AST | None, frame: Frame | None) -> Value:
        if node is None or isinstance(node, ast.Constant):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            return Value(texts=frozenset({str(node.value)})) if is_text else NOTHING  # type: ignore[union-attr]
        key = (id(node), id(frame))
        if key in self._known:
            return self._known[key][0]
        self._steps += 1
        if key in self._busy or self._steps > _MOST_STEPS or len(self._busy) > 90:
            return NOTHING if key in self._busy else UNKNOWN_DATA
        self._busy.add(key)
        try:
            found = self._evaluated(module, node, frame)
        finally:
            self._busy.discard(key)
        self._known[key] = (found, node, frame)  # kept alive: the key is its address
        return found

    def _evaluated(self, module: Module, node: ast.AST, frame: Frame | None) -> Value:
        if isinstance(node, ast.Name):
            return self._of_name(module, node, frame)
        if isinstance(node, ast.Attribute):
            return self._of_attribute(module, node, frame)
        if isinstance(node, ast.Subscript):
            return self._ofitem_of(module, node, frame)
        if isinstance(node, ast.Call):
            return self._of_call(module, node, frame)
        if isinstance(node, ast.IfExp):
            return joined([self._of(module, node.body, frame), self._of(module, node.orelse, frame)])
        if isinstance(node, ast.BoolOp):
            return joined(self._of(module, part, frame) for part in node.values)
        if isinstance(node, ast.NamedExpr | ast.Await | ast.Starred | ast.FormattedValue):
            return self._of(module, node.value, frame)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return item_of(self._of(module, node.elt, frame))
        if isinstance(node, ast.DictComp):
            return mixed([self._of(module, node.key, frame), self._of(module, node.value, frame)])
        if isinstance(node, ast.Tuple):
            places = {str(n): self._of(module, part, frame) for n, part in enumerate(node.elts)}
            return Value(fields=places, is_tuple=True)
        if isinstance(node, ast.List | ast.Set):
            return joined(item_of(self._of(module, part, frame)) for part in node.elts)
        if isinstance(node, ast.Dict):
            return self._of_dict(module, node, frame)
        if isinstance(node, ast.Lambda):
            return NOTHING
        return mixed(self._of(module, part, frame) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))

    def _of_dict(self, module: Module, node: ast.Dict, frame: Frame | None) -> Value:
        fields: dict[str, Value] = {}
        rest: list[Value] = []
        for key, part in zip(node.keys, node.values, strict=True):
            name, value = module.value(key) if key is not None else UNKNOWN, self._of(module, part, frame)
            if key is None:
                fields |= value.fields
                rest.append(Value(value.splits))
            elif isinstance(name, str):
                fields[name] = value
            else:
                rest.append(value)
        return Value(mixed(rest).splits, fields)

    # -- names -------------------------------------------------------------------------------------------------

    def _of_name(self, module: Module, node: ast.Name, frame: Frame | None) -> Value:
        inside = self._bound.of_comprehension(module, node)
        if inside is not None:
            return self._of_binding(module, inside, frame)
        scope: ast.AST = module.scope(node)
        while not isinstance(scope, ast.Module):
            if isinstance(scope, ast.Lambda) and any(a.arg == node.id for a in parameters(scope)):
                return NOTHING if frame is None or frame.scope is not scope else frame.given.get(node.id, NOTHING)
            own = frame
            while own is not None and own.scope is not scope:
                own = own.outer
            bindings = self._bound.of(module, scope, node.id)
            is_parameter = isinstance(scope, _FUNCTIONS) and any(a.arg == node.id for a in parameters(scope))
            if bindings or is_parameter:
                found = [self._of_binding(module, binding, own) for binding in bindings]
                if is_parameter and isinstance(scope, _FUNCTIONS):
                    found.append(self._of_parameter(module, scope, node, own))
                return joined(found)
            scope = module.scope(scope)
        bindings = self._bound.of(module, scope, node.id)
        if bindings:
            return joined(self._of_binding(module, binding, None) for binding in bindings)
        return self._of_global(module, node)

    def _of_global(self, module: Module, node: ast.Name) -> Value:
        source, _, name = (module.imports.get(node.id) or "").rpartition(".")
        for other in self._subject.code:
            if other.name == source and name not in other.top_level:
                return joined(self._of_binding(other, one, None) for one in self._bound.of(other, other.tree, name))
        return NOTHING

    def _of_parameter(self, module: Module, function: Function, node: ast.Name, frame: Frame | None) -> Value:
        if frame is not None and node.id in frame.given:
            return frame.given[node.id]
        if node.id in ("self", "cls", "trial") or self._values.path(module, node) is not None:
            return NOTHING
        sites = self._flow.calls_of(function)
        if not sites or not self._flow.is_only_called(module, function):
            return UNKNOWN_DATA
        found = []
        for where, call in sites:
            given = self._flow.argument_of(function, node.id, call)
            if given is None:
                return UNKNOWN_DATA
            found.append(self._of(where, given, None))
        return joined(found)

    def _of_binding(self, module: Module, binding: Binding, frame: Frame | None) -> Value:
        value = self._of(module, binding.value, frame)
        if binding.is_item:
            value = item_of(value)
        if binding.is_walked and value.is_tuple:
            value = joined(value.fields.values())
        for n, step in enumerate(binding.path):
            if step in value.fields and (value.is_tuple or (n == 0 and binding.is_walked)):
                value = value.fields[step]
            else:
                value = Value(value.all_splits)
        if binding.key is None:
            return value
        return Value(fields={binding.key: value})

    # -- parts -------------------------------------------------------------------------------------------------

    def _of_attribute(self, module: Module, node: ast.Attribute, frame: Frame | None) -> Value:
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return self._of_own(module, node.attr, module, node, frame)
        if self._values.path(module, node) is not None:
            return Value(texts=self._values.strings(module, node))
        base = self._of(module, node.value, frame)
        if node.attr in base.fields:
            return base.fields[node.attr]
        if base.owner is not None:
            return self._of_own(base.owner[0], node.attr, base.owner[0], base.owner[1], base.frame)
        return NOTHING if node.attr in FACTS else Value(base.all_splits)

    def _of_own(self, module: Module, name: str, where: Module, at: ast.AST, frame: Frame | None) -> Value:
        """Return what an attribute of an instance can be: all that its class assigns to it."""
        own = at if isinstance(at, ast.ClassDef) else None
        owner = own or next((a for a in where.ancestors(at) if isinstance(a, ast.ClassDef)), None)
        if owner is None:
            return UNKNOWN_DATA
        stored = self._bound.of_attribute(module, owner, name)
        if not stored:
            return UNKNOWN_DATA if name not in {n.name for n in owner.body if isinstance(n, _FUNCTIONS)} else NOTHING
        instance = frame.given.get("self") if frame is not None else None
        made = instance.frame if instance is not None and instance.frame is not None else frame
        return joined(self._of_binding(module, binding, made) for binding in stored)

    def _ofitem_of(self, module: Module, node: ast.Subscript, frame: Frame | None) -> Value:
        if self._values.path(module, node) is not None:
            return Value(texts=self._values.strings(module, node))
        base = self._of(module, node.value, frame)
        if isinstance(node.slice, ast.Slice):
            return base if self._is_from_start(module, node.slice) else Value(base.all_splits | {UNKNOWN_SPLIT})
        key = module.value(node.slice)
        keys = frozenset({key}) if isinstance(key, str) else self._of(module, node.slice, frame).texts
        if base.whole:
            return Value(keys) if keys else UNKNOWN_DATA
        if isinstance(key, int) and base.is_tuple:
            return base.fields.get(str(key), Value(base.all_splits))
        if len(keys) == 1 and next(iter(keys)) in base.fields:
            return base.fields[next(iter(keys))]
        is_list = not base.is_tuple and (isinstance(key, int) or (key is UNKNOWN and not keys))
        return base if is_list else Value(base.all_splits)

    def _is_from_start(self, module: Module, part: ast.Slice) -> bool:
        """Return whether a slice takes no second part: it begins at the start, or where a loop is."""
        if part.lower is None or module.value(part.lower) == 0:
            return True
        loops = [
            a for a in module.ancestors(part) if isinstance(a, ast.For | ast.While | ast.ListComp | ast.GeneratorExp)
        ]
        return bool(loops)

    # -- calls -------------------------------------------------------------------------------------------------

    def _of_call(self, module: Module, node: ast.Call, frame: Frame | None) -> Value:
        if node in self._loaded:
            return self._of_loading(module, node, frame)
        if self._values.path(module, node) is not None:
            return Value(texts=self._values.strings(module, node))
        dotted = module.dotted(node.func) or ""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in NUMBERS:
            return NOTHING
        own = self._own_call(module, node, frame)
        if own is not None:
            return own
        given = [self._of(module, a, frame) for a in node.args]
        given += [self._of(module, k.value, frame) for k in node.keywords]
        base = NOTHING
        if isinstance(node.func, ast.Attribute) and not dotted:
            base = self._of(module, node.func.value, frame)
            if name in ("items", "get", "pop", "values", "copy", "keys"):
                return self._of_container(module, node, name, base)
            if base.whole and name in KEEPS_SPLITS:
                return base
        elif dotted.startswith("torchvision.datasets."):
            return Value(frozenset({TRAIN_FLAG.get(module.value(argument(node, "train", 1)), UNKNOWN_SPLIT)}))
        elif dotted and not dotted.startswith(NO_SOURCES):
            return UNKNOWN_DATA
        elif isinstance(node.func, ast.Name) and not dotted and name not in BUILTINS:
            base = self._of(module, node.func, frame)  # a local name: a model, a tokenizer
        is_free = isinstance(node.func, ast.Name) and base is NOTHING
        if (
            name in DIVIDES
            or ((dotted or is_free) and name.startswith(READS))
            or self._is_second_part(module, node, name)
        ):
            return Value(mixed([base, *given]).splits | {UNKNOWN_SPLIT})
        if name in SAME and given:
            return given[0]
        if name == "zip":
            return Value(fields={str(n): value for n, value in enumerate(given)})
        if name == "enumerate" and given:
            return Value(fields={"0": NOTHING, "1": given[0]})
        return mixed([base, *given])

    @staticmethod
    def _of_container(module: Module, node: ast.Call, name: str, base: Value) -> Value:
        if name in ("get", "pop") and node.args:
            key = module.value(node.args[0])
            return base.fields[key] if isinstance(key, str) and key in base.fields else Value(base.all_splits)
        if name == "items":
            return Value(fields={"0": NOTHING, "1": Value(base.all_splits)})
        return base if name == "copy" else Value(base.all_splits)

    @staticmethod
    def _is_second_part(module: Module, node: ast.Call, name: str) -> bool:
        """Return whether ``select(range(a, b))`` or the like takes rows that do not begin with the first."""
        if name not in ("select", "islice", "take", "batch"):
            return False
        inner = next((a for a in node.args if isinstance(a, ast.Call)), None)
        if name == "islice":
            return len(node.args) > 2 and module.value(node.args[1]) not in (0, None)
        if name == "select" and inner is not None and getattr(inner.func, "id", "") == "range":
            return len(inner.args) > 1 and module.value(inner.args[0]) != 0
        return name == "select"

    def _of_loading(self, module: Module, node: ast.Call, frame: Frame | None) -> Value:
        if self._loaded[node].whole:
            return Value(whole=True)
        texts = self._of(module, argument(node, "split", 5), frame).texts
        return Value(texts) if texts and not any("[" in text or "+" in text for text in texts) else UNKNOWN_DATA

    def _own_call(self, module: Module, node: ast.Call, frame: Frame | None) -> Value | None:
        """Return what a call of an own function, method or class gives; None for any other call."""
        dotted = module.dotted(node.func)
        found = self._subject.find(dotted) if dotted else None
        if found is not None and isinstance(found[1], ast.ClassDef):
            return self._made(*found, module, node, frame)
        target = self._flow.target(module, node)
        instance: Value | None = None
        if target is None and isinstance(node.func, ast.Attribute):
            instance = self._of(module, node.func.value, frame)
            if instance.owner is not None:
                body = instance.owner[1].body
                method = next((n for n in body if isinstance(n, _FUNCTIONS) and n.name == node.func.attr), None)
                target = (instance.owner[0], method) if method is not None else None
        if target is None:
            return None
        depth = 0 if frame is None else frame.depth
        if depth >= _DEEPEST:
            return UNKNOWN_DATA
        where, function = target
        given = self._arguments(module, node, function, frame)
        if instance is not None:
            given["self"] = instance
        elif frame is not None and "self" in frame.given:
            given.setdefault("self", frame.given["self"])
        outer = frame if where.scope(function) is not where.tree else None
        inner = Frame(function, given, outer, depth + 1)
        results = [self._of(where, r.value, inner) for r in returns(where, function) if r.value is not None]
        results += [
            self._of(where, n.value, inner)
            for n in walk(function)
            if isinstance(n, ast.Yield | ast.YieldFrom) and where.scope(n) is function
        ]
        return joined(results)

    def _arguments(self, module: Module, node: ast.Call, function: Function, frame: Frame | None) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for parameter in parameters(function):
            if parameter.arg in ("self", "cls"):
                continue
            given = self._flow.argument_of(function, parameter.arg, node)
            # A default that is no constant belongs to the function, not to the call.
            is_own = given is None or isinstance(given, ast.Constant) or module.function_around(given) is not function
            value = self._of(module, given, frame) if is_own else NOTHING
            found[parameter.arg] = value if given is not None or not has_open_arguments(node) else UNKNOWN_DATA
        return found

    def _made(self, where: Module, owner: ast.ClassDef, module: Module, node: ast.Call, frame: Frame | None) -> Value:
        """Return an instance of an own class: its fields, or what its constructor was given."""
        constructor = next((n for n in owner.body if isinstance(n, _FUNCTIONS) and n.name == "__init__"), None)
        given = [self._of(module, a, frame) for a in node.args]
        named = {k.arg: self._of(module, k.value, frame) for k in node.keywords if k.arg is not None}
        everything = mixed([*given, *named.values(), *([UNKNOWN_DATA] if has_open_arguments(node) else [])]).splits
        if constructor is None:
            names = [n.target.id for n in owner.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
            fields = dict(zip(names, given, strict=False)) | named
            return Value(fields=fields, owner=(where, owner)) if fields and not owner.bases else Value(everything)
        names = [a.arg for a in parameters(constructor)][1:]
        inner = Frame(
            constructor, dict(zip(names, given, strict=False)) | named, None, 1 + (frame.depth if frame else 0)
        )
        return Value(everything, owner=(where, owner), frame=inner)
