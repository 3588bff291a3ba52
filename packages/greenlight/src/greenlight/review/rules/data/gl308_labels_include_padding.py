"""GL308: labels are a copy of the padded input ids and are never masked."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.padding import Padding
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import UNKNOWN, Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_COLLATORS = (
    "DataCollatorForLanguageModeling",
    "DataCollatorForSeq2Seq",
    "DataCollatorForCompletionOnlyLM",
    "SFTTrainer",
)
_COPIES = frozenset({"copy", "clone", "detach"})


class LabelsIncludePadding(Rule):
    """The loss is taken over padding, and over the prompt, because no label is ever set to -100."""

    id = "GL308"
    name = "labels-include-padding"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.2",)
    summary = "Labels are a copy of padded input ids and -100 is never used, so the loss counts padding tokens."
    why = (
        "Cross entropy leaves out only targets of -100. A copy of input_ids keeps every pad token as a target: in one "
        "measured batch, 86 labels were padding. The loss then depends on how long the other rows of the batch are."
    )
    remedy = "Set the labels of padding (and of the prompt, where only the answer is learnt) to -100."
    valid = (
        {
            "src/preprocess.py": """
            def encode(row, tokenizer):
                found = tokenizer(row["text"], padding="max_length", truncation=True)
                found["labels"] = [t if m else -100 for t, m in zip(found["input_ids"], found["attention_mask"])]
                return found
            """
        },
        {
            "src/preprocess.py": """
            def group(rows, size):
                joined = sum(rows["input_ids"], [])
                found = {"input_ids": [joined[i : i + size] for i in range(0, len(joined), size)]}
                found["labels"] = found["input_ids"].copy()
                return found
            """
        },
        {
            "src/preprocess.py": """
            import torch
            from torch.nn.utils.rnn import pad_sequence

            IGNORED = -100

            def encode(prompt, answer):
                return {"ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}

            def collate(rows, tokenizer):
                ids = pad_sequence([row["ids"] for row in rows], True, padding_value=tokenizer.pad_token_id)
                labels = pad_sequence([row["labels"] for row in rows], batch_first=True, padding_value=IGNORED)
                return {"input_ids": ids, "labels": labels}
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            def encode(row, tokenizer):
                found = tokenizer(row["text"], padding="max_length", truncation=True, max_length=256)
                found["labels"] = found["input_ids"].copy()
                return found
            """
        },
        {
            "src/train.py": """
            def step(model, texts, tokenizer):
                found = tokenizer(texts, padding=True, return_tensors="pt")
                return model(**found, labels=found["input_ids"]).loss
            """
        },
        {
            "src/preprocess.py": """
            import torch
            from torch.nn.utils.rnn import pad_sequence

            IGNORED = -100

            def encode(prompt, answer):
                return {"ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}

            def collate(rows, tokenizer):
                ids = pad_sequence([row["ids"] for row in rows], True, padding_value=tokenizer.pad_token_id)
                labels = pad_sequence([row["labels"] for row in rows], True, padding_value=tokenizer.pad_token_id)
                return {"input_ids": ids, "labels": labels}
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each place where labels are copied from padded ids."""
        if any(self._masks(module) for module in subject.code):
            yield from self._padded_labels(subject)
            return
        pads_later = any(self._pads_by_id(module) for module in subject.code)
        for module in subject.code:
            for node in module.nodes:
                copied = self._copied_labels(module, node)
                if copied is None or (not pads_later and not self._pads_here(module, copied)):
                    continue
                yield self.at(
                    module,
                    node if isinstance(node, ast.stmt) else copied,
                    f"labels are {module.source(copied)} and no label is ever -100: the loss counts padding",
                    "set labels to -100 where attention_mask is 0, and over the prompt if only the answer is learnt",
                )

    def _padded_labels(self, subject: Subject) -> Iterator[Finding]:
        """Yield labels that are padded with the pad id, or copied from ids that are, and not masked on their way."""
        if not any("labels" in module.text and "pad" in module.text for module in subject.code):
            return
        padding = subject.derived(Padding)
        if any(self._masks_later(padding, module) for module in subject.code):
            return
        for module in subject.code:
            if "full" not in module.text and "pad_sequence" not in module.text:
                continue
            for function in module.functions:
                for given in padding.under(module, function, "labels"):
                    node = given
                    while (
                        isinstance(node, ast.Call)
                        and isinstance(node.func, ast.Attribute)
                        and (node.func.attr in _COPIES)
                    ):
                        node = node.func.value
                    if not isinstance(node, ast.Name):
                        continue
                    for name, value, with_pad_id in padding.padded(module, function):
                        if name != node.id or not with_pad_id:
                            continue
                        parts = padding.parts_written(module, function, name)
                        if parts is None or not all(_is_plain(module, part, to) for part, to in parts):
                            continue
                        copied = "" if node is given else f" ({module.source(given)})"
                        yield self.at(
                            module,
                            value if node is given else given,
                            f"labels{copied} are padded with the pad id and never set to -100 there: the loss counts "
                            "padding",
                            "pad labels with -100",
                        )

    @staticmethod
    def _masks_later(padding: Padding, module: Module) -> bool:
        """Return whether a file may take padding out of labels or of the loss."""
        for node in module.nodes:
            if isinstance(node, ast.keyword) and node.arg == "ignore_index":
                return True
            if isinstance(node, ast.keyword) and node.arg == "reduction":
                function = module.function_around(node)
                if function is None or not any(
                    isinstance(n, ast.Compare) and any(padding.constant(module, c) == -100 for c in n.comparators)
                    for n in walk(function)
                ):
                    return True
            if isinstance(node, ast.Attribute) and node.attr in ("masked_fill", "masked_fill_", "where", *_COLLATORS):
                return True
            if isinstance(node, ast.Name) and ("loss_mask" in node.id or node.id in _COLLATORS):
                return True
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and not _is_slice(node.slice):
                written = ast.unparse(node.value).lower()
                if "label" in written or "target" in written:
                    return True
        return False

    @staticmethod
    def _masks(module: Module) -> bool:
        """Return whether anything in a file could keep padding out of the loss."""
        for node in module.nodes:
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and module.value(node) == -100:
                return True
            if isinstance(node, ast.keyword) and node.arg in ("ignore_index", "reduction"):
                return True
            words = (
                [node.id]
                if isinstance(node, ast.Name)
                else [node.attr]
                if isinstance(node, ast.Attribute)
                else [node.arg]
                if isinstance(node, ast.arg)
                else []
            )
            for word in words:
                if (
                    "ignore" in word.lower()
                    or "label_pad" in word
                    or "loss_mask" in word
                    or "masked_fill" in word
                    or word in _COLLATORS
                ):
                    return True
        return any(name.rpartition(".")[2] in _COLLATORS for name in module.imports.values())

    @staticmethod
    def _pads_by_id(module: Module) -> bool:
        """Return whether a file pads with the tokenizer's pad id, or lets the tokenizer pad a batch."""
        for node in module.nodes:
            if isinstance(node, ast.keyword) and node.arg == "padding_value":
                value: ast.AST | None = node.value
                if isinstance(value, ast.Name):
                    value = module.assigned(value)
                if isinstance(value, ast.Attribute) and value.attr == "pad_token_id":
                    return True
        return False

    @staticmethod
    def _copied_labels(module: Module, node: ast.AST) -> ast.expr | None:
        """Return the expression that labels are copied from, where it is ``input_ids``."""
        value: ast.expr | None = None
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            value = node.value if module.value(node.targets[0].slice) == "labels" else None
        elif isinstance(node, ast.keyword) and node.arg == "labels":
            value = node.value
        inner: ast.AST | None = value
        while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _COPIES:
            inner = inner.func.value
        if isinstance(inner, ast.Subscript) and module.value(inner.slice) == "input_ids":
            return value
        if isinstance(inner, ast.Attribute) and inner.attr == "input_ids":
            return value
        return None

    @staticmethod
    def _pads_here(module: Module, node: ast.AST) -> bool:
        """Return whether the tokenizer call that made the ids in this function pads them."""
        function = module.function_around(node)
        if function is None:
            return False
        for call in walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and "tokeni" in call.func.id:
                padding = next((k.value for k in call.keywords if k.arg == "padding"), None)
                if padding is not None and module.value(padding) in (True, "max_length", "longest"):
                    return True
        return False


def _is_slice(index: ast.expr) -> bool:
    """Return whether an index names places, ``[i, :n]`` or ``["key"]``, not those where a condition holds."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    if len(parts) == 1 and isinstance(parts[0], ast.Constant):
        return True
    return len(parts) > 1 and all(isinstance(part, ast.Slice | ast.Name | ast.Constant) for part in parts)


def _is_plain(module: Module, part: ast.Subscript, to: ast.expr) -> bool:
    """Return whether what is written into labels are tokens."""
    return _is_slice(part.slice) and not isinstance(to, ast.Constant | ast.UnaryOp) and module.value(to) is UNKNOWN
