"""GL313: a tokenizer without a padding token is asked to pad."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_WITHOUT = re.compile(
    r"(?:openai-community/|distilbert/)?(?:distil)?gpt2(?:-medium|-large|-xl)?"
    r"|EleutherAI/(?:gpt-neo-\d[\w.]*|gpt-j-6[bB])"
    r"|meta-llama/Llama-2-\d+b(?:-chat)?-hf|mistralai/Mistral-7B(?:-Instruct)?-v0\.[12]"
)
_ASKING = ast.Compare | ast.BoolOp | ast.IfExp | ast.If


class NoPadToken(Rule):
    """GPT-2, GPT-Neo, Llama 2 and Mistral come without a padding token."""

    id = "GL313"
    name = "no-pad-token"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.2",)
    summary = "A tokenizer without a padding token is asked to pad, which raises ValueError."
    why = (
        "Some decoder-only checkpoints were trained without padding and their tokenizers have no token for it: "
        "'Asking to "
        "pad but the tokenizer does not have a padding token'."
    )
    remedy = "Set tokenizer.pad_token = tokenizer.eos_token after loading it."
    valid = (
        {
            "src/preprocess.py": """
            from transformers import AutoTokenizer
            tokenizer = AutoTokenizer.from_pretrained("gpt2", cache_dir=".cache")
            tokenizer.pad_token = tokenizer.eos_token
            rows = tokenizer(["a", "b c"], padding=True)
            """
        },
        {
            "src/preprocess.py": """
            from transformers import AutoTokenizer
            tokenizer = AutoTokenizer.from_pretrained("gpt2", cache_dir=".cache")
            rows = tokenizer(["a", "b c"], truncation=True)
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from transformers import AutoTokenizer

            def encode(texts):
                tokenizer = AutoTokenizer.from_pretrained("distilgpt2", cache_dir=".cache")
                return tokenizer(texts, padding="max_length", max_length=64)
            """
        },
        {
            "src/preprocess.py": """
            from transformers import AutoTokenizer, DataCollatorWithPadding

            def collator(cfg):
                tokenizer = AutoTokenizer.from_pretrained(cfg.model.name, cache_dir=".cache")
                return DataCollatorWithPadding(tokenizer)
            """,
            "config/runs/a.yaml": "model:\n  name: EleutherAI/gpt-neo-125m\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding at the first place that pads."""
        tokenizers = subject.derived(Checkpoints).tokenizers
        if not tokenizers:
            raise NotApplicable("no tokenizer is loaded")
        if any(not one.names for one in tokenizers) or any(self._sets_token(module) for module in subject.code):
            return
        named = sorted(name for one in tokenizers for name in one.names if _WITHOUT.fullmatch(name))
        if not named or any(k.arg == "pad_token" or k.arg is None for one in tokenizers for k in one.call.keywords):
            return
        if len(tokenizers) > 1 and len({name for one in tokenizers for name in one.names}) != len(set(named)):
            return  # another tokenizer may be the one that pads
        for module in subject.code:
            for node in module.nodes:
                if isinstance(node, ast.Call) and self._pads(module, node):
                    yield self.at(module, node, f"the tokenizer of {named[0]} has no padding token, and none is set")
                    return

    @staticmethod
    def _sets_token(module: Module) -> bool:
        for node in module.nodes:
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and node.attr.startswith("pad_token")
            ):
                return True
            if isinstance(node, ast.Attribute) and node.attr in ("add_special_tokens", "_pad_token"):
                return True
            if isinstance(node, ast.Constant) and node.value in ("pad_token", "pad_token_id"):
                return True
        return False

    @staticmethod
    def _pads(module: Module, node: ast.Call) -> bool:
        if (module.dotted(node.func) or "").startswith("transformers.DataCollatorWithPadding"):
            return True
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "int" and len(node.args) == 1 and isinstance(node.args[0], ast.Attribute):
            asked = any(
                isinstance(n, ast.Attribute) and "pad_token" in n.attr and isinstance(module.parent(n), _ASKING)
                for n in module.nodes
            )
            return node.args[0].attr == "pad_token_id" and not asked
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("pad", "batch_encode_plus"):
            name = ast.unparse(node.func.value)
            if node.func.attr == "pad":
                return name in ("tokenizer", "tokeniser", "self.tokenizer")
        if name not in ("tokenizer", "tokeniser", "self.tokenizer"):
            return False
        padding = next((k.value for k in node.keywords if k.arg == "padding"), None)
        return padding is not None and module.value(padding) in (True, "max_length", "longest")
