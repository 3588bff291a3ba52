"""GL326: a decoder-only model is never taught to stop."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_NO_END_ADDED = frozenset({"gpt2", "gpt-neo", "gpt-neox", "qwen", "llama", "mistral", "opt", "gemma"})
_ENDS = ("eos", "im_end", "endoftext", "</s>", "eot", "end_of", "chat_template", "trl", "stopping", "stop_str")


class TargetWithoutEnd(Rule):
    """Training targets end without the end-of-text token, and answers are generated."""

    id = "GL326"
    name = "target-without-end"
    criterion = Criterion.DATA
    severity = Severity.MINOR
    sentences = ("3.2",)
    summary = "Training targets have no end-of-text token, so generated answers run on to the token limit."
    why = (
        "Tokenizers of decoder-only models do not append one. A model that is fine-tuned on 'prompt + answer' "
        "without it "
        "does not learn to stop: what follows the answer spoils an exact match and costs time."
    )
    remedy = "Append tokenizer.eos_token (or its id) to the answer."
    _CODE = """
            from transformers import AutoModelForCausalLM

            def encode(row, tokenizer):
                found = tokenizer(f"{row['question']} {row['answer']}"%s)
                found["labels"] = found["input_ids"].copy()
                return found

            def score(prompt):
                model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-0.5B", cache_dir=".cache")
                return model.generate(**prompt)
            """
    valid = ({"src/preprocess.py": _CODE % " + tokenizer.eos_token"},)
    invalid = ({"src/preprocess.py": _CODE % ""},)

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding, where labels are made."""
        families = subject.derived(Checkpoints).families
        if not families or not families <= _NO_END_ADDED:
            raise NotApplicable("no decoder-only model of a known family is loaded")
        if not any(True for module in subject.code for _ in module.method_calls("generate")):
            raise NotApplicable("nothing is generated")
        if any(self._may_end(module) for module in subject.modules.values()):
            return
        for module in subject.code:
            for node in module.nodes:
                if self._labels_from_ids(module, node) and not self._padding_ends(subject, module, node):
                    yield self.at(module, node, "the training target ends without an end-of-text token")
                    return

    @staticmethod
    def _padding_ends(subject: Subject, module: Module, node: ast.AST) -> bool:
        """Return whether padding with the end-of-text token may stay in the labels and teach the end by the way."""
        words = [n for m in subject.code for n in m.nodes if isinstance(n, ast.Attribute) and "eos" in n.attr]
        if not words or any(
            name.endswith("DataCollatorForLanguageModeling") for m in subject.code for name in m.imports.values()
        ):
            return False
        function = module.function_around(node)
        pads = function is None or any(isinstance(n, ast.keyword) and n.arg == "padding" for n in walk(function))
        return pads or not any(isinstance(n, ast.UnaryOp) and m.value(n) == -100 for m in subject.code for n in m.nodes)

    @staticmethod
    def _may_end(module: Module) -> bool:
        """Return whether anything in a file may put an end on a text, or stop at one.

        That the end of text stands in for the padding token, or is told to ``generate``, does not.
        """
        if not any(end in module.text.lower() for end in _ENDS):
            return False
        harmless: set[ast.AST] = set()
        for node in module.nodes:
            if (
                isinstance(node, ast.Assign)
                and all(isinstance(t, ast.Attribute) and t.attr in ("pad_token", "pad_token_id") for t in node.targets)
            ) or (isinstance(node, ast.keyword) and node.arg in ("pad_token", "pad_token_id", "eos_token_id")):
                harmless |= set(walk(node))
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                harmless.add(node.value)
        for node in module.nodes:
            if node in harmless:
                continue
            words = [getattr(node, name, None) for name in ("id", "attr", "arg", "name", "value")]
            if any(end in word.lower() for word in words if isinstance(word, str) for end in _ENDS):
                return True
        return any(end in name.lower() for name in module.imports.values() for end in _ENDS)

    @staticmethod
    def _labels_from_ids(module: Module, node: ast.AST) -> bool:
        """Return whether a statement makes labels from the ids of a text in the same function."""
        if isinstance(node, ast.Dict):
            return TargetWithoutEnd._labels_beside_ids(module, node)
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)):
            return False
        if module.value(node.targets[0].slice) != "labels":
            return False
        ids = any(isinstance(n, ast.Constant) and n.value == "input_ids" for n in walk(node.value))
        function = module.function_around(node)
        tokenized = function is not None and any(
            isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and "tokeni" in n.func.id for n in walk(function)
        )
        return ids and tokenized

    @staticmethod
    def _labels_beside_ids(module: Module, node: ast.Dict) -> bool:
        """Return whether a dictionary has labels that end in what the ids end in, the ids of a text."""
        by_key = {
            module.value(key): value for key, value in zip(node.keys, node.values, strict=True) if key is not None
        }
        ids, labels = by_key.get("input_ids"), by_key.get("labels")
        if not isinstance(ids, ast.BinOp) or not isinstance(labels, ast.BinOp) or not isinstance(ids.right, ast.Name):
            return False
        if ast.unparse(ids.right) != ast.unparse(labels.right):
            return False
        made = module.assigned(ids.right)
        by_name = isinstance(made, ast.Attribute) and made.attr == "input_ids"
        by_word = isinstance(made, ast.Subscript) and module.value(made.slice) == "input_ids"
        if not isinstance(made, ast.Attribute | ast.Subscript) or not (by_name or by_word):
            return False
        made = made.value
        return isinstance(made, ast.Call) and "tokeni" in ast.unparse(made.func)
