"""GL210: @hydra.main has no version_base."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import entries
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class NoVersionBase(Rule):
    """@hydra.main has no version_base."""

    id = "GL210"
    name = "no-version-base"
    criterion = Criterion.HYDRA
    severity = Severity.MINOR
    sentences = ("2.1",)
    summary = (
        "Without version_base Hydra warns at each start and behaves as version 1.1 did, changes of the "
        "working directory included."
    )
    why = (
        "Hydra 1.2 and later take a missing version_base for 1.1: the program runs in "
        "outputs/<date>/<time>, relative paths such as .cache/ or config/runs are looked for there."
    )
    remedy = 'Say version_base=None for the behaviour of the installed version, or name one such as "1.3".'
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


                @hydra.main(version_base="1.3", config_path="../config", config_name="config")
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
                import hydra

                from src.train import train


                @hydra.main(config_path="../config", config_name="config")
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

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each decorator without version_base."""
        found = subject.derived(entries)
        if not found:
            raise NotApplicable("no function is under @hydra.main")
        for entry in found:
            if not entry.has_version_base:
                text = f"@hydra.main of {entry.function.name} has no version_base"
                yield self.at(entry.module, entry.decorator, text, "add version_base=None")
