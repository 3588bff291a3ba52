"""GL309: prompts of a decoder-only model are padded on the right before generate."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.batch_keys import BatchKeys, Row
from greenlight.review.engines.checkpoints import DECODERS, Checkpoints
from greenlight.review.engines.padding import Padding
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, has_open_arguments, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import YamlFile

_RIGHT_BY_DEFAULT = frozenset({"gpt2", "gpt-neo", "gpt-neox", "qwen", "opt"})


class PromptsPaddedOnTheRight(Rule):
    """A batch of prompts ends in padding, and the model continues the padding."""

    id = "GL309"
    name = "prompts-padded-on-the-right"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.2",)
    summary = "Prompts are padded on the right before generate, so a decoder-only model continues after padding."
    why = (
        "A decoder-only model writes the token after the last one of its row. pad_sequence fills the right side, "
        "so all "
        "but the longest prompt of a batch end in pad tokens: seen for 7 of 8 rows, and every score from them is void."
    )
    remedy = "Pad prompts on the left: tokenizer.padding_side = 'left', or pad_sequence(..., padding_side='left')."
    _COLLATE = """
            import torch
            from datasets import load_dataset
            from torch.nn.utils.rnn import pad_sequence
            from torch.utils.data import DataLoader
            from transformers import AutoModelForCausalLM

            def collate(rows):
                ids = [torch.tensor(row["prompt"]) for row in rows]
                return {"prompt": pad_sequence(ids, batch_first=True, padding_value=0%s)}

            def score():
                model = AutoModelForCausalLM.from_pretrained("%s", cache_dir=".cache")
                rows = load_dataset("openai/gsm8k", "main", split="test")
                rows = rows.map(encode, remove_columns=rows.column_names)
                for batch in DataLoader(rows, batch_size=8, collate_fn=collate):
                    model.generate(input_ids=batch["prompt"].to("cuda"), max_new_tokens=64)
            """
    valid = (
        {"src/train.py": _COLLATE % (', padding_side="left"', "gpt2")},
        {"src/train.py": _COLLATE % ("", "someone/an-encoder-decoder")},
    )
    invalid = ({"src/train.py": _COLLATE % ("", "Qwen/Qwen2.5-0.5B")},)

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each call of generate."""
        generated = subject.derived(BatchKeys).generated
        if not generated:
            raise NotApplicable("no batch of a followed data set is given to generate")
        families = subject.derived(Checkpoints).families
        if (
            not families - {None}
            or not families <= DECODERS | {None}
            or any(self._may_pad_left(module) for module in subject.code)
        ):
            return
        seen = set()
        values = subject.derived(RunValues)
        for module, call, key, row in generated:
            loader = row.loader
            if loader is None and row.made is not None and call not in seen:
                right = self._padded_at_once(subject, key, row)
                if right is not None:
                    seen.add(call)
                    yield self.at(
                        right[0],
                        right[1],
                        f"prompts are padded on the right: {right[0].source(right[1])}, and "
                        f"{module.path}:{call.lineno} "
                        "generates from them",
                        "pad them on the left: tokenizer.padding_side = 'left'",
                    )
                continue
            if None in families or loader is None or loader.collate is None or call in seen:
                continue
            home = next((m for m in subject.code if loader.collate in m.functions), module)
            padding = self._pads(home, loader.collate, key)
            if padding is not None and 1 not in self._batch_sizes(values, loader.module, loader.call):
                seen.add(call)
                yield self.at(
                    module,
                    call,
                    f"generate continues {key!r}, which pad_sequence ({home.path}:{padding.lineno}) pads on the right",
                    "pad prompts on the left, with the attention mask 0 there",
                )

    def _padded_at_once(self, subject: Subject, key: str, row: Row) -> tuple[Module, ast.AST] | None:
        """Return what pads several prompts on the right, by the tokenizer or by hand; None where that is not sure."""
        if row.made is None or any(_says_one(run) for run in (*subject.runs.values(), subject.config)):
            return None
        home = next((m for m in subject.code if m.parent(row.made) is not None), None)
        if home is None:
            return None
        if isinstance(row.made, ast.Call):
            padding = next((k.value for k in row.made.keywords if k.arg == "padding"), None)
            several = row.made.args and isinstance(row.made.args[0], ast.ListComp)
            all_right = subject.derived(Checkpoints).families <= _RIGHT_BY_DEFAULT
            if padding is None or not several or not all_right or has_open_arguments(row.made):
                return None
            return (home, row.made) if home.value(padding) in (True, "longest", "max_length") else None
        function = home.function_around(row.made)
        made = subject.derived(Padding)
        if function is None or not isinstance(row.made, ast.Dict):
            return None
        names = [
            v.id
            for k, v in zip(row.made.keys, row.made.values, strict=True)
            if isinstance(v, ast.Name) and k is not None and home.value(k) == key
        ]
        for name, value, with_pad_id in made.padded(home, function):
            parts = made.parts_written(home, function, name) if name in names and with_pad_id else None
            if parts and all(_is_front(part.slice) for part, _ in parts):
                return home, value
        return None

    @staticmethod
    def _batch_sizes(values: RunValues, module: Module, call: ast.Call) -> set[object]:
        given = next(
            (k.value for k in call.keywords if k.arg == "batch_size"), call.args[1] if len(call.args) > 1 else None
        )
        return {1} if given is None else set(values.of(module, given).values())

    @staticmethod
    def _may_pad_left(module: Module) -> bool:
        for node in module.nodes:
            if isinstance(node, ast.Constant) and node.value == "left":
                return True
            if isinstance(node, ast.Attribute) and node.attr in ("flip", "fliplr"):
                return True
            if isinstance(node, ast.Attribute) and node.attr == "padding_side":
                around = module.parent(node)
                if not (isinstance(around, ast.Assign) and module.value(around.value) == "right"):
                    return True
            if isinstance(node, ast.Slice) and isinstance(node.step, ast.UnaryOp):
                return True  # [::-1] before and after padding
        return False

    @staticmethod
    def _pads(module: Module, function: Function, key: str) -> ast.Call | None:
        """Return the call of pad_sequence that makes a key, where every key or this one is made by it."""
        for node in walk(function):
            if not isinstance(node, ast.Call):
                continue
            named = isinstance(node.func, ast.Attribute) and node.func.attr == "pad_sequence"
            if not (named or module.dotted(node.func) == "torch.nn.utils.rnn.pad_sequence"):
                continue
            if any(k.arg == "padding_side" for k in node.keywords):
                return None
            around = module.parent(node)
            if isinstance(around, ast.Assign) and isinstance(around.targets[0], ast.Subscript):
                index = around.targets[0].slice
                if isinstance(index, ast.Name) or module.value(index) == key:
                    return node
            if isinstance(around, ast.Dict):
                at = next((k for k, v in zip(around.keys, around.values, strict=True) if v is node), None)
                if at is not None and module.value(at) == key:
                    return node
        return None


def _is_front(index: ast.expr) -> bool:
    """Return whether an index is ``[i, :n]``."""
    last = index.elts[-1] if isinstance(index, ast.Tuple) and index.elts else None
    return isinstance(last, ast.Slice) and last.lower is None and last.upper is not None


def _says_one(file: YamlFile | None) -> bool:
    """Return whether a file of the configuration has a batch size of 1: one prompt is not padded."""
    return file is not None and any("batch" in path[-1] and value == 1 for path, value in file.leaves if path)
