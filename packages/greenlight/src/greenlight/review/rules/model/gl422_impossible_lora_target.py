"""GL422: LoRA is told to adapt modules that the model does not have, or that are no layers."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import Checkpoints, family
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_BERT = frozenset({"query", "key", "value", "dense", "word_embeddings", "position_embeddings", "token_type_embeddings"})
_LLAMA = frozenset(
    {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "embed_tokens", "lm_head"}
)
# Layers that LoRA can adapt, and modules that only hold others, by family; peft compares the last part of a name.
_LAYERS = {
    "bert": _BERT,
    "roberta": _BERT | {"out_proj", "decoder"},
    "distilroberta": _BERT | {"out_proj", "decoder"},
    "distilbert": frozenset({"q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2", "pre_classifier", "classifier"}),
    "llama": _LLAMA,
    "qwen": _LLAMA,
    "mistral": _LLAMA,
    "gpt2": frozenset({"c_attn", "c_proj", "c_fc", "wte", "wpe", "lm_head"}),
}
_HOLDERS = {
    "bert": frozenset({"attention", "self", "intermediate", "output", "layer", "encoder", "embeddings"}),
    "roberta": frozenset({"attention", "self", "intermediate", "output", "layer", "encoder", "embeddings"}),
    "distilroberta": frozenset({"attention", "self", "intermediate", "output", "layer", "encoder", "embeddings"}),
    "distilbert": frozenset({"attention", "ffn", "transformer", "layer", "embeddings"}),
    "llama": frozenset({"self_attn", "mlp", "layers"}),
    "qwen": frozenset({"self_attn", "mlp", "layers"}),
    "mistral": frozenset({"self_attn", "mlp", "layers"}),
    "gpt2": frozenset({"attn", "mlp", "h"}),
}
_SCORES = frozenset({"classifier", "score", "qa_outputs", "pooler"})


class ImpossibleLoraTarget(Rule):
    """``target_modules`` does not fit the architecture."""

    id = "GL422"
    name = "impossible-lora-target"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.3", "4.5")
    summary = (
        "LoRA's target_modules name a block, or layers of another architecture, so get_peft_model raises ValueError."
    )
    why = (
        "peft matches the end of each module's name. 'output' or 'mlp' match a block, which it cannot adapt ('Target "
        "module RobertaIntermediate(...) is not supported'); q_proj in a GPT-2 matches nothing. Both were mended "
        "by hand "
        "in real experiments, one run file at a time."
    )
    remedy = "Name the linear layers of the architecture at hand, or use 'all-linear'."
    valid = (
        {
            "src/model.py": """
            from peft import LoraConfig
            from transformers import AutoModel

            def build(cfg):
                base = AutoModel.from_pretrained(cfg.model.name, cache_dir=".cache")
                return base, LoraConfig(target_modules=list(cfg.model.lora.targets))
            """,
            "config/runs/a.yaml": """
            model:
              name: roberta-base
              lora: {targets: [query, value, output.dense]}
            """,
        },
    )
    invalid = (
        {
            "src/model.py": """
            from peft import LoraConfig
            from transformers import AutoModel

            def build(cfg):
                base = AutoModel.from_pretrained(cfg.model.name, cache_dir=".cache")
                return base, LoraConfig(target_modules=list(cfg.model.lora.targets))
            """,
            "config/runs/a.yaml": """
            model:
              name: bert-base-uncased
              lora:
                targets: [query, key, value, output]
            """,
        },
        {
            "src/model.py": """
            from peft import LoraConfig
            from transformers import AutoModelForCausalLM
            base = AutoModelForCausalLM.from_pretrained("gpt2", cache_dir=".cache")
            config = LoraConfig(target_modules=["q_proj", "v_proj"])
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each list of names."""
        calls = [(m, c) for m in subject.code for c in m.calls("peft.LoraConfig", "peft.tuners.lora.LoraConfig")]
        if not calls:
            raise NotApplicable("no LoraConfig is made")
        models = subject.derived(Checkpoints).models
        origins = {(one.module.path, one.origin and one.module.source(one.origin)) for one in models}
        if len(models) == 0 or len(origins) != 1:
            return
        values = subject.derived(RunValues)
        loaded = values.of(models[0].module, models[0].origin)
        for module, call in calls:
            node = argument(call, "target_modules")
            listed = values.of(module, node)
            path = values.path(module, node)
            for run_id in sorted(listed.keys() | loaded.keys()):
                name, targets = loaded.get(run_id, loaded.get("")), listed.get(run_id, listed.get(""))
                wrong = self._wrong(name, targets)
                if wrong is None:
                    continue
                run = subject.runs.get(run_id)
                if run is not None and path is not None and run.get(*path) is not None:
                    yield self.on(run, run.line(*path), wrong)
                else:
                    yield self.at(module, node or call, wrong)
                    break

    @staticmethod
    def _wrong(name: object, targets: object) -> str | None:
        known = family(name) if isinstance(name, str) else None
        if (
            known not in _LAYERS
            or not isinstance(targets, list | tuple)
            or not all(isinstance(t, str) for t in targets)
        ):
            return None
        holders = [t for t in targets if t in _HOLDERS[known]]
        if holders:
            return f"target_modules has {holders[0]!r}, which is a block of {name}, not a layer that LoRA can adapt"
        if targets and not any(t.rpartition(".")[2] in _LAYERS[known] | _SCORES for t in targets):
            return f"{name} has none of the target_modules {', '.join(targets)}: its layers are " + ", ".join(
                sorted(_LAYERS[known])[:6]
            )
        return None
