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
        if any(end in module.text.lower() for module in subject.modules.values() for end in _ENDS):
            return
        for module in subject.code:
            for node in module.nodes:
                if self._labels_from_ids(module, node):
                    yield self.at(module, node, "the training target ends without an end-of-text token")
                    return

    @staticmethod
    def _labels_from_ids(module: Module, node: ast.AST) -> bool:
        """Return whether a statement makes labels from the ids of a text in the same function."""
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
