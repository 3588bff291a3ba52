"""What calls do to data sets and rows: loading, tokenizing, ``map`` and its kin, own functions and classes."""

from __future__ import annotations

import ast
from abc import abstractmethod
from dataclasses import replace

from greenlight.review.engines.batch_machine import Machine
from greenlight.review.engines.batch_values import (
    Columns,
    Data,
    Frame,
    Listing,
    Loader,
    Own,
    Read,
    Row,
    Several,
    Tokenizer,
    Value,
    element,
    join,
)
from greenlight.review.engines.own_rows import changes_what_it_is_given, columns_of_items, method_of
from greenlight.review.module import UNKNOWN, Function, Module, argument, has_open_arguments

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
_WRAPPERS = frozenset({"tqdm", "tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.std.tqdm", "itertools.islice"})
_LOADERS = frozenset({"torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader"})
_DATA_SETS = frozenset({"torch.utils.data.Dataset", "torch.utils.data.dataset.Dataset"})


class Calls(Machine):
    """Calls of libraries, of the experiment's own functions, and of methods of what is known."""

    @abstractmethod
    def _loader(self, frame: Frame, node: ast.Call) -> Loader:
        """Return the loader that a call makes."""

    @abstractmethod
    def _data_method(self, frame: Frame, node: ast.Call, func: ast.Attribute, base: Data) -> Value:
        """Return what a method of a data set gives."""

    def _call(self, frame: Frame, node: ast.Call) -> Value:
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
                return element(given[0])
            if node.func.id == "dict" and len(given) == 1 and not node.keywords and isinstance(given[0], Row):
                return given[0]
            if isinstance(frame.env.get(node.func.id), Tokenizer):
                return Row(Columns(_TOKENIZED, _PERHAPS_TOKENIZED, open=False), made=node)
        if isinstance(node.func, ast.Attribute):
            result = self._method(frame, node, node.func)
            if result is not None:
                return result
        made = self._own_object(frame, node, given, named)
        if made is not None:
            return made
        function = self._own_function(frame, node.func)
        if function is not None:
            result = self._enter(*function, node, given, named)
            if changes_what_it_is_given(function[1]):
                for argument_node in (*node.args, *(k.value for k in node.keywords)):
                    self._forget(frame, argument_node)
            return result
        # Whoever gets a batch may change it.
        for argument_node in (*node.args, *(k.value for k in node.keywords if k.arg is not None)):
            self._forget_if_changed(frame, node, argument_node)
        return UNKNOWN

    def _forget_if_changed(self, frame: Frame, call: ast.Call, node: ast.expr) -> None:
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

    def _enter(
        self, module: Module, function: Function, call: ast.Call, given: list[Value], named: dict[str | None, Value]
    ) -> Value:
        if has_open_arguments(call) or function.decorator_list:
            return UNKNOWN
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        env = {name: value for name, value in zip(names, given, strict=False) if value is not UNKNOWN}
        env |= {name: value for name, value in named.items() if name is not None and value is not UNKNOWN}
        return self._run(module, function, env)

    def _own_object(
        self, frame: Frame, node: ast.Call, given: list[Value], named: dict[str | None, Value]
    ) -> Value | None:
        """Return what a call of a class of the experiment makes; None for any other call."""
        dotted = frame.module.dotted(node.func)
        found = self._subject.find(dotted) if dotted else None
        if found is None or not isinstance(found[1], ast.ClassDef):
            return None
        made = Own(*found)
        start = method_of(found[1], "__init__")
        if start is not None:
            self._enter(found[0], start, node, [made, *given], named)
        bases = {found[0].dotted(base.value if isinstance(base, ast.Subscript) else base) for base in found[1].bases}
        if bases & _DATA_SETS:
            return Data(columns_of_items(found[0], found[1]))
        return made

    def _loaded(self, node: ast.Call) -> Data:
        loaded = self._data_sets.loaded[node]
        public = loaded.public
        columns = {one.columns for one in public}
        if len(columns) != 1 or not (known := columns.pop()):
            return Data(streaming=loaded.streaming, by_split=loaded.whole)
        return Data(
            Columns(frozenset(known), open=False), loaded.streaming, loaded.whole, public[0].name, public[0].texts
        )

    def _method(self, frame: Frame, node: ast.Call, func: ast.Attribute) -> Value | None:
        base = self._value(frame, func.value)
        if func.attr == "generate":
            self._note_generate(frame, node)
        if isinstance(base, Data):
            return self._data_method(frame, node, func, base)
        if isinstance(base, Row):
            return self._row_method(frame, node, func, base)
        if isinstance(base, Own):
            method = method_of(base.owner, func.attr)
            given = [base, *(self._value(frame, a) for a in node.args)]
            named = {k.arg: self._value(frame, k.value) for k in node.keywords}
            return UNKNOWN if method is None else self._enter(base.module, method, node, given, named)
        if isinstance(base, Several | Listing) and func.attr == "append" and isinstance(func.value, ast.Name):
            added = Listing(self._value(frame, node.args[0])) if len(node.args) == 1 else UNKNOWN
            frame.env[func.value.id] = UNKNOWN if added == Listing(UNKNOWN) else join(base, added)
            return UNKNOWN
        if isinstance(base, Tokenizer):
            if func.attr in ("encode_plus", "batch_encode_plus", "__call__"):
                return Row(Columns(_TOKENIZED, _PERHAPS_TOKENIZED, open=False), made=node)
            return UNKNOWN
        if func.attr in ("to", "cuda") and isinstance(base, Loader):
            return base
        return None

    def _note_generate(self, frame: Frame, node: ast.Call) -> None:
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
        spread = next((k.value for k in node.keywords if k.arg is None), None)
        if given is None and spread is not None:
            row = self._value(frame, spread)
            if isinstance(row, Row) and "input_ids" in row.columns.sure:
                self.generated.append((frame.module, node, "input_ids", row))
        if isinstance(given, ast.Subscript):
            row, key = self._value(frame, given.value), frame.module.value(given.slice)
            if isinstance(row, Row) and isinstance(key, str):
                self.generated.append((frame.module, node, key, row))

    def _row_method(self, frame: Frame, node: ast.Call, func: ast.Attribute, base: Row) -> Value:
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
