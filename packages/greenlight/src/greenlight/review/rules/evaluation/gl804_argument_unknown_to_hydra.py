"""GL804: Hydra rejects the arguments of the documented command."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class ArgumentUnknownToHydra(Rule):
    """evaluate.py uses Hydra with a config.yaml that has no run_ids or results_dir, so it is rejected."""

    id = "GL804"
    name = "argument-unknown-to-hydra"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("2.6", "8.1")
    summary = (
        "evaluate.py uses Hydra with a config.yaml that has no run_ids or results_dir, so the documented "
        "command is rejected."
    )
    why = "Hydra's configuration is closed: \"Could not override 'run_ids'. Key 'run_ids' is not in struct\"."
    remedy = "Add the keys to config/config.yaml with the value null."
    valid = (
        {
            "src/evaluate.py": """
            import hydra

            @hydra.main(config_path="../config", config_name="config", version_base=None)
            def main(cfg):
                return list(cfg.run_ids), cfg.results_dir
        """,
            "config/config.yaml": """
            run_ids: null
            results_dir: ???
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import hydra

            @hydra.main(config_path="../config", config_name="config", version_base=None)
            def main(cfg):
                return list(cfg.run_ids), cfg.results_dir
        """,
            "config/config.yaml": """
            results_dir: ???
            wandb:
              entity: a-team
              project: pruning
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        config = subject.config
        if config is None or config.error is not None or not config.data:
            return
        defaults = config.get("defaults", default=[])
        if not isinstance(defaults, list) or any(
            entry != "_self_" and "run" not in str(entry) and "hydra" not in str(entry) for entry in defaults
        ):
            return
        for call in module.calls("hydra.main"):
            name, folder = (
                module.value(argument(call, "config_name", 1)),
                module.value(argument(call, "config_path", 0)),
            )
            if name not in ("config", "config.yaml") or not isinstance(folder, str) or not folder.endswith("config"):
                continue
            missing = [key for key in ("results_dir", "run_ids") if key not in config.data]
            if missing:
                yield self.at(
                    module,
                    call,
                    f"config/config.yaml has no {' and no '.join(missing)}: Hydra rejects {missing[-1]}=...",
                    "add " + " and ".join(f"'{key}: null'" for key in missing) + " to config/config.yaml",
                )
