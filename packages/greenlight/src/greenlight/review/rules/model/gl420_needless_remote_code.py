"""GL420: trust_remote_code is switched on for a model that needs none."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class NeedlessRemoteCode(Rule):
    """transformers implements the model itself."""

    id = "GL420"
    name = "needless-remote-code"
    criterion = Criterion.MODEL
    severity = Severity.MINOR
    sentences = ("4.3",)
    summary = (
        "trust_remote_code=True lets a repository on the hub run code on this machine, though the model needs none."
    )
    why = (
        "transformers has the architecture itself. The switch only opens the door for whatever code the "
        "repository holds "
        "on the day of the run, so the experiment is neither safe nor reproducible."
    )
    remedy = "Leave trust_remote_code out."
    valid = (
        {
            "src/model.py": """
            from transformers import AutoModel
            model = AutoModel.from_pretrained("gpt2", cache_dir=".cache")
            other = AutoModel.from_pretrained("someone/with-own-code", trust_remote_code=True, cache_dir=".cache")
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            from transformers import AutoModel
            model = AutoModel.from_pretrained("roberta-base", trust_remote_code=True, cache_dir=".cache")
            """
        },
        {
            "src/model.py": """
            from transformers import AutoTokenizer

            def build(cfg):
                return AutoTokenizer.from_pretrained(cfg.model.name, trust_remote_code=True, cache_dir=".cache")
            """,
            "config/runs/a.yaml": "model:\n  name: Qwen/Qwen3-0.6B\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each file, at the first call in it."""
        loaded = subject.derived(Checkpoints).loaded
        if not loaded:
            raise NotApplicable("nothing is loaded with from_pretrained")
        told = set()
        for one in loaded:
            given = argument(one.call, "trust_remote_code")
            if given is None or one.module.value(given) is not True or one.module.path in told:
                continue
            if one.families and None not in one.families:
                told.add(one.module.path)
                names = ", ".join(sorted(one.names))
                yield self.at(
                    one.module, given, f"trust_remote_code=True for {names}, which transformers implements itself"
                )
