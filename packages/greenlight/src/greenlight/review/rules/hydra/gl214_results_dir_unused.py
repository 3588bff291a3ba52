"""GL214: training never uses results_dir."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import entries
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class ResultsDirUnused(Rule):
    """Training never uses results_dir."""

    id = "GL214"
    name = "results-dir-unused"
    criterion = Criterion.HYDRA
    severity = Severity.MAJOR
    sentences = ("2.4",)
    summary = "The training accepts results_dir and writes nothing there."
    why = (
        "The documented command names where results go; a training that never looks at it leaves no "
        "model, checkpoint or log behind, or leaves them in a place that the next run overwrites."
    )
    remedy = "Write what the run produces below results_dir/<run id>."
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
                from pathlib import Path


                def train(cfg):
                    Path(cfg.results_dir).mkdir(parents=True, exist_ok=True)
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
                run: ???
                results_dir: ???
                mode: ???
                training:
                  lr: 0.1
                hydra:
                  run:
                    dir: ${results_dir}
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
            "config/runs/a.yaml": """
                run_id: a
                training:
                  lr: 0.2
            """,
        },
        {
            "src/main.py": """
                import subprocess
                import sys

                import hydra


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    command = [
                        sys.executable, "-u", "-m", "src.train",
                        f"run={cfg.run}", f"mode={cfg.mode}", f"results_dir={cfg.results_dir}",
                    ]
                    subprocess.run(command, check=True)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import hydra



                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    print(cfg.training.lr)


                if __name__ == "__main__":
                    main()
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
        """Yield a finding where no line besides the forwarding one mentions results_dir."""
        main, train = subject.module("src/main.py"), subject.module("src/train.py")
        if main is None or train is None or subject.config is None or not subject.config.data:
            raise NotApplicable("src/main.py, src/train.py or config/config.yaml has nothing in it")
        if not any(entry.reads_primary for entry in subject.derived(entries)):
            return
        files = [subject.config, *subject.runs.values()]
        if any("${results_dir}" in file.text for file in files):
            return
        if not subject.derived(ConfigFlow).known:
            return
        texts = [module for module in subject.code if module.path not in ("src/main.py", "src/evaluate.py")]
        if any("results_dir" in module.text for module in texts):
            return
        uses = [n for n in main.nodes if isinstance(n, ast.Attribute) and n.attr == "results_dir"]
        forwarded = [
            n
            for n in uses
            if any(
                isinstance(a, ast.JoinedStr | ast.BinOp) and "results_dir=" in main.source(a) for a in main.ancestors(n)
            )
        ]
        strings = [n for n in main.nodes if isinstance(n, ast.Constant) and n.value == "results_dir"]
        indexed = [n for n in strings if isinstance(main.parent(n), ast.Subscript | ast.Call)]
        if len(uses) == len(forwarded) and not indexed:
            functions = [n for n in train.nodes if isinstance(n, ast.FunctionDef)]
            named = [n for n in functions if n.name in ("train", "main", "run")]
            first = next(iter([*named, *functions]), train.tree)
            entry = next((e.function for e in subject.derived(entries) if e.module is train), first)
            text = "results_dir is accepted, but nothing is ever written there"
            yield self.at(train, entry, text, "write below cfg.results_dir")
