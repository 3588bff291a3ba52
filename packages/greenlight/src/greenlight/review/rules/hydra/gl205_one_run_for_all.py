"""GL205: the defaults list names one run for every command."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import Composition, entries
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class OneRunForAll(Rule):
    """The defaults list names one run for every command."""

    id = "GL205"
    name = "one-run-for-all"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "7.1",
        "2.4",
    )
    summary = "Whatever run= says, Hydra loads the same run file: every method's result comes from one configuration."
    why = (
        "A fixed entry such as runs: proposed makes run=comparative train the proposed method under the "
        "baseline's name, and nothing fails. It was seen as the repair of an interpolation that Hydra had "
        "refused."
    )
    remedy = (
        "Let run=<run id> choose the file: a group run whose options are the run files, or OmegaConf.load "
        "in the program."
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
            "config/runs/b.yaml": """
                run_id: b
                trbining:
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
                  - run: a
                results_dir: ???
                mode: ???
            """,
            "config/run/a.yaml": """
                # @package _global_

                run_id: a
                training:
                  lr: 0.2
            """,
            "config/run/b.yaml": """
                # @package _global_

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
                  - runs: a

                run: ???
                results_dir: ???
                mode: ???
                training:
                  lr: 0.1
            """,
            "config/runs/a.yaml": """
                # @package _global_

                run_id: a
                training:
                  lr: 0.2
            """,
            "config/runs/b.yaml": """
                # @package _global_

                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for an entry that fixes the run, where the program does not load another file over it."""
        if not any(entry.reads_primary for entry in subject.derived(entries)):
            raise NotApplicable("no function under @hydra.main reads config/config.yaml")
        for module in subject.code:
            if module.path == "src/evaluate.py":
                continue
            if any(
                isinstance(n, ast.Constant) and isinstance(n.value, str) and "runs" in n.value for n in module.nodes
            ):
                return  # the program has a way of its own
        for problem in subject.derived(Composition).problems:
            if problem.kind == "fixed":
                text = f"the defaults list has '{problem.subject}': run=... does not change what is loaded"
                yield self.on("config/config.yaml", problem.line, text)
