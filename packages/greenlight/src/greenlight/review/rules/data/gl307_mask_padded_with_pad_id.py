"""GL307: a collate function pads every key, the attention mask too, with the tokenizer's pad id."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import PAD_IS_ZERO, Checkpoints
from greenlight.review.engines.padding import Padding
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class MaskPaddedWithPadId(Rule):
    """One padding value, the id of the pad token, serves every key of a batch."""

    id = "GL307"
    name = "mask-padded-with-pad-id"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.2",)
    summary = "The attention mask is padded with the pad token's id, so the model attends to padding."
    why = (
        "A loop over all keys that pads each with pad_token_id fills the mask with that id: it is not 0 for most "
        "decoder-only models (151643 in Qwen), and any value but 0 means 'attend'. Seen in a batch: mask values "
        "1 and 3."
    )
    remedy = "Pad attention_mask with 0, labels with -100, and only input_ids with the pad id."
    valid = (
        {
            "src/preprocess.py": """
            from torch.nn.utils.rnn import pad_sequence

            def collate(rows, tokenizer):
                values = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "labels": -100}
                return {k: pad_sequence([r[k] for r in rows], True, values[k]) for k in rows[0]}
            """
        },
        {
            "src/preprocess.py": """
            from torch.nn.utils.rnn import pad_sequence
            from transformers import AutoModel

            model = AutoModel.from_pretrained("bert-base-uncased")

            def collate(rows, tokenizer):
                out = {}
                for key in rows[0].keys():
                    out[key] = pad_sequence([r[key] for r in rows], padding_value=tokenizer.pad_token_id)
                return out
            """
        },
        {
            "src/model.py": """
            from transformers import AutoModelForCausalLM

            def build(section):
                return AutoModelForCausalLM.from_pretrained(section.name, cache_dir=".cache")
            """,
            "src/train.py": """
            from src.model import build

            def train(cfg):
                return build(cfg.model)
            """,
            "config/runs/a.yaml": "model: {name: Qwen/Qwen3-0.6B}\n",
            "src/preprocess.py": """
            from functools import partial
            import torch

            def collate(rows, pad_id):
                width = max(len(row["ids"]) for row in rows)
                ids = torch.full((len(rows), width), pad_id)
                mask = torch.zeros_like(ids)
                for index, row in enumerate(rows):
                    ids[index, : len(row["ids"])] = torch.tensor(row["ids"])
                    mask[index, : len(row["ids"])] = 1
                return {"input_ids": ids, "attention_mask": mask}

            def batches(tokenizer):
                return partial(collate, pad_id=tokenizer.pad_token_id)
            """,
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            import torch
            from torch.nn.utils.rnn import pad_sequence
            from transformers import AutoModelForCausalLM

            def build():
                return AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-0.5B", cache_dir=".cache")

            def make(tokenizer):
                def encode(row):
                    return tokenizer(row["text"], truncation=True)

                def collate(rows):
                    out = {}
                    for key in rows[0].keys():
                        parts = [torch.tensor(row[key]) for row in rows]
                        out[key] = pad_sequence(parts, batch_first=True, padding_value=tokenizer.pad_token_id)
                    return out

                return encode, collate
            """
        },
        {
            "src/model.py": """
            from transformers import AutoModelForCausalLM

            def build(section):
                return AutoModelForCausalLM.from_pretrained(section.name, cache_dir=".cache")
            """,
            "src/train.py": """
            from src.model import build

            def train(cfg):
                return build(cfg.model)
            """,
            "config/runs/a.yaml": "model: {name: Qwen/Qwen3-0.6B}\n",
            "src/preprocess.py": """
            from functools import partial
            import torch

            def collate(rows, pad_id):
                width = max(len(row["ids"]) for row in rows)
                ids = torch.full((len(rows), width), pad_id)
                mask = torch.full((len(rows), width), pad_id)
                for index, row in enumerate(rows):
                    ids[index, : len(row["ids"])] = torch.tensor(row["ids"])
                    mask[index, : len(row["ids"])] = 1
                return {"input_ids": ids, "attention_mask": mask}

            def batches(tokenizer):
                return partial(collate, pad_id=tokenizer.pad_token_id)
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each collate function."""
        families = subject.derived(Checkpoints).families
        if families - {None} and not families & PAD_IS_ZERO:
            yield from self._filled_masks(subject)
        if not families or None in families or families & PAD_IS_ZERO:
            return
        if any(self._compares_with_pad(module) for module in subject.code):
            return  # a mask may be made from the ids
        for module in subject.code:
            for function in module.functions:
                for loop in (n for n in walk(function) if isinstance(n, ast.For)):
                    if module.function_around(loop) is function and isinstance(loop.target, ast.Name):
                        yield from self._in_loop(module, function, loop, loop.target.id)

    def _filled_masks(self, subject: Subject) -> Iterator[Finding]:
        """Yield each mask that is made full of the pad id and then set to 1 where there are tokens."""
        padding = subject.derived(Padding)
        for module in subject.code:
            if "attention_mask" not in module.text or not ("full" in module.text or "pad_sequence" in module.text):
                continue
            for function in module.functions:
                masks = [n.id for n in padding.under(module, function, "attention_mask") if isinstance(n, ast.Name)]
                for name, value, with_pad_id in padding.padded(module, function) if masks else ():
                    parts = padding.parts_written(module, function, name) if name in masks and with_pad_id else None
                    if parts is not None and all(module.value(written) in (1, True) for _, written in parts):
                        yield self.at(
                            module,
                            value,
                            f"attention_mask is filled with the pad id, not with 0: {module.source(value)}: padding "
                            "is attended to",
                            "fill it with 0",
                        )

    def _in_loop(self, module: Module, function: Function, loop: ast.For, key: str) -> Iterator[Finding]:
        if not self._over_first_row(module, function, loop.iter):
            return
        words = {n.value for n in walk(function) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        if any("mask" in word or word in ("input_ids", "labels") for word in words):
            return
        for node in walk(loop):
            if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)):
                continue
            index = node.targets[0].slice
            padding = next((k for k in _keywords(node.value) if k.arg == "padding_value"), None)
            if not (isinstance(index, ast.Name) and index.id == key and padding is not None):
                continue
            if self._is_pad_id(module, padding.value):
                yield self.at(
                    module,
                    padding.value,
                    f"every key is padded with {module.source(padding.value)}, attention_mask too: padding is "
                    "attended to",
                    "choose the padding value by key: 0 for attention_mask, -100 for labels, the pad id for input_ids",
                )

    @staticmethod
    def _over_first_row(module: Module, function: Function, node: ast.AST | None) -> bool:
        """Return whether a loop goes over the keys of the first row of the function's parameter."""
        if isinstance(node, ast.Name):
            node = module.assigned(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys":
            node = node.func.value
        return (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id in {a.arg for a in function.args.args}
            and module.value(node.slice) == 0
        )

    @staticmethod
    def _is_pad_id(module: Module, node: ast.AST | None) -> bool:
        if isinstance(node, ast.Name):
            node = module.assigned(node)
        return isinstance(node, ast.Attribute) and node.attr == "pad_token_id"

    @staticmethod
    def _compares_with_pad(module: Module) -> bool:
        return any(
            isinstance(n, ast.Compare)
            and isinstance(n.ops[0], ast.Eq | ast.NotEq)
            and any("pad" in ast.unparse(side) for side in (n.left, *n.comparators))
            for n in module.nodes
        )


def _keywords(node: ast.AST) -> Iterator[ast.keyword]:
    return (n for n in walk(node) if isinstance(n, ast.keyword))
