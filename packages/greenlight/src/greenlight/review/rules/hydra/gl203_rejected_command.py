"""GL203: Hydra rejects an argument of the documented command."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import Composition, entries
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class RejectedCommand(Rule):
    """Hydra rejects an argument of the documented command."""

    id = "GL203"
    name = "rejected-command"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "2.4",
        "2.5",
    )
    summary = "Hydra rejects run=, results_dir= or mode=, so the documented command ends with an error message."
    why = (
        "Hydra lets the command line set only keys that the configuration has, unless they carry a plus: "
        "'Could not override ...'. A folder config/run (or config/mode) turns run= into the choice of a "
        "group, which the defaults list must have."
    )
    remedy = "Add the key to config/config.yaml, or the group to its defaults list."
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
                  - run: ???
                results_dir: ???
                mode: ???
            """,
            "config/runs/a.yaml": """
                run_id: a
                training:
                  lr: 0.2
            """,
            "config/run/a.yaml": """
                # @package _global_
                run_id: a
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
                run: ???
                mode: ???
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
            "config/run/a.yaml": """
                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each argument that Hydra rejects."""
        if not any(e.reads_primary and e.module.path == "src/main.py" for e in subject.derived(entries)):
            raise NotApplicable("main.py has no function under @hydra.main that reads config/config.yaml")
        for problem in subject.derived(Composition).problems:
            if problem.kind == "key":
                text = f"{problem.subject}=... of the command is rejected: config/config.yaml has no such key"
                yield self.on("config/config.yaml", 1, text, f"add the line {problem.subject}: ???")
            elif problem.kind == "group":
                key = problem.subject
                text = f"{key}=... is rejected: the folder config/{key} makes it a group the defaults list lacks"
                yield self.on("config/config.yaml", problem.line, text, f"add - {key}: ??? to the defaults list")
