"""GL421: LoRA adapts two of the three projections of a gated MLP."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import GATED, Checkpoints
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj"})


class HalfAdaptedMlp(Rule):
    """All of attention, up_proj and down_proj, but not gate_proj."""

    id = "GL421"
    name = "half-adapted-mlp"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.3",)
    summary = "LoRA adapts all projections but gate_proj, so 'all linear layers' is not what is trained."
    why = (
        "The MLP of Llama, Qwen, Mistral and Gemma is gate_proj, up_proj and down_proj. A list taken from an older "
        "architecture has two of them; every layer is then adapted in part, unlike what the baselines report."
    )
    remedy = "Add gate_proj to target_modules, or use target_modules='all-linear'."
    valid = (
        {
            "src/model.py": """
            from peft import LoraConfig
            from transformers import AutoModelForCausalLM
            base = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-0.5B", cache_dir=".cache")
            attention = LoraConfig(target_modules=["q_proj", "v_proj"])
            mlp = ["gate_proj", "up_proj", "down_proj"]
            every = LoraConfig(target_modules=["q_proj", "k_proj", "v_proj", "o_proj", *mlp])
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            from peft import LoraConfig
            from transformers import AutoModelForCausalLM
            base = AutoModelForCausalLM.from_pretrained("mistralai/Mistral-7B-v0.1", cache_dir=".cache")
            config = LoraConfig(r=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"])
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each configuration of adapters."""
        calls = [(m, c) for m in subject.code for c in m.calls("peft.LoraConfig", "peft.tuners.lora.LoraConfig")]
        if not calls:
            raise NotApplicable("no LoraConfig is made")
        families = subject.derived(Checkpoints).families
        if not families & GATED or not families <= GATED | {None}:
            return
        values = subject.derived(RunValues)
        for module, call in calls:
            node = argument(call, "target_modules")
            for listed in values.of(module, node).values():
                if not isinstance(listed, list | tuple | set) or not all(isinstance(n, str) for n in listed):
                    continue
                names = set(listed)
                if names >= _ATTENTION | {"up_proj", "down_proj"} and not any("gate" in name for name in names):
                    where: ast.AST = _list_of(module, node) if node is not None else call
                    yield self.at(
                        module,
                        where,
                        "LoRA adapts attention, up_proj and down_proj, but not gate_proj of the same gated MLP",
                        'add "gate_proj"',
                        confidence="likely",
                    )
                    break


def _list_of(module: Module, node: ast.expr) -> ast.expr:
    """Return where the names are listed, through ``list(...)`` and a constant."""
    if isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]
    return module.assigned(node) or node if isinstance(node, ast.Name) else node
