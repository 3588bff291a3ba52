"""GL306: torch.tensor is given a list of tensors."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import UNKNOWN, Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_TYPED = frozenset(
    f"torch.{name}" for name in ("LongTensor", "IntTensor", "FloatTensor", "DoubleTensor", "BoolTensor", "ShortTensor")
)
_ROW_KEYS = frozenset({"input_ids", "attention_mask", "token_type_ids", "prompt_ids"})


class TensorOfTensors(Rule):
    """``torch.tensor([...])`` over tensors of more than one element."""

    id = "GL306"
    name = "tensor-of-tensors"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.1",)
    summary = "torch.tensor is given a list of tensors, which raises as soon as one has more than one element."
    why = (
        "torch.tensor makes a tensor from numbers; a list of vectors ends in 'only one element tensors can be "
        "converted "
        "to Python scalars' (or 'only integer tensors of a single element can be converted to an index')."
    )
    remedy = "Use torch.stack for tensors of one size, torch.nn.utils.rnn.pad_sequence for others."
    valid = (
        {
            "src/preprocess.py": """
            import torch
            from torch.nn.utils.rnn import pad_sequence

            def collate(rows):
                ids = pad_sequence([torch.LongTensor(row["input_ids"]) for row in rows], batch_first=True)
                return {"input_ids": ids, "labels": torch.tensor([torch.tensor(row["label"]) for row in rows])}
            """
        },
        {"src/train.py": "import torch\nmeans = torch.tensor([part.mean() for part in parts])\n"},
    )
    invalid = (
        {
            "src/preprocess.py": """
            import torch

            def collate(rows):
                return torch.tensor([torch.LongTensor(row["tokens"]) for row in rows])
            """
        },
        {
            "src/preprocess.py": """
            import torch

            def collate(rows):
                ids = [torch.tensor(row["input_ids"]) for row in rows]
                return {"input_ids": torch.tensor(ids, dtype=torch.long)}
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each call."""
        for module in subject.code:
            for call in module.calls("torch.tensor", "torch.as_tensor"):
                given = call.args[0] if call.args else None
                if isinstance(given, ast.Name):
                    given = module.assigned(given)
                if not isinstance(given, ast.ListComp | ast.GeneratorExp):
                    continue
                if self._is_vector(module, given.elt):
                    yield self.at(
                        module,
                        call,
                        f"{module.dotted(call.func)} is given a list of tensors: {module.source(given.elt)} for "
                        "each row",
                        "use pad_sequence([...], batch_first=True, padding_value=...) from torch.nn.utils.rnn",
                    )

    @staticmethod
    def _is_vector(module: Module, node: ast.expr) -> bool:
        if not isinstance(node, ast.Call) or len(node.args) != 1:
            return False
        dotted, given = module.dotted(node.func), node.args[0]
        if dotted in _TYPED:
            literal = module.value(given)
            return literal is UNKNOWN or (isinstance(literal, list | tuple) and len(literal) > 1)
        if dotted in ("torch.tensor", "torch.as_tensor") and isinstance(given, ast.Subscript):
            return module.value(given.slice) in _ROW_KEYS
        return False
