"""GL204: an entry of the defaults list cannot be resolved."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import Composition, entries
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class DefaultsEntry(Rule):
    """An entry of the defaults list cannot be resolved."""

    id = "GL204"
    name = "defaults-entry"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "2.1",
        "7.1",
    )
    summary = "An entry of the defaults list cannot be resolved, so Hydra ends every command."
    why = (
        "An interpolation in the defaults list sees chosen groups alone, never a key: runs: ${run} ends "
        "with 'Error resolving interpolation' whatever run= says. An entry whose file is not there ends "
        "with MissingConfigException, and ??? without a choice on the command line with 'You must "
        "specify'."
    )
    remedy = (
        "Make run a group of its own with the run files as its options, or drop the entry and load the "
        "run file in the program."
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
                defaults:
                  - _self_

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
                defaults:
                  - _self_
                  - optional model: bert

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
                defaults:
                  - _self_
                  - runs: ${run}

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
                defaults:
                  - _self_
                  - model: bert

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
                defaults:
                  - _self_
                  - runs: ???

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
        """Yield one finding for each entry that ends the composition."""
        if not any(entry.reads_primary for entry in subject.derived(entries)):
            raise NotApplicable("no function under @hydra.main reads config/config.yaml")
        for problem in subject.derived(Composition).problems:
            if problem.kind == "missing":
                text = f"the defaults list has '{problem.subject}', but there is no {problem.path}"
                yield self.on("config/config.yaml", problem.line, text, f"drop the entry, or add {problem.path}")
            elif problem.kind == "unresolved" and "???" in problem.subject:
                text = f"the defaults list has '{problem.subject}', which run=... of the command does not choose"
                yield self.on("config/config.yaml", problem.line, text)
            elif problem.kind == "unresolved":
                text = f"the defaults list has '{problem.subject}': interpolations there see groups, not run=..."
                yield self.on("config/config.yaml", problem.line, text)
