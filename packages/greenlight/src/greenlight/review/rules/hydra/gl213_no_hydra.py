"""GL213: nothing composes the configuration with Hydra."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_KEYS = frozenset({"run", "run_id", "mode", "results_dir"})

_COMPOSES = ("hydra.initialize", "hydra.initialize_config_dir", "hydra.initialize_config_module")


class NoHydra(Rule):
    """Nothing composes the configuration with Hydra."""

    id = "GL213"
    name = "no-hydra"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "2.1",
        "2.2",
    )
    summary = "No file uses Hydra, so run=<id> results_dir=<path> mode=<mode> is not understood."
    why = (
        "The contract's command line is Hydra's. An argparse program with --options ends at run=... with "
        "'unrecognized arguments'."
    )
    remedy = (
        'Decorate the entry of src/main.py with @hydra.main(version_base=None, config_path="../config", '
        'config_name="config").'
    )
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
                def train(cfg):
                    print(cfg.training.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                training:
                  lr: 0.1
            """,
            "config/runs/a.yaml": """
                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )
    invalid = (
        {
            "src/main.py": """
                import argparse

                from src.train import train

                parser = argparse.ArgumentParser()
                parser.add_argument("--run")
                parser.add_argument("--mode", default="full")
                train(parser.parse_args())
            """,
            "src/train.py": """
                def train(args):
                    print(args.run)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                training:
                  lr: 0.1
            """,
            "config/runs/a.yaml": """
                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding where main.py parses --options itself and nothing imports Hydra."""
        main, train = subject.module("src/main.py"), subject.module("src/train.py")
        if main is None or train is None:
            raise NotApplicable("src/main.py or src/train.py has no code")
        for module in subject.code:
            if any(module.calls("hydra.main", "hydra.compose", *_COMPOSES)):
                return
            if any(o.startswith("hydra") and "config_store" not in o for o in module.imports.values()):
                return
        for module in (main, train):
            calls = [c for c in module.method_calls("add_argument") if c.args]
            options = [c for c in calls if str(module.value(c.args[0])).startswith("--")]
            names = {str(module.value(c.args[0])).lstrip("-").replace("-", "_") for c in options}
            if names & _KEYS and "sys.argv" not in module.text:
                text = f"{module.path} takes --{min(names & _KEYS)} with argparse: run=<id> of the command is refused"
                yield self.at(module, options[0], text)
                return
