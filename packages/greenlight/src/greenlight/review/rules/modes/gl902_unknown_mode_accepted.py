"""GL902: a mode that does not exist is accepted."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


def _is_mode(module: Module, node: ast.AST) -> bool:
    """Return whether an expression is the mode of the experiment: cfg.mode, cfg["mode"], mode."""
    if isinstance(node, ast.Attribute):
        owner = node.value
        return node.attr == "mode" and getattr(owner, "attr", getattr(owner, "id", "")) not in ("wandb", "tracking")
    if isinstance(node, ast.Name):
        return node.id in ("mode", "run_mode", "exp_mode")
    if isinstance(node, ast.Call):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else (node.args[0] if node.args else None)
        return inner is not None and not isinstance(inner, ast.Call) and _is_mode(module, inner)
    return isinstance(node, ast.Subscript) and module.value(node.slice) == "mode"


def _names_mode(module: Module, node: ast.AST) -> bool:
    """Return whether a condition compares the mode with one of the two values."""
    for part in walk(node):
        if isinstance(part, ast.Compare) and any(_is_mode(module, p) for p in (part.left, *part.comparators)):
            return True
    return False


def _strings(node: ast.AST) -> set[str]:
    return {n.value for n in walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _strings_of(statements: list[ast.stmt]) -> set[str]:
    return set().union(*(_strings(statement) for statement in statements))


def _exits(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "quit", "parser.error")


def _is_elif(module: Module, node: ast.If) -> bool:
    around = module.parent(node)
    return isinstance(around, ast.If) and around.orelse == [node]


class UnknownModeAccepted(Rule):
    """A mode that does not exist is accepted."""

    id = "GL902"
    name = "unknown-mode-accepted"
    criterion = Criterion.MODES
    severity = Severity.MINOR
    sentences = ("9.1",)
    summary = (
        "A misspelt mode is accepted: the program runs with settings that are neither of a trial nor of a full run."
    )
    why = (
        "mode=tiral takes no branch of an if/elif without else, and trains for hours with W&B in whatever "
        "state config.yaml has it."
    )
    remedy = "End with an else branch that raises ValueError and names trial and full."
    valid = (
        {
            "src/main.py": """
                import hydra

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import wandb


                def train(cfg):
                    if cfg.mode == "trial":
                        cfg.wandb.mode = "disabled"
                        cfg.optuna.n_trials = 0
                        cfg.epochs = 1
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    else:
                        raise ValueError(f"mode {cfg.mode}: trial or full")
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    for epoch in range(cfg.epochs):
                        fit(cfg.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                run_id: a
                epochs: 3
                lr: 0.1
                wandb:
                  project: p
                  mode: online
                optuna:
                  n_trials: 20
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
            """,
        },
        {
            "src/main.py": """
                import hydra

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import wandb


                def train(cfg):
                    if cfg.mode not in ("trial", "full"):
                        raise ValueError("mode: trial or full")
                    if cfg.mode == "trial":
                        cfg.wandb.mode = "disabled"
                        cfg.optuna.n_trials = 0
                        cfg.epochs = 1
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    for epoch in range(cfg.epochs):
                        fit(cfg.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                run_id: a
                epochs: 3
                lr: 0.1
                wandb:
                  project: p
                  mode: online
                optuna:
                  n_trials: 20
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
            """,
        },
    )
    invalid = (
        {
            "src/main.py": """
                import hydra

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import wandb


                def train(cfg):
                    if cfg.mode == "trial":
                        cfg.wandb.mode = "disabled"
                        cfg.optuna.n_trials = 0
                        cfg.epochs = 1
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    for epoch in range(cfg.epochs):
                        fit(cfg.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                run_id: a
                epochs: 3
                lr: 0.1
                wandb:
                  project: p
                  mode: online
                optuna:
                  n_trials: 20
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding where modes are told apart and nothing refuses a third."""
        if any(module.error is not None for module in subject.code) or not subject.derived(ConfigFlow).known:
            raise NotApplicable("not all code can be read")
        chains: list[tuple[Module, ast.If]] = []
        for module in subject.code:
            if module.path == "src/evaluate.py":
                continue
            for node in module.nodes:
                if isinstance(node, ast.Assert | ast.Match | ast.Raise) and "mode" in module.source(node):
                    return
                if isinstance(node, ast.Dict | ast.Subscript) and {"trial", "full"} <= _strings(node):
                    return
                if isinstance(node, ast.If) and _names_mode(module, node.test):
                    if any(isinstance(n, ast.Raise) or _exits(n) for n in walk(node)):
                        return
                    if "trial" in _strings(node.test) and not _is_elif(module, node):
                        chains.append((module, node))
            if any(
                "Literal" in o or "Enum" in o or "pydantic" in o or "argparse" in o for o in module.imports.values()
            ):
                return
        both = [c for c in chains if "full" in _strings(c[1]) or "online" in _strings_of(c[1].orelse)]
        for module, node in both[:1]:
            text = "a mode other than trial and full is accepted without an error"
            yield self.at(module, node.test, text, "add else: raise ValueError that names trial and full")
