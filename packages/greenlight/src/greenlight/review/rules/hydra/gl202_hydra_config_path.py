"""GL202: @hydra.main does not lead to config/config.yaml."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import entries
from greenlight.review.engines.run_stores import RunStores
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument, has_open_arguments
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class HydraConfigPath(Rule):
    """@hydra.main does not lead to config/config.yaml."""

    id = "GL202"
    name = "hydra-config-path"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = ("2.1",)
    summary = "The configuration that @hydra.main names does not exist, so the program ends before its first line."
    why = (
        "config_path is relative to the file that holds the decorated function: from src/ the folder "
        "config is ../config. Without it Hydra composes no file at all, and run=, mode= and results_dir= "
        "are rejected."
    )
    remedy = 'Say config_path="../config" and config_name="config" in files below src.'
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


                @hydra.main(version_base=None, config_path="../config", config_name="config.yaml")
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


                @hydra.main(version_base=None, config_path="config", config_name="config")
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


                @hydra.main(version_base=None, config_path="../config", config_name="default")
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


                @hydra.main(version_base=None, config_name="config")
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
        """Yield one finding for each decorator whose folder or file does not exist."""
        found = subject.derived(entries)
        if not found:
            raise NotApplicable("no function is under @hydra.main")
        if not subject.has("config/config.yaml"):
            return
        for entry in found:
            if entry.module.path == "src/evaluate.py" or subject.derived(RunStores).unclear:
                continue
            call = entry.decorator
            if not isinstance(call, ast.Call) or has_open_arguments(call):
                continue
            path, name = argument(call, "config_path", 0), argument(call, "config_name", 1)
            value = entry.module.value(path) if path is not None else None
            if entry.version_base == "?" or not (value is None or isinstance(value, str)):
                continue
            remedy = 'say config_path="../config", config_name="config"'
            if name is None or value is None:
                what = "config_name" if name is None else "config_path"
                if name is None or entry.version_base not in ("1.0", "1.1"):
                    text = f"@hydra.main has no {what}: config/config.yaml is not read"
                    yield self.at(entry.module, call, text, remedy)
            elif entry.folder is not None and entry.config_name is not None:
                wanted = f"{entry.folder}/{entry.config_name}.yaml".lstrip("/")
                if not subject.has(wanted) and not subject.has(wanted.removesuffix(".yaml") + ".yml"):
                    yield self.at(entry.module, call, f"@hydra.main reads {wanted}, which does not exist", remedy)
