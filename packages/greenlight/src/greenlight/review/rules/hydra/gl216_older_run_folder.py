"""GL216: run files stand in config/run."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class OlderRunFolder(Rule):
    """Run files stand in config/run."""

    id = "GL216"
    name = "older-run-folder"
    criterion = Criterion.HYDRA
    severity = Severity.MINOR
    sentences = ("7.1",)
    summary = "The run files stand in config/run, while the contract's folder is config/runs."
    why = (
        "Tools that follow the contract look for config/runs/<run id>.yaml; older generated experiments "
        "used config/run."
    )
    remedy = "Rename the folder to config/runs and the paths in the code with it."
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
            "config/run/a.yaml": """
                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for the older folder."""
        older = [file for file in subject.runs.values() if file.path.startswith("config/run/")]
        if older and len(older) == len(subject.runs):
            text = f"{len(older)} run file(s) stand in config/run; the contract's folder is config/runs"
            yield self.on(older[0], 1, text, f"move {older[0].path} to {older[0].path.replace('/run/', '/runs/')}")
