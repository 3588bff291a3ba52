"""GL715: the code names the model or data set that the run files name too, and never reads it from them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import dotted_key
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import KeyPath

_MAIN = """
    import hydra

    from src.train import train


    @hydra.main(version_base=None, config_path="../config", config_name="config")
    def main(cfg):
        train(cfg)


    if __name__ == "__main__":
        main()
"""
_CONFIG = "defaults:\n  - _self_\n  - runs@_global_: ???\nmode: ???\nresults_dir: ???\n"
_RUN = "run_id: a\nmethod: proposed\nmodel:\n  name: Qwen/Qwen3-0.6B\n  dtype: bfloat16\n"


class IdInCode(Rule):
    """``from_pretrained("Qwen/Qwen3-0.6B")`` where the run file has ``model.name: Qwen/Qwen3-0.6B``."""

    id = "GL715"
    name = "id-in-code"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MINOR
    sentences = ("2.2", "7.3")
    summary = "The model or data set that the run files name is written into the code as well, and only that counts."
    why = (
        "Today both say the same. A run file of another model, or model.name=... on the command line, trains the old "
        "one under the new one's name."
    )
    remedy = "Read the id from the configuration."
    valid = (
        {
            "src/main.py": _MAIN,
            "src/train.py": """
            from transformers import AutoModelForCausalLM

            def train(cfg):
                return AutoModelForCausalLM.from_pretrained(cfg.model.name, dtype=cfg.model.dtype)
        """,
            "config/config.yaml": _CONFIG,
            "config/runs/a.yaml": _RUN,
        },
        {
            "src/main.py": _MAIN,
            "src/train.py": """
            from transformers import AutoModelForCausalLM, AutoTokenizer

            def train(cfg):
                tokenizer = AutoTokenizer.from_pretrained("Qwen/Qwen3-0.6B", cache_dir=".cache")
                return tokenizer, AutoModelForCausalLM.from_pretrained(cfg.model.name, dtype=cfg.model.dtype)
        """,
            "config/config.yaml": _CONFIG,
            "config/runs/a.yaml": _RUN,
        },
        {
            "src/main.py": _MAIN,
            "src/train.py": """
            from transformers import AutoModelForCausalLM

            def train(cfg):
                model = AutoModelForCausalLM.from_pretrained("openai-community/gpt2", dtype=cfg.model.dtype)
                return model
        """,
            "config/config.yaml": _CONFIG,
            "config/runs/a.yaml": _RUN,
        },
    )
    invalid = (
        {
            "src/main.py": _MAIN,
            "src/train.py": """
            from transformers import AutoModelForCausalLM

            BASE = "Qwen/Qwen3-0.6B"

            def train(cfg):
                return AutoModelForCausalLM.from_pretrained(BASE, dtype=cfg.model.dtype)
        """,
            "config/config.yaml": _CONFIG,
            "config/runs/a.yaml": _RUN,
        },
        {
            "src/main.py": _MAIN,
            "src/train.py": """
            from datasets import load_dataset
            from src.model import build

            def train(cfg):
                rows = load_dataset("rajpurkar/squad_v2", split=cfg.dataset.split, cache_dir=".cache")
                return build(cfg.model), rows
        """,
            "src/model.py": """
            from transformers import AutoModel

            def build(section):
                return AutoModel.from_pretrained(section.name, cache_dir=".cache", dtype=section.dtype)
        """,
            "config/config.yaml": _CONFIG,
            "config/runs/a.yaml": _RUN + "dataset:\n  name: rajpurkar/squad_v2\n  split: train\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each key of the run files."""
        calls = [(one.module, one.origin) for one in subject.derived(Checkpoints).loaded]
        calls += [(one.module, argument(one.call, "path", 0)) for one in subject.derived(DataSets).loaded.values()]
        written: dict[str, tuple[Module, ast.expr]] = {}
        for module, node in calls:
            name = module.value(node)
            if node is not None and isinstance(name, str) and "/" in name:
                written.setdefault(name, (module, node))
        if not written:
            raise NotApplicable("no model or data set of the hub is named in the code")
        subject.require_whole()
        flow = subject.derived(ConfigFlow)
        if not flow.known or flow.gave_up or not flow.followed:
            return
        for name, (module, node) in written.items():
            for path in self._paths(subject, name):
                if not flow.is_read(path) and not self._may_be_read(subject, flow, path[-1]):
                    yield self.at(
                        module,
                        node,
                        f"{name} is written here, and {dotted_key(path)} of the run files, which says the same, is "
                        "read by no line of code",
                        f"read cfg.{dotted_key(path)}",
                    )

    @staticmethod
    def _paths(subject: Subject, name: str) -> list[KeyPath]:
        """Return the keys of the section of a model or data set that have an id in every run."""
        found = [
            {path for path, value in run.leaves if value == name and path[0] in ("model", "dataset")}
            for run in subject.runs.values()
        ]
        return sorted(set.intersection(*found)) if found else []

    @staticmethod
    def _may_be_read(subject: Subject, flow: ConfigFlow, key: str) -> bool:
        """Return whether a key may be read where the configuration could not be followed."""
        for module in subject.code:
            if module.path == "src/evaluate.py":
                continue
            for node in module.nodes:
                if isinstance(node, ast.Attribute) and node.attr == key and node not in flow.resolved:
                    return True
                if isinstance(node, ast.Constant) and node.value == key:
                    return True
        return False
