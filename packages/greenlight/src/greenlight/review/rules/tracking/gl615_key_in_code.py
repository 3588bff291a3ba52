"""GL615: W&B's key stands in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_KEY = re.compile(r"(local-)?[0-9a-f]{40}|wandb_v1_\w{40,}")


class KeyInCode(Rule):
    """A W&B key stands in the code, where everyone who reads it can use it."""

    id = "GL615"
    name = "key-in-code"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.10",)
    summary = "A W&B key stands in the code, where everyone who reads it can use it."
    why = "A key that was committed has to be revoked: it stays in the repository's history."
    remedy = "Revoke the key; let WANDB_API_KEY in the environment hold the new one."
    valid = (
        {
            "src/train.py": """
            import os
            import wandb

            def login():
                wandb.login(key=os.environ["WANDB_API_KEY"])
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def login():
                wandb.login(key="0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c")
        """,
        },
        {
            "src/main.py": """
            import os

            os.environ["WANDB_API_KEY"] = "local-0f1e2d3c4b5a69788796"
        """,
        },
        {
            "config/config.yaml": """
            wandb:
              entity: a-team
              project: a-project
              api_key: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        for module in subject.code:
            places: list[tuple[ast.AST, ast.expr | None]] = [
                (c, argument(c, "key", 1)) for c in module.calls("wandb.login")
            ]
            places += [(c, argument(c, "api_key")) for c in module.calls("wandb.Api")]
            for node in module.nodes:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                    if module.value(node.targets[0].slice) == "WANDB_API_KEY":
                        places.append((node, node.value))
                elif isinstance(node, ast.Call) and node.args and module.value(node.args[0]) == "WANDB_API_KEY":
                    places.append((node, argument(node, "default", 1)))
            for where, value in places:
                key = module.value(value) if value is not None else None
                if isinstance(key, str) and len(key) >= 16:
                    yield self.at(module, where, f"a W&B key in the code: {key[:4]}... ({len(key)} characters)")
        config = subject.config
        if config is not None:
            for path, value in config.leaves:
                if isinstance(value, str) and "key" in path[-1].lower() and _KEY.fullmatch(value):
                    told = ".".join(path)
                    yield self.on(
                        config, config.line(*path), f"{told} holds a W&B key: {value[:4]}... ({len(value)} characters)"
                    )
